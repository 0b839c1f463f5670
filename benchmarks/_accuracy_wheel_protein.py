"""The published wheel's CITE-seq model on the cells of a task; see ``_wheel_parts_driver``.

RNA is normalised as its tutorials do, by the median of all cells, test cells included. Proteins
are this package's centred log-ratios, on whose scale they are scored: the wheel's own leave zeros
out of the mean and at 0. Of predicted proteins the negatives are kept, which its ``test`` sets to
0 as it does with expression; that would cost it correlation within a cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import scanpy as sc
from scipy import sparse

import scvi_xmodal as xm
from benchmarks._accuracy_external import as_adata, run_driver
from benchmarks._accuracy_models import Cost, NotAvailableError, Predictions, Translation
from benchmarks._wheel import SCHEDULE, wheel_python

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks._accuracy_data import Task

SEED = 19191
"""The published seed of CITE-seq, to which ours is added."""
FLOOR = 1e-4
"""Below this the wheel calls a predicted value 0."""


def wheel_protein(task: Task, init: dict[str, Any], train: dict[str, Any]) -> Predictions:
    """Train the wheel's CITE-seq model by its published schedule and predict both ways."""
    cells = {
        kind: anndata.concat([task.training[kind], task.queries[kind]], merge="same")
        for kind in ("rna", "protein")
    }
    if init:
        raise ValueError(f"init={init}: the wheel's CITE-seq model is built as published.")
    test = np.arange(task.training.n_obs, cells["rna"].n_obs)
    predicted, cost = run_parts(
        "train_model_cite",
        {"first": log_normalised(cells["rna"]), "second": xm.pp.clr(cells["protein"].X)},
        {
            "train": (task.split.train, task.split.train),
            "validation": (task.split.validation, task.split.validation),
            "test": (test, test),
        },
        {**SCHEDULE, "seed": SEED + task.seed, **train},
    )
    names, queries = task.queries["rna"].obs_names, task.queries
    rna = as_adata(floored(predicted["first"]), names, queries["rna"].var_names)
    protein = as_adata(predicted["second"], names, queries["protein"].var_names)
    return Predictions(
        {
            ("protein", "rna"): Translation(rna, rna),
            ("rna", "protein"): Translation(protein, protein),
        },
        cost,
    )


def run_parts(
    module: str,
    matrices: Mapping[str, Any],
    rows: Mapping[str, tuple[Any, Any]],
    train: Mapping[str, Any],
) -> tuple[dict[str, np.ndarray], Cost]:
    """Run a model without a front end; return predictions of the ``test`` rows and the cost.

    Parameters
    ----------
    module
        ``"train_model_cite"`` or ``"train_model_perturb"``.
    matrices
        Values of the ``first`` and the ``second`` side, of shape (n_cells, n_features).
    rows
        Rows of the first and of the second side that ``train``, ``validation`` and ``test``.
    train
        Keywords of its training.
    """
    try:
        python = wheel_python()
    except RuntimeError as error:
        raise NotAvailableError(str(error)) from error
    sides = ("first", "second")
    arrays = {
        f"{part}_{side}": own
        for part, both in rows.items()
        for side, own in zip(sides, both, strict=True)
    }
    return run_driver(
        python,
        "benchmarks._wheel_parts_driver",
        matrices={side: sparse.csr_matrix(matrices[side]) for side in sides},
        arrays=arrays,
        options={"module": module, "train": dict(train)},
    )


def log_normalised(rna: anndata.AnnData) -> Any:
    """Return size-normalised log1p expression of shape (n_cells, n_genes), sparse."""
    cells = anndata.AnnData(rna.X.astype(np.float32), obs=rna.obs[[]])
    sc.pp.normalize_total(cells)
    sc.pp.log1p(cells)
    return cells.X


def floored(values: np.ndarray) -> np.ndarray:
    """Set small values to 0, as the wheel does with what it predicts."""
    return np.where(values < FLOOR, 0, values)
