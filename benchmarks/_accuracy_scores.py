"""Score a fitted model on the test cells in every direction: rows of the table."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from benchmarks._accuracy_models import MEASURED
from benchmarks._probe import Instant
from scvi_xmodal.metrics import evaluate_translation

if TYPE_CHECKING:
    from benchmarks._accuracy_data import Answers, Task
    from benchmarks._accuracy_jobs import Job
    from benchmarks._accuracy_models import Translation, Translator

LABELS = "cell_type"
CLUSTERING_SEED = 0
DIGITS = 6
_OWN = "prediction"


def score_all(job: Job, task: Task, answers: Answers, translator: Translator) -> list[dict]:
    """Return a row for each direction: its scores, and the seconds that translating took."""
    rows = []
    for source, target in job.directions:
        start = Instant.now()
        translation = translator.translate(source, target)
        wall, cpu = Instant.now().since(start)
        cost = {"translate_seconds": wall, "translate_cpu_seconds": cpu}
        scores = _score(job, target, translation, answers)
        sizes = {
            "n_train": task.split.train.size,
            "n_validation": task.split.validation.size,
            "n_source_features": answers.truth[source].n_vars,
        }
        rows.append({"source": source, "target": target, **rounded({**scores, **sizes, **cost})})
    return rows


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with short numbers, and none where a score is not defined."""
    return {
        name: (None if math.isnan(value) else round(float(value), DIGITS))
        if isinstance(value, float)
        else value
        for name, value in row.items()
    }


def _score(job: Job, target: str, translation: Translation, answers: Answers) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*leaves \\[0, 1\\]")
        table = evaluate_translation(
            {_OWN: translation.scored},
            answers.truth[target],
            reference=answers.reference[target],
            labels_key=LABELS,
            kind=target,
            clustering={_OWN: translation.profile},
            seed=CLUSTERING_SEED,
        )
    row = table.loc[MEASURED if job.model == MEASURED else _OWN]
    whole = ("n_cells", "n_features", "n_features_scored")
    scores = row.to_dict()
    return {**scores, **{name: int(scores[name]) for name in whole}}
