"""The comparison by cell as a table in the README."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._accuracy_against import against
from benchmarks._accuracy_leading import REFIT
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_places import NAMES
from benchmarks._accuracy_protocols import protocols
from benchmarks._accuracy_summary import METRICS, OURS, by_fold, comparison
from benchmarks._tables import grid

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

START, END = "<!-- accuracy: written by python -m benchmarks.accuracy --report -->", "<!-- end -->"
COLUMNS = {
    OURS: "Butterfly",
    REFIT: "Butterfly, refit",
    "wheel": "scButterfly (wheel)",
    "babel": "Babel",
    "polarbear": "Polarbear",
    "multivi": "MULTIVI",
    "totalvi": "TOTALVI",
    "scipenn": "sciPENN",
    "ridge": "Ridge",
    "ridge_depth": "Ridge at predicted depth",
    "knn": "KNN",
    "depth_only": "depth alone",
}
_NONE = ("-", "not run")
TITLES = {
    "pearson_gene": "Pearson per gene",
    "pearson_protein": "Pearson per protein",
    "auroc_peak": "AUROC per peak",
}


def update_readme(table: pd.DataFrame, path: Path) -> None:
    """Put the comparison between the README's marks; files without them are left alone."""
    before, start, rest = path.read_text().partition(START)
    _, end, after = rest.partition(END)
    if start and end:
        path.write_text(
            "\n".join([before + START, "", *readme_lines(table), *count_lines(table), END]) + after
        )


def readme_lines(table: pd.DataFrame) -> list[str]:
    """Return the leading score of each direction by model, means over folds of random cells."""
    rows = comparison(table)
    rows = rows[(rows["split"] == "cell") & rows["model"].isin(COLUMNS)]
    body = []
    for (data, source, target), part in rows.groupby(["data", "source", "target"], sort=False):
        score = METRICS[target][0]
        folds = by_fold(part)
        if score not in folds:
            continue
        means = folds[score].dropna().groupby("model").agg(["mean", "count"])
        most = means["count"].max()
        cells = []
        for model in COLUMNS:
            if model not in means.index:
                cells.append("not run" if MODELS[model].knows(source, target) else "-")
                continue
            mean, count = means.loc[model, "mean"], int(means.loc[model, "count"])
            text = f"{mean:.3f}" + (f" ({count})" if count < most else "")
            # on fewer, perhaps easier folds nobody can be the best
            best = means.loc[means["count"] == most, "mean"].max()
            cells.append(f"**{text}**" if mean == best and count == most else text)
        name = f"{data}, {NAMES[source]} -> {NAMES[target]}"
        body.append([name, TITLES[score], *cells])
    used = [i for i in range(len(COLUMNS)) if any(row[i + 2] not in _NONE for row in body)]
    head = ["data", "score", *(list(COLUMNS.values())[i] for i in used)]
    return grid(head, [[*row[:2], *(row[i + 2] for i in used)] for row in body])


def count_lines(table: pd.DataFrame) -> list[str]:
    """Say in how many of all scores each other model is clearly worse, and clearly better."""
    rows = comparison(table)
    lines = []
    for name, part in protocols(rows[rows["model"].isin(COLUMNS)]):
        counts = [
            f"{COLUMNS[str(model)]} {own['better']} and {own['worse']} of {own.sum()}"
            for model, own in against(part)["all"].iterrows()
        ]
        if counts:
            lines += [f"- {name}: {'; '.join(counts)}."]
    if not lines:
        return []
    return [
        "Of all scores, those of clusters too, in both directions, for random cells, unseen "
        "batches and unseen cell types: in how many Butterfly is clearly better and clearly worse "
        "(in every fold, by more than the gap's standard deviation) than each, where by type and "
        "batch",
        "",
        *lines,
        "",
    ]
