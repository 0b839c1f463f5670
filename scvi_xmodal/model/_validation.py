"""How well each feature is translated, measured on validation cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal.metrics import auroc_per_feature, pearson_per_feature
from scvi_xmodal.model._held_out import as_scipy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scvi_xmodal.model._held_out import HeldOut
    from scvi_xmodal.module import ModalitySpec

SCORES = {"rna": "validation_pearson", "atac": "validation_auroc", "protein": "validation_pearson"}
"""Name of the score of each kind of target."""


def validation_scores(
    module: Any, specs: Mapping[str, ModalitySpec], held: HeldOut
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return each feature's score for every source and target.

    What ``translate`` puts into ``X`` is compared with measured values on the same scale:
    Pearson's correlation over cells (RNA, protein), or the AUROC of open peaks (ATAC). Where
    cells were not measured in both, there is nothing to compare with and no score.

    Parameters
    ----------
    module
        A trained module.
    specs
        The modalities.
    held
        The cells.

    Returns
    -------
    By source and target: ``"score"`` and ``"n_detected"`` of shape (n_features,), in the user's
    order, and ``"n_cells"``.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {key: {} for key in specs}
    for source, target in module.paths:
        spec = specs[target]
        rows = held.pairs(source, target, n_values=spec.n_features)
        if rows[0].size:
            prediction = _predicted(module, (source, target), held, rows)
            truth = held.counts(target, rows[1])
            found[source][target] = _compared(module, spec, truth, prediction)
    return found


def _predicted(
    module: Any,
    path: tuple[str, str],
    held: HeldOut,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.float32]:
    """Translate the source's rows into the batches of the target's."""
    source, target = path
    n_features = held.readers[target].n_features
    predicted = np.empty((rows[0].size, n_features), dtype=np.float32)
    for block in held.blocks(rows[0], n_features):
        counts, batch = held.counts(source, rows[0][block]), held.batch(target, rows[1][block])
        layers = module.translate(counts, source, target, batch=batch)
        predicted[block] = layers["X"].cpu().numpy()
    return predicted


def _compared(
    module: Any, spec: ModalitySpec, counts: Any, prediction: NDArray[np.float32]
) -> dict[str, Any]:
    if spec.kind == "atac":
        truth = as_scipy(counts)
        score = auroc_per_feature(truth, prediction)
    else:
        truth = as_scipy(module.transforms[spec.key](counts))
        score = pearson_per_feature(truth, prediction)
    n_detected = np.bincount(
        counts.columns.cpu().numpy(), counts.values.cpu().numpy() > 0, minlength=spec.n_features
    )
    return {
        "score": score[spec.position].astype(np.float32),
        "n_detected": n_detected[spec.position].astype(np.int32),
        "n_cells": int(counts.n_rows),
    }


def way_to_scores(setup: Mapping[str, Any], source: str, target: str) -> str:
    """Return what to do for scores of a path that a trained model has none of.

    Parameters
    ----------
    setup
        The arguments of the model's setup.
    source, target
        The path.
    """
    pairing = "conditions" if "condition_key" in setup else setup.get("pairing", "measured")
    if pairing == "measured" or source == target:
        return "Train it with a split that has validation cells."
    if pairing == "mosaic":
        return f"Train it with a split of which validation cells were measured in {target!r} too."
    if pairing == "conditions":
        return (
            "No cell is measured in both conditions, so no training gives any: compare translated "
            "with measured cells by metrics.evaluate_perturbation."
        )
    return (
        "Its modalities are of different cells, so no training gives any: translate cells that "
        "were measured in both and score them by metrics.evaluate_translation."
    )
