"""What a refit and the mean of several gain, and against Ridge on the same cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._accuracy_against import against
from benchmarks._accuracy_leading import MORE_CELLS, REFIT
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_repaired import differences
from benchmarks._accuracy_summary import OURS, PLACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

ROTATED = "butterfly_rotated"
ALL_CELLS = (REFIT, ROTATED)
"""What leaves out none but the test cells."""
ENSEMBLES = (REFIT, "butterfly_seeds", ROTATED)


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
        f"times as long the fits take. `{MODELS[REFIT].label}`: `train(refit=True)`. "
        f"`{MODELS[ROTATED].label}`: one model for every part of the "
        "cells to stop by (`xm.pp.rotate_validation`), so that every cell trains all but one; by "
        "cell type the parts are whole types, of which it is told."
    )
    yield ""
    yield from table
    yield from _with_the_same_cells(rows)


def _with_the_same_cells(rows: pd.DataFrame) -> Iterator[str]:
    """Say how what leaves out no cell compares with the regression that does not either."""
    for model in ALL_CELLS:
        run = rows.loc[rows["model"] == model, [*PLACE, "fold"]].drop_duplicates()
        shared = rows.merge(run, on=[*PLACE, "fold"])
        counts = [
            f"`{MODELS[ours].label}` is clearly better in {own['all', 'better']} scores "
            f"({own['leading', 'better']} of them leading) and clearly worse in "
            f"{own['all', 'worse']} ({own['leading', 'worse']})"
            for ours in (model, OURS)
            for other, own in against(shared, ours).iterrows()
            if other == MORE_CELLS
        ]
        if counts:
            yield (
                f"Against `{MODELS[MORE_CELLS].label}`, on the folds of "
                f"`{MODELS[model].label}`: {'; '.join(counts)}."
            )
            yield ""
