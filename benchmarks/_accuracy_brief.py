"""The accuracy table in brief: one line for each data set, split and direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._accuracy_behind import behind, competing
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_places import where
from benchmarks._accuracy_summary import CLUSTERING, METRICS, OURS, PLACE, by_fold
from benchmarks._tables import grid

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEN = {
    **dict.fromkeys(["bmmc_multiome", "bmmc_citeseq", "cortex_3batches", "wnn_citeseq"], (0, 1)),
    "cortex_2k": range(5),
}
"""Folds, of every split, whose scores were looked at while defaults were chosen; cells of
``cortex_2k`` are among those of ``cortex_3batches``."""


def brief(rows: pd.DataFrame) -> pd.DataFrame:
    """Compare Butterfly by each direction's leading score, and count all scores.

    Parameters
    ----------
    rows
        Rows of the models as they come.

    Returns
    -------
    For each place where Butterfly was trained its leading ``score``, Butterfly's mean ``own``, the
    best ``other`` model on the same folds with its ``mean``, the number of ``folds``; of the
    scores of predictions and of clusterings, ``n_scores`` and ``n_clusterings``, those in which no
    model's mean is better, ``best`` and ``best_clusterings``, and of all those clearly worse.
    ``unseen_gap`` is Butterfly less the best other on folds that no default was chosen on, of
    which that one has ``n_unseen``.
    """
    found = [
        own
        for place, part in competing(rows).groupby(PLACE, sort=False)
        for own in _place(dict(zip(PLACE, place, strict=True)), part)
    ]
    columns = ["score", "own", "other", "mean", "folds", "unseen_gap", "n_unseen", "n_scores"]
    columns += ["best", "n_clusterings", "best_clusterings", "clear"]
    return pd.DataFrame(found, columns=[*PLACE, *columns])


def brief_lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the comparison as Markdown; nothing where there is none."""
    found = brief(rows)
    if found.empty:
        return
    yield (
        "The leading score of each direction: Butterfly, and the best other model on the folds "
        "that both have; how far it is ahead of the best other model on unseen folds, on which "
        "no default was chosen (how many of them in brackets; seen are folds 0 and 1, and all of "
        "cortex_2k, whose cells are among those of cortex_3batches; all had been scored with "
        "earlier defaults before). Then the scores of "
        "predictions, and of their clusters, in which no other model's mean is better, and how "
        "many of all are clearly worse (see [below](#where-butterfly-is-not-the-best))."
    )
    yield ""
    body = [
        [
            where(row),
            row.score,
            f"{row.own:.3f}",
            f"{row.mean:.3f} ({row.other})",
            str(row.folds),
            f"{row.unseen_gap:+.3f} ({row.n_unseen})" if row.n_unseen else "-",
            f"{row.best} of {row.n_scores}",
            f"{row.best_clusterings} of {row.n_clusterings}",
            str(row.clear),
        ]
        for row in found.itertuples()
    ]
    head = ["where", "score", "Butterfly", "best other", "folds", "unseen folds"]
    yield from grid([*head, "predictions", "clusters", "clearly worse"], body)


def _place(place: dict[str, str], part: pd.DataFrame) -> Iterator[dict]:
    folds = by_fold(part)
    models = folds.index.get_level_values("model").unique()
    if OURS not in models or len(models) < 2:
        return
    known = [name for name in METRICS[place["target"]] if name in folds]
    score = known[0]
    scores = folds[score].unstack("model")
    shared = scores[scores[OURS].notna()]
    # a model that ran on fewer folds is compared on those
    gaps = shared.sub(shared[OURS], axis=0).drop(columns=OURS).mean().dropna()
    other = str(gaps.idxmax())
    same = shared[shared[other].notna()]
    unseen = shared[~shared.index.isin(SEEN.get(place["data"], ()))]
    unseen_gaps = unseen.drop(columns=OURS).rsub(unseen[OURS], axis=0).mean().dropna()
    worse = behind(part)
    clusterings = [name for name in known if name in CLUSTERING]
    behind_clusterings = int(worse["metric"].isin(CLUSTERING).sum())
    yield {
        **place,
        "score": score,
        "own": same[OURS].mean(),
        "other": MODELS[other].label,
        "mean": same[other].mean(),
        "folds": len(same),
        "unseen_gap": unseen_gaps.min() if len(unseen_gaps) else float("nan"),
        "n_unseen": int(unseen[unseen_gaps.idxmin()].count()) if len(unseen_gaps) else 0,
        "n_scores": len(known) - len(clusterings),
        "best": len(known) - len(clusterings) - (len(worse) - behind_clusterings),
        "n_clusterings": len(clusterings),
        "best_clusterings": len(clusterings) - behind_clusterings,
        "clear": int(worse["clear"].sum()),
    }
