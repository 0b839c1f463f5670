"""How often Butterfly is the best in the columns that papers report, split by split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._accuracy_behind import behind, competing, standing_in
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_splits import SPLITS
from benchmarks._accuracy_summary import CLUSTERING, OURS, PLACE
from benchmarks._tables import grid

if TYPE_CHECKING:
    from collections.abc import Iterator

LEADING = {
    "rna": ("pearson_gene", "pearson_flat", "ami"),
    "atac": ("auroc_peak", "auroc_flat", "ami"),
    "protein": ("pearson_protein", "pearson_cell", "ami"),
}
"""Per feature, over all entries (of proteins within cells), and of clusters."""
MORE_CELLS = "ridge_validation"
"""Trains on cells that all other models may only stop by."""
REFIT = "butterfly_refit"
"""Butterfly, trained on those cells too in the end."""


def leading(rows: pd.DataFrame) -> pd.DataFrame:
    """Count the leading scores in which Butterfly is the best, and those in which it is not.

    Parameters
    ----------
    rows
        Rows of the models as they come.

    Returns
    -------
    For each split: ``n`` scores, those in which no other model's mean is better, ``best``, in
    which one is but not clearly, ``level``, and ``clear``; the same, ``best_same``,
    ``level_same`` and ``clear_same``, among models that train on the same cells.
    """
    rows = competing(rows)
    places = rows[rows["model"] == OURS]
    found = {}
    for split, own in places.groupby("split", sort=False):
        n = sum(
            sum(name in part and bool(part[name].notna().any()) for name in LEADING[target])
            for (*_, target), part in own.groupby(PLACE)
        )
        here = rows[rows["split"] == split]
        every, same = _lost(here), _lost(here[here["model"] != MORE_CELLS])
        found[split] = {"n": n, **_counts(n, every), **_counts(n, same, "_same")}
    return pd.DataFrame.from_dict(found, orient="index")


def leading_lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the counts as Markdown; nothing where Butterfly did not run."""
    found = leading(rows)
    if found.empty:
        return
    yield (
        "Of the scores that papers lead with (per feature, over all entries, of proteins within "
        "cells, and AMI), over all data sets and both directions: in how many Butterfly is the "
        "best, level (another's mean is better, but not clearly), or clearly worse; and among the "
        f"models that train on the same cells, without `{MODELS[MORE_CELLS].label}`. A model is "
        "compared where it ran: of those that cost most, some did not run on all sets where "
        "random cells validate."
    )
    yield ""
    head = ["split", "scores", "best", "level", "clearly worse"]
    yield from grid([*head, *(f"{name}, same cells" for name in head[2:])], _body(found))
    refitted = leading(standing_in(rows, REFIT))
    if len(refitted):
        yield (
            f"The same of `{MODELS[REFIT].label}` (`train(refit=True)`: once the validation cells "
            "have said how long, a new network trains on them too), where it ran, among all "
            "models:"
        )
        yield ""
        yield from grid(head, [row[: len(head)] for row in _body(refitted)])
        yield _left(standing_in(rows, REFIT))
        yield ""


def _left(rows: pd.DataFrame) -> str:
    """Say in which scores of all kinds another model is still better."""
    lost = behind(rows)
    kind = lost["metric"].map(
        lambda name: (
            "per feature"
            if name in {scores[0] for scores in LEADING.values()}
            else "of clusters"
            if name in CLUSTERING
            else "Spearman's correlations"
            if name.startswith("spearman")
            else "others"
        )
    )
    counts = [
        f"{part} {int((kind == part).sum())} and {int(lost.loc[kind == part, 'clear'].sum())}"
        for part in ("per feature", "Spearman's correlations", "of clusters", "others")
    ]
    return (
        "Scores in which another model's mean is better than its, and clearly so: "
        f"{', '.join(counts)}."
    )


def _body(found: pd.DataFrame) -> list[list[str]]:
    return [
        [SPLITS[str(split)].name, *map(str, counts)]
        for split, *counts in found.itertuples(name=None)
    ]


def _lost(rows: pd.DataFrame) -> pd.DataFrame:
    found = behind(rows)
    own = [row.metric in LEADING[row.target] for row in found.itertuples()]
    return found[own] if len(found) else found


def _counts(n: int, lost: pd.DataFrame, suffix: str = "") -> dict[str, int]:
    clear = int(lost["clear"].sum())
    level = len(lost) - clear
    return {f"best{suffix}": n - len(lost), f"level{suffix}": level, f"clear{suffix}": clear}
