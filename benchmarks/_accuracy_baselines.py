"""The package's baselines, fitted on the training cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import scvi_xmodal as xm
from benchmarks._accuracy_models import Cost, Translation

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
