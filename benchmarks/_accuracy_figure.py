"""Figures of the comparison: scores of every fold, and scores beside what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks._accuracy_models import MEASURED, MODELS
from benchmarks._accuracy_places import NAMES
from benchmarks._accuracy_summary import METRICS, OURS

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

SHOWN = {
    ("atac", "rna"): ("pearson_gene", "ami"),
    ("rna", "atac"): ("auroc_peak", "ami"),
    ("rna", "protein"): ("pearson_protein", "ami"),
    ("protein", "rna"): ("pearson_gene", "ami"),
}
OWN_COLOR, OTHER_COLOR, MEASURED_COLOR = "#D55E00", "#0072B2", "#7F7F7F"
WORDS = {"pearson": "Pearson", "auroc": "AUROC", "ami": "AMI"}


def score_figure(rows: pd.DataFrame, path: Path) -> None:
    """Draw each fold's leading score and AMI by model, and the mean as a bar; folds by cell."""
    rows = _by_cell(rows)
    places = list(rows.groupby(["data", "source", "target"], sort=False))
    models = [name for name in MODELS if name in set(rows["model"])]
    plt = pyplot()
    height = 1.1 + 0.25 * len(models)
    figure, axes = plt.subplots(
        len(places), 2, figsize=(10, height * len(places)), squeeze=False, layout="constrained"
    )
    for line, ((data, source, target), part) in zip(axes, places, strict=True):
        for ax, metric in zip(line, SHOWN[source, target], strict=True):
            _dots(ax, part, metric, models)
            ax.set_title(f"{data}: {NAMES[source]} -> {NAMES[target]}", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def cost_figure(rows: pd.DataFrame, path: Path) -> None:
    """Draw the leading score against CPU seconds of a fit, means over folds by cell."""
    rows = _by_cell(rows)
    rows = rows[rows["model"] != MEASURED]
    places = list(rows.groupby(["data", "source", "target"], sort=False))
    plt = pyplot()
    n_lines = -(-len(places) // 2)
    figure, axes = plt.subplots(
        n_lines, 2, figsize=(10, 3.4 * n_lines), squeeze=False, layout="constrained"
    )
    for ax in axes.flat[len(places) :]:
        ax.set_visible(False)
    for ax, ((data, source, target), own) in zip(axes.flat, places, strict=False):
        metric = METRICS[target][0]
        means = own.groupby("model")[["fit_cpu_seconds", metric]].mean().dropna()
        if means.empty:
            continue
        seconds = means["fit_cpu_seconds"].clip(lower=0.01)
        ax.scatter(seconds, means[metric], c=[_color(name) for name in means.index], s=28)
        ax.set(xscale="log", xlabel="CPU seconds of a fit", ylabel=words(metric))
        ax.set_title(f"{data}: {NAMES[source]} -> {NAMES[target]}", fontsize=9)
        ax.margins(y=0.12)
        ax.set_xlim(seconds.min() / 2, seconds.max() * 3000)  # room for names
        # baselines and networks stand in two heaps; each heap's names are spread by themselves
        for heap in (seconds < 1, seconds >= 1):
            _name_points(ax, seconds[heap], means.loc[heap, metric])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _name_points(ax: Any, x: pd.Series, y: pd.Series) -> None:
    """Write names right of points, one above the other where points are as high."""
    bottom, top = ax.get_ylim()
    y = y.sort_values()
    gap = (top - bottom) / 17
    for name, height in zip(y.index, below(spread(y.tolist(), gap), top - gap, gap), strict=True):
        ax.annotate(
            MODELS[name].label,
            (x[name], y[name]),
            xytext=(x.max() * 1.6, height),
            fontsize=6.5,
            va="center",
            arrowprops={"arrowstyle": "-", "color": "#BBBBBB", "linewidth": 0.6},
        )


def spread(values: list[float], gap: float) -> list[float]:
    """Move ascending values apart, to at least a gap, keeping each run's mean.

    Examples
    --------
    >>> from benchmarks._accuracy_figure import spread
    >>> spread([1.0, 1.0, 5.0], 1.0)
    [0.5, 1.5, 5.0]
    """
    runs: list[list[float]] = []
    for value in values:
        runs.append([value])
        while len(runs) > 1 and _edge(runs[-2], gap) > -_edge([-v for v in runs[-1]], gap) - gap:
            runs[-2:] = [runs[-2] + runs[-1]]
    return [
        sum(run) / len(run) + gap * (place - (len(run) - 1) / 2)
        for run in runs
        for place in range(len(run))
    ]


def below(places: list[float], highest: float, gap: float) -> list[float]:
    """Move ascending places down to what may be highest, and those under them out of the way.

    Examples
    --------
    >>> from benchmarks._accuracy_figure import below
    >>> below([1.0, 4.0, 5.0], 4.0, 1.0)
    [1.0, 3.0, 4.0]
    """
    moved = []
    for place in reversed(places):
        moved.append(min(place, highest))
        highest = moved[-1] - gap
    return moved[::-1]


def _edge(run: list[float], gap: float) -> float:
    """Return the highest place of a run that is spread around its mean."""
    return sum(run) / len(run) + gap * (len(run) - 1) / 2


def _dots(ax: Any, part: pd.DataFrame, metric: str, models: list[str]) -> None:
    shown = part.dropna(subset=[metric]) if metric in part else part.iloc[:0]
    # the measured cells are scored as clusters only
    here = [name for name in models if name in set(shown["model"])]
    for place, name in enumerate(reversed(here)):
        values = shown.loc[shown["model"] == name].groupby("fold")[metric].mean()
        ax.scatter(values, [place] * len(values), color=_color(name), s=14, alpha=0.6)
        ax.vlines(values.mean(), place - 0.3, place + 0.3, color=_color(name), linewidth=2)
    ax.set_yticks(range(len(here)), [MODELS[name].label for name in reversed(here)], fontsize=7)
    ax.set_xlabel(words(metric), fontsize=8)
    ax.tick_params(axis="x", labelsize=7)
    ax.grid(visible=True, axis="x", alpha=0.3)


def _by_cell(rows: pd.DataFrame) -> pd.DataFrame:
    chosen = rows[rows["split"] == "cell"]
    return chosen if len(chosen) else rows


def words(metric: str) -> str:
    """Return a score's name as axes call it."""
    score, *per = metric.split("_")
    return " per ".join([WORDS[score], *per])


def _color(name: str) -> str:
    return {OURS: OWN_COLOR, MEASURED: MEASURED_COLOR}.get(name, OTHER_COLOR)


def pyplot() -> Any:
    """Return matplotlib drawing without a screen."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt
