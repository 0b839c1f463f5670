"""What ``python -m benchmarks.perturbation`` found, in short, for the report of accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._perturbation_report import COLUMNS, DRAWN, OURS, named
from benchmarks._tables import grid

if TYPE_CHECKING:
    from pathlib import Path


def perturbed_lines(folder: Path) -> list[str]:
    """Return the section on perturbed profiles; nothing where they were not measured."""
    path = folder / "perturbation.csv"
    if not path.exists():
        return []
    table = named(pd.read_csv(path))
    by_type = table.groupby(["prediction", "held_out"], sort=False)[list(COLUMNS)].mean()
    groups = by_type.groupby("prediction", sort=False)
    means, spreads = groups.mean(), groups.std()
    body = []
    for prediction in means.index:
        cells = [prediction]
        for name, (_, digits) in COLUMNS.items():
            mean, spread = means.loc[prediction, name], spreads.loc[prediction, name]
            text = f"{mean:.{digits}f} +- {spread:.{digits}f}"
            # a spread over draws of cells is neither good nor bad
            is_best = name != "r2_sd" and mean == means[name].max()
            cells.append(f"**{text}**" if is_best else text)
        body.append(cells)
    titles = [title for title, _ in COLUMNS.values()]
    return [
        "## Control to perturbed (Kang PBMC)",
        "",
        f"Control cells of {table['held_out'].nunique()} cell types, each left out in turn, are "
        "translated into perturbed ones. Mean +- standard deviation over types; by type in "
        "[perturbation.md](perturbation.md), by `python -m benchmarks.perturbation`. DEGs are "
        "found by a t-test, which takes expected profiles for certain: of Butterfly there are "
        "drawn counts too (`posterior_predictive_sample`).",
        "",
        *grid(["prediction", *titles], body),
        *_behind(means),
    ]


def _behind(means: pd.DataFrame) -> list[str]:
    """Say which predictions are better than Butterfly's, and than counts drawn from them."""
    lines = []
    others = means.drop(index=[OURS, DRAWN], errors="ignore")
    for name in (name for name in (OURS, DRAWN) if name in means.index):
        found = []
        for column, (title, _) in COLUMNS.items():
            better = others.index[others[column] > means.loc[name, column]]
            if column != "r2_sd" and len(better):
                found.append(f"{title} ({', '.join(better)})")
        lines += [f"Others are ahead of {name} in: {'; '.join(found)}.", ""] if found else []
    return lines
