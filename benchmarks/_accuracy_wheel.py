"""The published ``scbutterfly`` wheel on the cells of a task, in its own environment.

Its predictions are clustered as they are and scored as probabilities, see
``_accuracy_inverse``. Its pre-processing computes IDF over all cells, test cells included. TF-IDF
is undone by the IDF of the training cells: divided by that of all cells, predictions would tell
the test cells' base rates, which alone rank a cell's peaks better than any model here does
(``init = { inverse_by = "all cells" }`` shows it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
from scipy import sparse

from benchmarks._accuracy_external import as_adata, run_driver
from benchmarks._accuracy_inverse import inverse_tfidf
from benchmarks._accuracy_models import NotAvailableError, Predictions, Translation
from benchmarks._accuracy_wheel_protein import wheel_protein
from benchmarks._wheel import SCHEDULE, wheel_python

if TYPE_CHECKING:
    from benchmarks._accuracy_data import Task

INVERSE_BY = ("training cells", "all cells")
"""Cells whose IDF turns predictions into probabilities."""
SEED = 19193
"""The published seed, to which ours is added."""


def wheel(task: Task, init: dict[str, Any], train: dict[str, Any]) -> Predictions:
    """Train the wheel by its published schedule and predict the test cells both ways."""
    if "protein" in task.queries:
        return wheel_protein(task, init, train)
    init = dict(init)
    inverse_by = init.pop("inverse_by", INVERSE_BY[0])
    if inverse_by not in INVERSE_BY:
        raise ValueError(f"inverse_by={inverse_by!r} is none of {INVERSE_BY}.")
    try:
        python = wheel_python()
    except RuntimeError as error:
        raise NotAvailableError(str(error)) from error
    cells = {
        kind: anndata.concat([task.training[kind], task.queries[kind]], merge="same")
        for kind in ("rna", "atac")
    }
    chromosome = np.asarray(cells["atac"].var["chrom"], dtype=str)
    order = np.argsort(chromosome, kind="stable")  # it wants a chromosome's peaks side by side
    n_paired = task.training.n_obs
    parts = {
        "train": task.split.train,
        "validation": task.split.validation,
        "test": np.arange(n_paired, cells["rna"].n_obs),
    }
    predicted, cost = run_driver(
        python,
        "benchmarks._accuracy_wheel_driver",
        matrices={"rna": cells["rna"].X, "atac": cells["atac"].X[:, order]},
        arrays={**parts, "chromosome": chromosome[order]},
        options={"init": init, "train": {**SCHEDULE, "seed": SEED + task.seed, **train}},
    )
    tfidf = np.empty_like(predicted["atac"])
    tfidf[:, order] = predicted["atac"]
    training = task.training["atac"].X.tocsr()[task.split.train]
    known = training if inverse_by == INVERSE_BY[0] else sparse.csr_matrix(cells["atac"].X)
    depth = float(np.median(np.diff(training.indptr)))
    probability = inverse_tfidf(tfidf, known, depth)
    return Predictions(_translations(task, predicted["rna"], tfidf, probability), cost)


def _translations(
    task: Task, rna: np.ndarray, tfidf: np.ndarray, probability: np.ndarray
) -> dict[tuple[str, str], Translation]:
    names = task.queries["rna"].obs_names
    expression = as_adata(rna, names, task.queries["rna"].var_names)
    peaks = task.queries["atac"].var_names
    return {
        ("atac", "rna"): Translation(expression, expression),
        ("rna", "atac"): Translation(
            as_adata(probability, names, peaks), as_adata(tfidf, names, peaks)
        ),
    }
