"""Two ways to let cells validate by type and by batch, each a comparison of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._accuracy_data import DATA
from benchmarks._accuracy_splits import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

WHOLE = "whole types and batches validate, as in the papers"
DRAWN = "random cells validate, as `train()` draws them by itself"


def protocols(rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the comparisons that the table has, each with its rows.

    Rows by cell are in both, and so are rows by batch of sets of two batches: one is left to
    train there, of which cells are drawn in any case. Without any other drawn validation cells
    the papers' way is all.

    Parameters
    ----------
    rows
        Rows of the models as they come.
    """
    drawn = rows["split"].map(lambda split: SPLITS[split].validation_by == "cell")
    yield WHOLE, rows[~drawn]
    if drawn.any():
        both = (rows["split"] == "cell") | (rows["split"] == "batch") & rows["data"].map(one_way)
        yield DRAWN, rows[drawn | both]


def one_way(data: str) -> bool:
    """Return whether a data set has too few batches for two ways."""
    return DATA[data].n_folds("batch_drawn") == 0
