"""This package's models.

Every model trains on the training cells, stops early by the validation cells, and translates
queries of the source alone. Where the target is ATAC the prediction at the depth predicted from
the source is scored and the one at the training median depth is clustered (what
``translate(depth="predicted")`` and ``translate`` are for; ``scvi-xmodal demo`` does the same).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scvi

import scvi_xmodal as xm
from benchmarks._accuracy_ablations import leave_out
from benchmarks._accuracy_data import UNASSIGNED
from benchmarks._accuracy_inverse import inverse_tfidf
from benchmarks._accuracy_models import Cost, NotAvailableError, Translation

if TYPE_CHECKING:
    from benchmarks._accuracy_data import Task

QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}
LABELS = "pairing_label"
"""Column of the labels that Butterfly-T pairs by."""
N_SEEDS = 3
"""Models of an ensemble."""


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained model and the cells to translate."""

    model: Any
    task: Task
    cost: Cost | None = None

    def translate(self, source: str, target: str) -> Translation:
        """Predict the target of the queries, ATAC at both depths."""
        query = self.task.queries[source]
        profile = self.model.translate(query, source=source, target=target)
        if target != "atac":
            return Translation(profile, profile)
        deep = self.model.translate(query, source=source, target=target, depth="predicted")
        return Translation(deep, profile)


def butterfly(
    task: Task, init: dict[str, Any], train: dict[str, Any], *, pairs: Any = None
) -> FittedModel:
    """Train Butterfly, by default as it comes; ``init`` may name parts to leave out."""
    init = dict(init)
    leave_out(init.pop("without", ()))
    xm.model.Butterfly.setup_mudata(task.training)
    model = xm.model.Butterfly(task.training, **init)
    model.train(split=task.split, pairs=pairs, **{**QUIET, **train})
    fitted = FittedPreset if init.get("atac_target") == "tfidf" else FittedModel
    return fitted(model, task)


@dataclass(frozen=True, eq=False)
class FittedMedian(FittedModel):
    """A trained model whose ATAC is scored as ``translate`` gives it, at median depth if any."""

    def translate(self, source: str, target: str) -> Translation:
        """Predict the target of the queries."""
        found = self.model.translate(self.task.queries[source], source=source, target=target)
        return Translation(found, found)


def butterfly_median(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedMedian:
    """Train Butterfly as it comes; what its lead owes to predicted depth."""
    return FittedMedian(butterfly(task, init, train).model, task)


def butterfly_refit(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedModel:
    """Train Butterfly, then once more on the validation cells too."""
    return butterfly(task, init, {"refit": True, **train})


@dataclass(frozen=True, eq=False)
class FittedEnsemble:
    """Several models, which translate by their mean."""

    models: list[Any]
    task: Task
    cost: Cost | None = None

    def translate(self, source: str, target: str) -> Translation:
        """Predict the target of the queries, ATAC at both depths."""
        given = {"source": source, "target": target}
        query = self.task.queries[source]
        profile = xm.tl.translate_ensemble(self.models, query, **given)
        if target != "atac":
            return Translation(profile, profile)
        deep = xm.tl.translate_ensemble(self.models, query, depth="predicted", **given)
        return Translation(deep, profile)


def butterfly_seeds(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedEnsemble:
    """Train Butterfly from three seeds."""
    models = []
    for number in range(N_SEEDS):
        scvi.settings.seed = N_SEEDS * task.seed + number
        models.append(butterfly(task, init, train).model)
    return FittedEnsemble(models, task)


def butterfly_rotated(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedEnsemble:
    """Train Butterfly several times, every time with other cells, batches or types to stop by."""
    rotations = xm.pp.rotate_validation(task.training, task.split, by=task.by, seed=task.seed)
    models = [butterfly(replace(task, split=split), init, train).model for split in rotations]
    return FittedEnsemble(models, task)


@dataclass(frozen=True, eq=False)
class FittedPreset(FittedModel):
    """A trained model that predicts TF-IDF values, which are scored as probabilities."""

    def translate(self, source: str, target: str) -> Translation:
        """Predict the target of the queries, ATAC as TF-IDF values and as probabilities."""
        found = super().translate(source, target)
        if target != "atac":
            return found
        counts = self.task.training["atac"].X[self.task.split.train].tocsr()
        probability = found.profile.copy()
        depth = float(np.median(np.diff(counts.indptr)))
        probability.X = inverse_tfidf(found.profile.X, counts, depth)
        probability.uns["scvi_xmodal"]["scale"] = "probability"
        return Translation(probability, found.profile)


def preset(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedPreset:
    """Train the published model and schedule; ATAC is scored as the wheel's is."""
    model = butterfly(task, {"preset": "scbutterfly", **init}, train).model
    return FittedPreset(model, task)


def butterfly_t(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedModel:
    """Train with cells re-paired within their type; those without one, among themselves."""
    by_label = _pairing("by_label")
    train, options = _parted(train)
    labels = task.training.obs["cell_type"].astype(object)
    task.training.obs[LABELS] = labels.where(labels.notna(), UNASSIGNED)
    given = {"seed": task.seed, **options}
    pairs = by_label(task.training, LABELS, task.split.train, **given)
    return butterfly(task, init, train, pairs=pairs)


def butterfly_c(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedModel:
    """Train with cells re-paired within clusters of the training cells."""
    by_cluster = _pairing("by_cluster")
    train, options = _parted(train)
    pairs = by_cluster(task.training, task.split.train, **{"seed": task.seed, **options})
    return butterfly(task, init, train, pairs=pairs)


def babel(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedMedian:
    """Train Babel, by default as it comes; it knows no depth."""
    if not hasattr(xm.model, "Babel"):
        raise NotAvailableError("xm.model.Babel does not exist yet")
    xm.model.Babel.setup_mudata(task.training)
    model = xm.model.Babel(task.training, **init)
    model.train(split=task.split, **{**QUIET, **train})
    return FittedMedian(model, task)


def polarbear(task: Task, init: dict[str, Any], train: dict[str, Any]) -> FittedModel:
    """Train Polarbear, by default as it comes; all cells of the comparison are paired."""
    xm.model.Polarbear.setup_mudata(task.training)
    model = xm.model.Polarbear(task.training, **init)
    model.train(split=task.split, **{**QUIET, **train})
    return FittedModel(model, task)


def _pairing(name: str) -> Any:
    found = getattr(xm.pairing, name, None)
    if found is None:
        raise NotAvailableError(f"xm.pairing.{name} does not exist yet")
    return found


def _parted(train: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the training's keywords without ``pairs``, and those of the pairing."""
    return {name: value for name, value in train.items() if name != "pairs"}, train.get(
        "pairs", {}
    )
