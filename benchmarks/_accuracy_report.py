"""``RESULTS.md`` from the table of results; nothing in it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._accuracy_against import against_lines
from benchmarks._accuracy_behind import LEAST, behind
from benchmarks._accuracy_brief import brief_lines
from benchmarks._accuracy_ensembles import ensemble_lines
from benchmarks._accuracy_figure import cost_figure, score_figure
from benchmarks._accuracy_jobs import DEFAULT
from benchmarks._accuracy_leading import leading_lines
from benchmarks._accuracy_missing import missing_lines
from benchmarks._accuracy_models import MEASURED, MODELS
from benchmarks._accuracy_parts import parts_lines
from benchmarks._accuracy_perturbed import perturbed_lines
from benchmarks._accuracy_places import NAMES, where
from benchmarks._accuracy_protocols import protocols
from benchmarks._accuracy_repaired import repaired_lines
from benchmarks._accuracy_splits import SPLITS
from benchmarks._accuracy_summary import (
    METRICS,
    OURS,
    PLACE,
    best,
    by_fold,
    comparison,
    distance,
    spread,
)
from benchmarks._accuracy_tests import test_lines
from benchmarks._accuracy_text import READING, REASONS, VARIANTS
from benchmarks._tables import gap_text, grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


def write_report(table: pd.DataFrame, folder: Path, *, suffix: str = "") -> None:
    """Write ``RESULTS.md`` and its figures.

    Parameters
    ----------
    table
        All rows of the table of results.
    folder
        Where to.
    suffix
        What the files' names end in, such as ``"_quick"``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = comparison(table)
    figures = {}
    if len(rows):
        figures = {
            f"accuracy{suffix}.png": score_figure,
            f"accuracy_cost{suffix}.png": cost_figure,
        }
    for name, draw in figures.items():
        draw(rows, folder / name)
    text = markdown(table, list(figures), suffix=suffix, perturbed=perturbed_lines(folder))
    (folder / f"RESULTS{suffix}.md").write_text(text)


def markdown(
    table: pd.DataFrame, figures: list[str], *, suffix: str = "", perturbed: Sequence[str] = ()
) -> str:
    """Return the report as Markdown."""
    rows = comparison(table)
    lines = _head(table, suffix)
    lines += [line for name in figures for line in (f"![{name}]({name})", "")]
    if len(rows):
        lines += ["## In brief", "", *leading_lines(rows), *against_lines(rows)]
        lines += brief_lines(rows)
        lines += ["## Scores", "", READING, "", *_scores(rows)]
        lines += ["## Butterfly against each", "", *test_lines(rows)]
        lines += ["## Where Butterfly is not the best", "", *_behind(rows)]
        repaired = list(repaired_lines(rows))
        lines += ["## Pairs drawn again", "", *repaired] if repaired else []
        ensembles = list(ensemble_lines(rows))
        title = "## Refit, and the mean of several models"
        lines += [title, "", *ensembles] if ensembles else []
        lines += ["## Cost of a fit", "", *_costs(rows)]
        lines += [] if suffix else ["## What was not run", "", *missing_lines(rows)]
    lines += [] if suffix else perturbed
    lines += _variants(table)
    lines += _failures(table)
    return "\n".join(lines).rstrip() + "\n"


def _head(table: pd.DataFrame, suffix: str) -> list[str]:
    option = " --quick" if suffix else ""
    lines = [
        "# Accuracy",
        "",
        f"Written by `python -m benchmarks.accuracy{option} --report` from "
        f"`accuracy{suffix}.csv`, which `python -m benchmarks.accuracy{option}` fills; "
        "never by hand. `benchmarks/accuracy.py` says how models are trained and scored.",
        "",
    ]
    for name, title in (("machine", "Machines"), ("commit", "Commits")):
        if name in table and len(table):
            found = ", ".join(str(value) for value in table[name].dropna().unique())
            lines += [f"{title}: {found}.", ""]
    return lines


def _scores(rows: pd.DataFrame) -> Iterator[str]:
    for (data, split, source, target), part in rows.groupby(PLACE, sort=False):
        sizes = part[["n_train", "n_cells", "n_source_features", "n_features"]].mean()
        train, test, n_source, n_target = sizes.round().astype(int)
        yield f"### {data}, {SPLITS[split].name}: {NAMES[source]} -> {NAMES[target]}"
        yield ""
        yield (
            f"About {train} training and {test} test cells a fold, {n_source} features of the "
            f"source and {n_target} of the target."
        )
        yield ""
        yield from _score_grid(part, target)


def _score_grid(part: pd.DataFrame, target: str) -> list[str]:
    summary = spread(by_fold(part))
    shown = [name for name in METRICS[target] if name in summary]
    winners = {name: best(summary, name) for name in shown}
    body = []
    for model in summary.index:
        cells = [_cell(summary.loc[model, name], winners[name] == model) for name in shown]
        n_folds = int(max(summary.loc[model, (name, "count")] for name in shown))
        body.append([MODELS[model].label, str(n_folds), *cells])
    return grid(["model", "folds", *shown], body)


def _cell(values: pd.Series, is_best: bool) -> str:
    if pd.isna(values["mean"]):
        return "-"
    text = f"{values['mean']:.3f}"
    text += "" if pd.isna(values["std"]) else f" +- {values['std']:.3f}"
    return f"**{text}**" if is_best else text


def _behind(rows: pd.DataFrame) -> Iterator[str]:
    found = behind(rows)
    counts = []
    for name, own in protocols(rows):
        lost = behind(own)
        counts.append(f"{len(lost)}, of which {int(lost['clear'].sum())} clearly, where {name}")
    yield (
        "Scores in which another model's mean is better, random cells, unseen batches and unseen "
        f"types together: {'; '.join(counts)}. Clearly: in every fold and by more than the gap's "
        f"standard deviation and {LEAST:g} (bold). Gap: "
        "Butterfly less the model named, which is clearly better by most, or else better by most; "
        "+- standard deviation over folds; of `calibration_ratio`, distances from 1 in "
        "logarithms."
    )
    yield ""
    yield from REASONS
    yield ""
    yield _below_mean(rows)
    yield ""
    body = []
    for row in found.sort_values("clear", ascending=False, kind="stable").itertuples():
        gap = gap_text(row.gap, row.std)
        gap = f"**{gap}**" if row.clear else gap
        body.append(
            [where(row), row.metric, MODELS[row.model].label, gap, f"{row.wins} of {row.n}"]
        )
    if body:
        yield from grid(["where", "score", "model", "gap", "folds won"], body)


def _below_mean(rows: pd.DataFrame) -> str:
    """Say in which scores Butterfly is behind the training cells' mean alone."""
    found = behind(rows[rows["model"].isin([OURS, "mean"])])
    if found.empty:
        return "No score is worse than that of the training cells' mean."
    own = "; ".join(
        f"{where(row)}, {row.metric} {row.gap:+.4f} ({row.wins} of {row.n} folds won)"
        for row in found.itertuples()
    )
    return f"Worse than the training cells' mean, {len(found)} scores: {own}."


def _costs(rows: pd.DataFrame) -> list[str]:
    fits = rows[rows["model"] != MEASURED]
    fits = fits.drop_duplicates(["data", "split", "fold", "model", "seed"])
    columns = {"fit_cpu_seconds": "CPU s", "fit_seconds": "wall s", "fit_peak_rss_mb": "peak MB"}
    medians = fits.groupby(["data", "model"])[list(columns)].median()
    body = [
        [data, MODELS[model].label, *(f"{value:.3g}" for value in medians.loc[(data, model)])]
        for data in medians.index.unique("data")
        for model in MODELS
        if (data, model) in medians.index
    ]
    lines = [
        "Median over fits, one thread each; peak resident memory includes the imports and the "
        "data set. Wall seconds depend on what else the machine did.",
        "",
    ]
    return [*lines, *grid(["data", "model", *columns.values()], body)]


def _variants(table: pd.DataFrame) -> Iterator[str]:
    whole = table[table["error"] == ""]
    own = (whole["variant"] != DEFAULT) | (whole["train_fraction"] != 1)
    if not own.any():
        return
    yield "## Variants and parts of the training cells"
    yield ""
    yield VARIANTS
    yield ""
    yield from parts_lines(whole)
    options = whole.loc[own, ["model", "variant", "options"]].drop_duplicates()
    for row in options[options["options"] != ""].itertuples():
        yield f"- `{row.variant}` of {MODELS[row.model].label}: `{row.options}`"
    yield ""
    for (data, split, source, target), part in whole.groupby(PLACE, sort=False):
        body = list(_variant_rows(part, target))
        if body:
            shown = [name for name in METRICS[target] if name in part]
            yield f"### {data}, {SPLITS[split].name}: {NAMES[source]} -> {NAMES[target]}"
            yield ""
            yield from grid(["model", "variant", "cells", "runs", *shown], body)


def _variant_rows(part: pd.DataFrame, target: str) -> Iterator[list[str]]:
    levels = ["variant", "train_fraction"]
    runs = by_fold(part, [*levels, "seed"])
    shown = [name for name in METRICS[target] if name in runs]
    for key, scores in runs.groupby(level=["model", *levels]):
        model, variant, fraction = key
        base = (model, DEFAULT, 1.0)
        if key == base or base not in runs.index.droplevel(["seed", "fold"]):
            continue
        own, reference = scores.droplevel([0, 1, 2]), runs.loc[base]
        gains = {n: (distance(n, own[n]) - distance(n, reference[n])).dropna() for n in shown}
        cells = [gap_text(g.mean(), g.std()) if len(g) else "-" for g in gains.values()]
        n_runs = max(len(gain) for gain in gains.values())
        yield [MODELS[model].label, variant, f"{fraction:.0%}", str(n_runs), *cells]


def _failures(table: pd.DataFrame) -> list[str]:
    failed = table[table["error"] != ""]
    if failed.empty:
        return []
    lines = ["## What failed", ""]
    for (data, split, model, error), part in failed.groupby(["data", "split", "model", "error"]):
        folds = ", ".join(str(fold) for fold in sorted(part["fold"].unique()))
        lines.append(
            f"- {MODELS[model].label} on {data} {SPLITS[split].name}, folds {folds}: {error}"
        )
    return lines
