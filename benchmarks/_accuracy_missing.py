"""What of the comparison was not run: the plan less the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._accuracy_data import DATA
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_splits import SPLITS

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
        "Folds that no time was spent on; a model is compared on those that it has. Butterfly-C "
        "ran with quick clusters too ([data_sizes.md](data_sizes.md))."
    )
    yield ""
    for model in dict.fromkeys(row[0] for row in found):
        own: dict[str, list[tuple[str, list[int]]]] = {}
        for name, data, split, folds in found:
            if name == model:
                own.setdefault(data, []).append((split, folds))
        yield f"- {MODELS[model].label}: {'; '.join(_place(*item) for item in own.items())}"
    yield ""


def _place(data: str, lacking: list[tuple[str, list[int]]]) -> str:
    """Return a data set's name, with splits and folds where only some lack."""
    whole = [len(folds) == DATA[data].n_folds(split) for split, folds in lacking]
    if len(lacking) == sum(DATA[data].n_folds(split) > 0 for split in SPLITS) and all(whole):
        return data
    parts = [
        SPLITS[split].name + ("" if all_of_it else f" (folds {', '.join(map(str, folds))})")
        for (split, folds), all_of_it in zip(lacking, whole, strict=True)
    ]
    return f"{data} {', '.join(parts)}"
