"""In how many scores Butterfly is clearly better, and worse, than each other model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._accuracy_behind import LEAST, competing, fold_gap, gaps
from benchmarks._accuracy_leading import LEADING
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_protocols import protocols
from benchmarks._accuracy_summary import OURS, PLACE, by_fold
from benchmarks._tables import grid

if TYPE_CHECKING:
    from collections.abc import Iterator

_COUNTS = ["better", "neither", "worse"]


def against(rows: pd.DataFrame, ours: str = OURS) -> pd.DataFrame:
    """Count scores of each other model, wins and losses by one rule.

    Parameters
    ----------
    rows
        Rows of the models as they come.
    ours
        The model that others are compared with; it stands for Butterfly below.

    Returns
    -------
    For each model, in order, and for ``leading`` and ``all`` scores: in how many Butterfly is
    clearly ``better`` (in every fold that both have, of at least two, by more than the gap's
    standard deviation and ``LEAST``), clearly ``worse``, and ``neither``.
    """
    others = competing(rows)
    rows = pd.concat([others[others["model"] != ours], rows[rows["model"] == ours]])
    found = pd.DataFrame(_compared(rows, ours), columns=["model", "leading", *_COUNTS])
    counted = {
        name: part.groupby("model")[_COUNTS].sum()
        for name, part in (("leading", found[found["leading"].astype(bool)]), ("all", found))
    }
    table = pd.concat(counted, axis=1).fillna(0).astype(int)
    return table.loc[[name for name in MODELS if name in table.index]]


def against_lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the counts as Markdown; nothing where there is nobody to compare with."""
    if against(rows).empty:
        return
    yield (
        "Butterfly against each other model, score by score over all data sets, splits and "
        "directions: in how many it is clearly better, neither, or clearly worse. Clearly: in "
        f"every fold that both have, and by more than the gap's standard deviation and {LEAST:g}."
    )
    yield ""
    head = [f"{name}: {count}" for name in ("leading scores", "all scores") for count in _COUNTS]
    for name, own in protocols(rows):
        yield f"By type and batch, {name}:"
        yield ""
        body = [
            [MODELS[str(model)].label, *map(str, counts)]
            for model, *counts in against(own).itertuples(name=None)
        ]
        yield from grid(["against", *head], body)


def _compared(rows: pd.DataFrame, ours: str) -> Iterator[tuple[str, bool, bool, bool, bool]]:
    """Yield each model and score, whether it is a leading one, and who is clearly better."""
    for (*_, target), part in rows.groupby(PLACE, sort=False):
        folds = by_fold(part)
        if ours not in folds.index:
            continue
        for metric, ahead in gaps(folds, target, ours):
            for model in ahead:
                gap = ahead[model].dropna()
                if gap.size:
                    won, lost = fold_gap(-gap)["clear"], fold_gap(gap)["clear"]
                    yield str(model), metric in LEADING[target], won, not (won or lost), lost
