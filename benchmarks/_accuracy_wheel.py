"""The published ``scbutterfly`` wheel on the cells of a task, in its own environment.

Its predictions are clustered as they are and scored as probabilities, see
``_accuracy_inverse``; IDF and scale are over all cells, as in its pre-processing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
from scipy import sparse

from benchmarks._accuracy_external import as_adata, run_driver
from benchmarks._accuracy_inverse import inverse_tfidf
from benchmarks._accuracy_models import Cost, NotAvailableError, Translation
from benchmarks._wheel import wheel_python

if TYPE_CHECKING:
    from anndata import AnnData

    from benchmarks._accuracy_data import Task

SCHEDULE = {"R2R_pretrain_epoch": 100, "A2A_pretrain_epoch": 100, "translator_epoch": 200}
SEED = 19193
"""The published seed, to which ours is added."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of both directions."""

    translations: dict[tuple[str, str], Translation]
    cost: Cost

    def translate(self, source: str, target: str) -> Translation:
        """Return the predictions of a direction."""
        return self.translations[source, target]


def wheel(task: Task, init: dict[str, Any], train: dict[str, Any]) -> Predictions:
    """Train the wheel by its published schedule and predict the test cells both ways."""
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
    return Predictions(_translations(task, predicted["rna"], tfidf, cells["atac"]), cost)


def _translations(
    task: Task, rna: np.ndarray, tfidf: np.ndarray, cells: AnnData
) -> dict[tuple[str, str], Translation]:
    names = task.queries["rna"].obs_names
    expression = as_adata(rna, names, task.queries["rna"].var_names)
    peaks = task.queries["atac"].var_names
    depth = np.median(np.diff(task.training["atac"].X.tocsr()[task.split.train].indptr))
    probability = inverse_tfidf(tfidf, sparse.csr_matrix(cells.X), float(depth))
    return {
        ("atac", "rna"): Translation(expression, expression),
        ("rna", "atac"): Translation(
            as_adata(probability, names, peaks), as_adata(tfidf, names, peaks)
        ),
    }
