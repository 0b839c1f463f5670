"""What the mean of several Butterflies gains, and against Ridge on the same cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._accuracy_against import against
from benchmarks._accuracy_leading import MORE_CELLS
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_repaired import differences
from benchmarks._accuracy_summary import OURS, PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

ENSEMBLES = ("butterfly_seeds", "butterfly_rotated")
ROTATED = "butterfly_rotated"


def ensemble_lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the differences from Butterfly as Markdown; nothing where no ensemble ran.

    Parameters
    ----------
    rows
        Rows of the models as they come.
    """
    table = differences(rows, ENSEMBLES)
    if not table:
        return
    yield (
        "Difference from Butterfly, one model, on the folds that both have, mean +- standard "
        "deviation: of the leading score (per gene, peak or protein) and of AMI; and how many "
        f"times as long the fits take. `{MODELS[ROTATED].label}`: one model for every part of the "
        "cells to stop by (`xm.pp.rotate_validation`), so that every cell trains all but one; by "
        "cell type the parts are whole types, of which it is told."
    )
    yield ""
    yield from table
    yield from _with_the_same_cells(rows)


def _with_the_same_cells(rows: pd.DataFrame) -> Iterator[str]:
    """Say how ensembles that leave out no cell compare with the regression that does not."""
    run = rows.loc[rows["model"] == ROTATED, [*PLACE, "fold"]].drop_duplicates()
    shared = rows.merge(run, on=[*PLACE, "fold"])
    counts = [
        f"`{MODELS[ours].label}` is clearly better in {own['all', 'better']} scores "
        f"({own['leading', 'better']} of them leading) and clearly worse in "
        f"{own['all', 'worse']} ({own['leading', 'worse']})"
        for ours in (ROTATED, OURS)
        for model, own in against(shared, ours).iterrows()
        if model == MORE_CELLS
    ]
    if counts:
        yield (
            f"Against `{MODELS[MORE_CELLS].label}`, on the folds of "
            f"`{MODELS[ROTATED].label}`: {'; '.join(counts)}."
        )
        yield ""
