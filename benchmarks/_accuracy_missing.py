"""What of the comparison was not run: the plan less the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._accuracy_data import DATA
from benchmarks._accuracy_jobs import SPLITS
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_places import SPLIT_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


def missing(rows: pd.DataFrame) -> list[tuple[str, str, str, list[int]]]:
    """Return model, data set, split and folds of which the table has no row.

    Parameters
    ----------
    rows
        Rows of the models as they come.
    """
    known = set(rows[["model", "data", "split", "fold"]].itertuples(index=False, name=None))
    found = []
    for model, about in MODELS.items():
        for data, own in DATA.items():
            if not any(set(way) == set(own.kinds) for way in about.directions):
                continue
            if model == "gene_activity" and own.assembly is None:
                continue
            for split in SPLITS:
                folds = [
                    n for n in range(own.n_folds(split)) if (model, data, split, n) not in known
                ]
                if folds:
                    found.append((model, data, split, folds))
    return found


def missing_lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield what was not run as Markdown, a line for each model."""
    found = missing(rows)
    if not found:
        yield "Every model ran on every fold of every data set that it knows."
        yield ""
        return
    yield (
        "Folds that no time was spent on; a model is compared on those that it has. Beside them "
        "the wheel, which has models of CITE-seq and of perturbed cells too, was run on RNA and "
        "ATAC alone."
    )
    yield ""
    for model in dict.fromkeys(row[0] for row in found):
        places = [
            f"{data} {SPLIT_NAMES[split]}"
            + ("" if len(folds) == DATA[data].n_folds(split) else f" (folds {_listed(folds)})")
            for name, data, split, folds in found
            if name == model
        ]
        yield f"- {MODELS[model].label}: {', '.join(places)}"
    yield ""


def _listed(folds: list[int]) -> str:
    return ", ".join(map(str, folds))
