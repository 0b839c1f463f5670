"""What a network that predicts perturbed cells has to beat: rules of a line or two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal.data import translation, translation_record

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

SHRINKAGE = 1.0
"""Ridge penalty of a gene's slope over types, in units of a type."""


def baseline_predictions(cells: AnnData, train: NDArray[np.int64], query: AnnData) -> dict:
    """Return predicted perturbed cells for control cells of an unseen type, by rule.

    ``control + mean shift`` adds to each control cell the mean over the training types of what
    the perturbation changes, on the log1p scale. ``per-type linear`` regresses that change, gene
    by gene, on the types' mean control expression (ridge over types), and adds what the line says
    for the unseen type.

    Parameters
    ----------
    cells
        Raw counts of all cells with ``condition`` and ``cell_type``.
    train
        Rows that may be looked at.
    query
        Control cells of the unseen type.
    """
    scale = float(np.median(np.asarray(cells.X[train].sum(axis=1))))
    values = pd.DataFrame(log_expression(cells[train], scale))
    obs = cells.obs.iloc[train]
    means = values.groupby([obs["condition"].to_numpy(), obs["cell_type"].to_numpy()]).mean()
    control, perturbed = (means.loc[name].to_numpy() for name in ("ctrl", "stim"))
    change = perturbed - control
    own = log_expression(query, scale)
    shifts = {
        "control + mean shift": change.mean(axis=0),
        "per-type linear": _line(control, change, own.mean(axis=0)),
    }
    return {name: _translation(own + shift, query) for name, shift in shifts.items()}


def log_expression(cells: AnnData, scale: float) -> NDArray[np.float64]:
    """Return size-normalised log1p expression, dense, of shape (n_cells, n_genes)."""
    counts = np.asarray(cells.X.todense(), dtype=np.float64)
    return np.log1p(counts * (scale / np.maximum(counts.sum(axis=1, keepdims=True), 1)))


def _line(x: NDArray[Any], y: NDArray[Any], at: NDArray[Any]) -> NDArray[np.float64]:
    """Return each gene's ridge line of y on x, both (n_types, n_genes), at new values of x."""
    centred = x - x.mean(axis=0)
    scale = np.maximum(centred.std(), 1e-12) ** 2 * SHRINKAGE
    slope = (centred * y).sum(axis=0) / ((centred**2).sum(axis=0) + scale)
    return y.mean(axis=0) + slope * (at - x.mean(axis=0))


def _translation(values: NDArray[np.float64], query: AnnData) -> AnnData:
    record = translation_record(
        source="control", target="perturbed", target_kind="rna", model="rule", options={}
    )
    clipped = np.maximum(values, 0).astype(np.float32)
    return translation({"X": clipped}, obs=query.obs, var=query.var, record=record)
