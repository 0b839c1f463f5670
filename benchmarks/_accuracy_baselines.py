"""The package's baselines, fitted on the training cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LinearRegression

import scvi_xmodal as xm
from benchmarks._accuracy_models import Cost, Translation
from scvi_xmodal.baselines._profiles import depths

if TYPE_CHECKING:
    from benchmarks._accuracy_data import Task
    from scvi_xmodal.baselines import Baseline


@dataclass(frozen=True, eq=False)
class FittedBaseline:
    """A fitted baseline and the cells to translate."""

    baseline: Baseline
    task: Task
    cost: Cost | None = None

    def translate(self, source: Any, target: Any) -> Translation:
        """Predict the target of the queries."""
        query = self.task.queries[source]
        adata = self.baseline.translate(query, source=source, target=target)
        return Translation(adata, adata)


@dataclass(frozen=True, eq=False)
class FittedAtDepth(FittedBaseline):
    """A fitted baseline whose peaks are scored at the depth that the source foretells.

    Parameters
    ----------
    rows
        Rows of the task's cells that the depth is fitted on.
    """

    rows: Any = None

    def translate(self, source: Any, target: Any) -> Translation:
        """Predict the target of the queries, ATAC's odds times predicted over median depth."""
        found = super().translate(source, target)
        if target != "atac":
            return found
        open_peaks = np.diff(self.task.training["atac"].X.tocsr()[self.rows].indptr)
        log_depth = np.log(np.maximum(open_peaks, 1))
        x = depths(self.task.training[source].X.tocsr()[self.rows])
        regression = LinearRegression().fit(x, log_depth)
        predicted = regression.predict(depths(self.task.queries[source].X.tocsr()))
        scored = found.profile.copy()
        ratio = predicted - np.log(np.median(np.maximum(open_peaks, 1)))
        values = np.clip(np.asarray(scored.X, np.float64), 1e-6, 1 - 1e-6)
        scored.X = expit(logit(values) + ratio[:, None])
        return Translation(scored, found.profile)


def ridge_depth(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedAtDepth:
    """Fit ridge regression; peaks are scored at predicted depth, as Butterfly's are."""
    baseline = xm.baselines.Ridge(**init).fit(task.training, indices=task.split.train)
    return FittedAtDepth(baseline, task, rows=task.split.train)


def ridge_validation(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedAtDepth:
    """Fit ridge regression, which needs no validation cells, on these too; likewise scored."""
    rows = np.sort(np.concatenate([task.split.train, task.split.validation]))
    return FittedAtDepth(
        xm.baselines.Ridge(**init).fit(task.training, indices=rows), task, rows=rows
    )


def mean(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedBaseline:
    """Fit the mean."""
    return _fitted(xm.baselines.Mean(**init), task)


def depth_only(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedBaseline:
    """Fit the depth."""
    return _fitted(xm.baselines.DepthOnly(**init), task)


def knn(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedBaseline:
    """Fit nearest neighbours."""
    return _fitted(xm.baselines.KNN(**init), task)


def ridge(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedBaseline:
    """Fit ridge regression."""
    return _fitted(xm.baselines.Ridge(**init), task)


def gene_activity(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedBaseline:
    """Add up peaks near genes of the data's assembly."""
    genes = xm.datasets.gene_table(task.dataset.assembly)
    return _fitted(xm.baselines.GeneActivity(genes, **init), task)


def measured(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedBaseline:
    """Give the scores something beside which the measured cells are clustered."""
    return mean(task, init, train)


def _fitted(baseline: Baseline, task: Task) -> FittedBaseline:
    return FittedBaseline(baseline.fit(task.training, indices=task.split.train), task)
