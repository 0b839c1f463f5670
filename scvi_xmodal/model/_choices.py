"""The user's choices, put in place of a preset's."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from scvi_xmodal._arguments import (
    COUNT,
    FLAG,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    Rule,
    check_arguments,
    check_keywords,
    one_of,
    within,
)
from scvi_xmodal.module import Architecture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module import KindDefaults

_GENE_LIKELIHOODS = {"nb": {"likelihood": "nb"}, "normal": {"likelihood": "normal"}}
_ATAC_TARGETS = {
    "binary": {"likelihood": "bernoulli", "transform": "tfidf"},
    "tfidf": {"likelihood": "tfidf", "transform": "tfidf_max"},
}

_RULES: dict[str, Rule | None] = {
    **dict.fromkeys(["n_embedding", "n_latent", "n_discriminator_layers"], POSITIVE),
    "n_components": COUNT,
    "dropout_rate": within(0, 1, below=True),
    "reduction": one_of("sum", "mean"),
    "adversarial_weight": NOT_NEGATIVE,
    "adversarial_gate": NUMBER,
    **dict.fromkeys(["output_batch_norm", "head_activation", "stack_sources"], FLAG),
}


def chosen_settings(
    defaults: Mapping[Kind, KindDefaults],
    gene_likelihood: str | None,
    atac_target: str | None,
    mask_rate: Mapping[str, float] | None,
    loss_weight: Mapping[str, float] | None,
) -> dict[Kind, KindDefaults]:
    """Return the kinds' settings with the user's choices in place.

    Raises
    ------
    ValueError
        If a likelihood, target or kind is unknown.
    """
    check_arguments({"mask_rate": mask_rate, "loss_weight": loss_weight})
    settings: dict[Any, KindDefaults] = dict(defaults)
    named: tuple[tuple[str, str | None, str, Mapping[str, Any]], ...] = (
        ("gene_likelihood", gene_likelihood, "rna", _GENE_LIKELIHOODS),
        ("atac_target", atac_target, "atac", _ATAC_TARGETS),
    )
    for name, choice, kind, known in named:
        if choice is None:
            continue
        if choice not in list(known):
            raise ValueError(f"{name}={choice!r} is unknown; there are {list(known)}.")
        settings[kind] = replace(settings[kind], **known[choice])
    for name, field, values in (
        ("mask_rate", "mask_rate", mask_rate),
        ("loss_weight", "weight", loss_weight),
    ):
        for kind, value in (values or {}).items():
            if kind not in settings:
                raise ValueError(f"{name} names {kind!r}; the kinds are {list(settings)}.")
            rule = within(0, 1, below=True) if name == "mask_rate" else NOT_NEGATIVE
            check_keywords(name, {kind: value}, {kind: rule})
            number: dict[str, Any] = {field: float(value)}
            settings[kind] = replace(settings[kind], **number)
    return settings


def chosen_architecture(default: Architecture, choices: Mapping[str, Any]) -> Architecture:
    """Return an architecture with the user's choices in place.

    Raises
    ------
    ValueError
        If a choice is no field of :class:`~scvi_xmodal.module.Architecture`.
    """
    known = [field.name for field in fields(Architecture)]
    check_arguments(choices, **_RULES)
    unknown = [name for name in choices if name not in known]
    if unknown:
        raise ValueError(
            f"Butterfly has no argument {unknown[0]!r}; its architecture has {known}."
        )
    return replace(default, **choices)
