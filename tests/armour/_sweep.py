"""Every argument that the package's table of arguments knows, given values of a wrong kind."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import scvi_xmodal as xm
from scvi_xmodal._arguments import ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOMS = ("pp", "tl", "pl", "pairing", "metrics", "datasets")
METHODS = {
    "Butterfly": (
        *("translate", "get_latent_representation", "familiarity", "train", "save", "load"),
        *("setup_mudata", "setup_anndata", "from_unpaired", "posterior_predictive_sample"),
    ),
    "Babel": ("translate", "train", "setup_mudata", "train_protein_head"),
    "Polarbear": ("translate", "train", "setup_mudata"),
    "Ridge": ("fit", "translate"),
}
"""Methods whose arguments of the table are looked at before anything is done."""
NASTY = {
    "nothing": None,
    "nan": float("nan"),
    "negative": -1,
    "fraction": 0.5,
    "flag": True,
    "text": "nonsense",
    "bytes": b"x",
    "list": ["nonsense"],
    "dict": {"x": 1},
    "set": {1},
    "array": np.ones((2, 2)),
    "object": object(),
}

# These take something else under a name of the table, and say so themselves.
OWN_RULES = {
    *((name, "prediction") for name in ("evaluate_translation", "evaluate_features")),
    *(("evaluate_perturbation", name) for name in ("prediction", "truth", "control")),
    *(
        (name, part)
        for name in (
            "auroc_flat",
            "average_precision_flat",
            "ranking_flat",
            "spearman_flat",
            "calibration",
        )
        for part in ("truth", "prediction")
    ),
    *((name, "truth") for name in ("confusion", "evaluate_annotation")),
    *((name, "data") for name in ("enhance", "joint_latent")),
    ("prediction_density", "prediction"),
    ("binarize", "measured"),
    ("translation_umap", "measured"),
    ("enrich", "background"),
    ("translate_chain", "path"),
    ("translate_chain", "transform_batch"),
    ("marker_peaks", "n_peaks"),
    # paths, queries, or None for the training data
    *((name, "adata") for name in ("translate", "familiarity", "get_latent_representation")),
    ("posterior_predictive_sample", "adata"),
    *((name, "mdata") for name in ("setup_mudata", "fit")),
    ("load", "adata"),
    ("get_latent_representation", "modality"),
}


class Wrong(NamedTuple):
    """A value of a kind that an argument's rule refuses."""

    room: str
    function: str
    argument: str
    value: str


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public functions that begin by checking their arguments."""
    for room in ROOMS:
        module = getattr(xm, room)
        for name in module.__all__:
            function = getattr(module, name)
            if inspect.isfunction(function) and "check_arguments" in function.__code__.co_names:
                yield room, function


def methods() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield methods of models and baselines with the name of their class, unbound."""
    for owner, names in METHODS.items():
        cls = getattr(xm.model, owner, None) or getattr(xm.baselines, owner)
        for name in names:
            yield owner, inspect.unwrap(getattr(cls, name))


def swept() -> list[Wrong]:
    """Return all values that must be refused."""
    return [
        Wrong(room, function.__name__, name, label)
        for room, function in (*functions(), *methods())
        for name in inspect.signature(function).parameters
        if name in ARGUMENTS and (function.__name__, name) not in OWN_RULES
        for label, value in NASTY.items()
        if not ARGUMENTS[name].fits(value)
    ]
