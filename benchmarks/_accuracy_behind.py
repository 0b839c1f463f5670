"""Where Butterfly is not the best, and whether folds agree on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._accuracy_models import MEASURED
from benchmarks._accuracy_summary import METRICS, OURS, PLACE, by_fold, distance

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIANTS_OF_OURS = (
    "butterfly_median",
    "butterfly_seeds",
    "butterfly_refit",
    "butterfly_rotated",
    "butterfly_t",
    "butterfly_c",
)
"""Butterfly itself at median depth, at a higher cost or with other pairs: no other model."""

LEAST = 0.0005
"""Gaps below it are 0 to the three digits of a report, and never clear."""


def behind(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare Butterfly with the other models in each score.

    Parameters
    ----------
    rows
        Rows of the models as they come.

    Returns
    -------
    For each place and score in which some model's mean over the shared folds is better: that
    ``model``, Butterfly's ``gap`` (negative), its standard deviation ``std``, the number of folds
    ``n``, and in how many Butterfly is better, ``wins``. A gap is ``clear`` if every fold of at
    least two agrees, it exceeds its standard deviation, and it is at least ``LEAST``; of several
    models the one clearly better by most is named, or else the one better by most.
    """
    found = []
    for place, part in competing(rows).groupby(PLACE, sort=False):
        folds = by_fold(part)
        if OURS in folds.index.get_level_values("model"):
            found += [
                dict(zip(PLACE, place, strict=True)) | row for row in _worse(folds, place[3])
            ]
    columns = [*PLACE, "metric", "model", "gap", "std", "n", "wins", "clear"]
    return pd.DataFrame(found, columns=columns)


def competing(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of Butterfly and of the models that it is compared with."""
    return rows[~rows["model"].isin([MEASURED, *VARIANTS_OF_OURS])]


def standing_in(rows: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return the rows of the places where a variant ran, with its own as Butterfly's."""
    own = rows[rows["model"] == model]
    others = rows[rows["model"] != OURS].merge(own[PLACE].drop_duplicates(), on=PLACE)
    return pd.concat([competing(others), own.assign(model=OURS)], ignore_index=True)


def gaps(folds: pd.DataFrame, target: str, ours: str = OURS) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each score and how far a model is ahead of each other one, by fold."""
    for metric in (name for name in METRICS[target] if name in folds):
        scores = distance(metric, folds[metric]).unstack("model")
        yield metric, (-scores.drop(columns=ours)).add(scores[ours], axis=0)


def _worse(folds: pd.DataFrame, target: str) -> Iterator[dict]:
    for metric, ahead in gaps(folds, target):
        better = [fold_gap(ahead[model].dropna()) | {"model": model} for model in ahead]
        better = [row for row in better if row["gap"] < 0]
        if better:
            yield {"metric": metric} | min(better, key=lambda row: (not row["clear"], row["gap"]))


def fold_gap(own: pd.Series) -> dict:
    """Return the mean of differences over folds, its spread, and whether it is a clear loss."""
    wins, size, std = int((own > 0).sum()), -own.mean(), own.std()
    clear = bool(own.size > 1 and wins == 0 and size > std and size >= LEAST)
    return {"gap": own.mean(), "std": std, "n": own.size, "wins": wins, "clear": clear}
