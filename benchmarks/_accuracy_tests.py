"""Paired tests of Butterfly against every other model, as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_places import NAMES
from benchmarks._accuracy_protocols import protocols
from benchmarks._accuracy_summary import FEWEST, METRICS, paired_tests
from benchmarks._tables import grid

if TYPE_CHECKING:
    from collections.abc import Iterator

PART_OF = {"cortex_2k": "cortex_3batches"}
"""Data sets whose cells are among another's, which would be counted twice."""


def test_lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield a table for each direction and group of splits."""
    rows = rows[
        ~rows["data"].isin(set(PART_OF) if set(PART_OF.values()) & set(rows["data"]) else ())
    ]
    yield (
        "Median difference (positive: Butterfly is better), pairs of folds that Butterfly wins, "
        "and p of Wilcoxon's signed-rank test, two-sided, not corrected for their number; "
        f"none with fewer than {FEWEST} pairs. Cells of cortex_2k are among those of "
        "cortex_3batches, which stands for both, so each direction has two independent "
        "experiments. Folds share training cells, and p is optimistic."
    )
    yield ""
    for (source, target), part in rows.groupby(["source", "target"], sort=False):
        shown = [name for name in METRICS[target] if name in part and part[name].notna().any()]
        for title, own in split_groups(part):
            tests = {name: paired_tests(own, name) for name in shown}
            models = [m for m in MODELS if any(m in found.index for found in tests.values())]
            if models:
                yield f"### {NAMES[source]} -> {NAMES[target]}, {title}"
                yield ""
                body = [
                    [MODELS[m].label, *(_test(tests[name], m) for name in shown)] for m in models
                ]
                yield from grid(["against", *shown], body)


def split_groups(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield rows that are tested together: each split tests every cell, all would thrice."""
    by_cell = rows["split"] == "cell"
    yield "by cell", rows[by_cell]
    for name, own in protocols(rows):
        yield f"by cell type and by batch, {name}", own[own["split"] != "cell"]


def _test(found: pd.DataFrame, model: str) -> str:
    if model not in found.index:
        return "-"
    row = found.loc[model]
    text = f"{row['median']:+.3f} ({int(row['wins'])}/{int(row['n'])}"
    return text + (")" if pd.isna(row["p"]) else f", p={row['p']:.2g})")
