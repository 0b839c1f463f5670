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
    shown,
    within,
)
from scvi_xmodal.module import Architecture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module import ButterflyVAE, KindDefaults

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


def check_acting(module: ButterflyVAE, choices: Mapping[str, Any]) -> None:
    """Raise at a choice that the network built by it does not follow.

    Choices by kind may name kinds that the model lacks, for one table may serve several
    experiments, but not only those.

    Parameters
    ----------
    module
        The network.
    choices
        What the user named of a constructor's arguments, ``None`` for nothing.

    Raises
    ------
    ValueError
        If a choice has no effect.
    """
    for name, value in choices.items():
        reason = None if value is None else _without_effect(name, value, module)
        if reason:
            raise ValueError(f"{name}={shown(value)} has no effect: {reason}. Leave it out.")


def _without_effect(name: str, value: Any, module: ButterflyVAE) -> str | None:
    """Return why a choice has no effect; ``None`` if it has one."""
    kinds = {spec.kind for spec in module.specs.values()}
    named = {"gene_likelihood": {"rna"}, "atac_target": {"atac"}}.get(name, set())
    if name in ("mask_rate", "loss_weight"):
        named = set(value)
    if named and not named & kinds:
        return f"the model's modalities are of the kinds {sorted(kinds)}"
    if name in ("adversarial_gate", "n_discriminator_layers"):
        if not module.architecture.adversarial_weight:
            return "with adversarial_weight=0 no discriminator is trained"
    if name == "n_components" and value and not module.linear_paths:
        if any(decoder.batches.n_batch for decoder in module.decoders.values()):
            return "linear paths know no batches, and batch_key= names some"
        return "outputs behind a batch norm, as of preset='scbutterfly', have no linear path"
    return None
