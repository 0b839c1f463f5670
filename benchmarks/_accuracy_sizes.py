"""``data_sizes.md``: scores by share of the training cells, and of poorer data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks._accuracy_figure import SHOWN, pyplot, words
from benchmarks._accuracy_jobs import DEFAULT
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_places import NAMES
from benchmarks._accuracy_summary import METRICS, OURS, by_fold
from benchmarks._tables import as_markdown, gap_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUICK = "quick_clusters"
"""The variant whose clusters cost seconds; it stands for Butterfly-C."""
BESIDE = ("butterfly", "butterfly_t", "butterfly_c", "ridge")
POORER = {
    DEFAULT: "all",
    "half_the_counts": "half of the counts",
    "fifth_of_the_counts": "a fifth of the counts",
    "fewer_features": "300 genes, peaks open in 5 % of cells",
}
_PLACE = ["data", "source", "target"]


def write_sizes(table: pd.DataFrame, folder: Path) -> None:
    """Write ``data_sizes.md`` and ``.png`` if parts of the training cells were trained on.

    Parameters
    ----------
    table
        All rows of the table of results.
    folder
        Where to.
    """
    rows = by_size(table)
    if rows.empty:
        return
    lines = [*_head(rows), *_tables(rows, "", _size_rows)]
    lines += _tables(_poorer(table), ", shallower or with fewer features", _poorer_rows)
    _draw(rows, folder / "data_sizes.png")
    (folder / "data_sizes.md").write_text("\n".join(lines).rstrip() + "\n")


def by_size(table: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the models beside each other, where some fold has a part of its cells."""
    fits = table[(table["error"] == "") & (table["split"] == "cell")]
    quick = (fits["model"] == "butterfly_c") & (fits["variant"] == QUICK)
    own = fits["model"].isin(BESIDE) & (fits["variant"] == DEFAULT) & ~quick
    fits = fits[quick | (own & (fits["model"] != "butterfly_c"))]
    parts = fits.loc[fits["train_fraction"] < 1, ["data", "fold"]].drop_duplicates()
    return fits.merge(parts, on=["data", "fold"])


def _head(rows: pd.DataFrame) -> Iterator[str]:
    machines = ", ".join(rows["machine"].dropna().unique())
    commits = ", ".join(rows["commit"].dropna().unique())
    yield "# Few cells, few counts"
    yield ""
    yield (
        "Written by `python -m benchmarks.accuracy --report` from `accuracy.csv`, never by hand. "
        f"{machines}; commits {commits}. Folds by cell with the test cells and features of "
        "`benchmarks.accuracy`; of a fold's training cells a random part is kept, smaller parts "
        "within larger ones. Validation cells, which Butterfly stops and is weighed by and which "
        "Ridge does without, stay all: a fourth of 100 %. Peaks of Butterfly are scored at "
        "predicted depth and Ridge's are not, which on all cells is most of what lies between "
        "them per peak (`Ridge at predicted depth` of RESULTS.md). -T pairs again within the "
        "data's own labels, -C within clusters of "
        'the quick embedding (`by_cluster(embedding="quick")`), both two further rounds, so '
        "three times the pairs of the same cells. "
        "Differences are from Butterfly in the same folds, +- their standard deviation."
    )
    yield ""
    yield "![scores by share of the training cells](data_sizes.png)"
    yield ""


def _tables(
    rows: pd.DataFrame, about: str, lines: Callable[[pd.DataFrame, str], Iterator[dict[str, Any]]]
) -> Iterator[str]:
    for (data, source, target), part in rows.groupby(_PLACE, sort=False):
        yield f"## {data}{about}: {NAMES[source]} to {NAMES[target]}"
        yield ""
        yield as_markdown(pd.DataFrame(lines(part, target)))
        yield ""


def _size_rows(part: pd.DataFrame, target: str) -> Iterator[dict[str, Any]]:
    folds = by_fold(_shared_seeds(part), ["train_fraction"])
    metrics = [name for name in METRICS[target] if name in folds][:3] + ["ami"]
    for fraction in sorted(part.loc[part["model"] == OURS, "train_fraction"].unique()):
        cells = part.loc[part["train_fraction"] == fraction, "n_train"].mean()
        for model in [name for name in BESIDE if name in set(part["model"])]:
            if (model, fraction) not in folds.index.droplevel("fold"):
                continue
            own = folds.loc[(model, fraction)]
            base = folds.loc[(OURS, fraction)].reindex(own.index)
            row: dict[str, Any] = {
                "cells": f"{fraction:.0%} ({cells:.0f})",
                "model": MODELS[model].label,
                "folds": len(own),
            }
            for name in metrics:
                gain = own[name] - base[name]
                row[name] = f"{own[name].mean():.3f}"
                if model != OURS:
                    row[name] += f" ({gap_text(gain.mean(), gain.std())})"
            yield row


def _shared_seeds(part: pd.DataFrame) -> pd.DataFrame:
    """Leave out seeds that not every model and share of a place has; Ridge draws nothing."""
    drawn = part[part["model"] != "ridge"]
    groups = drawn.groupby(["model", "train_fraction"])["seed"]
    shared = set.intersection(*(set(seeds) for _, seeds in groups)) if len(drawn) else set()
    return part[part["seed"].isin(shared) | (part["model"] == "ridge")]


def _poorer(table: pd.DataFrame) -> pd.DataFrame:
    """Return Butterfly's and Ridge's rows in the folds that have poorer data."""
    fits = table[(table["error"] == "") & (table["train_fraction"] == 1)].copy()
    fits["variant"] = fits["variant"].str.removesuffix("_ridge")
    fits = fits[fits["model"].isin([OURS, "ridge"]) & fits["variant"].isin(POORER)]
    poorer = fits[fits["variant"] != DEFAULT]
    return fits.merge(poorer[["data", "split", "fold"]].drop_duplicates())


def _poorer_rows(part: pd.DataFrame, target: str) -> Iterator[dict[str, Any]]:
    folds = by_fold(_shared_seeds(part), ["variant"])
    metrics = [name for name in METRICS[target] if name in folds][:3] + ["ami"]
    for variant, words_ in POORER.items():
        for model in (OURS, "ridge"):
            if (model, variant) in folds.index.droplevel("fold"):
                own = folds.loc[(model, variant)]
                head = {"data": words_, "model": MODELS[model].label, "folds": len(own)}
                yield {**head, **own[metrics].mean().to_dict()}


def _draw(rows: pd.DataFrame, path: Path) -> None:
    places = [(key, _shared_seeds(part)) for key, part in rows.groupby(_PLACE, sort=False)]
    plt = pyplot()
    figure, axes = plt.subplots(
        len(places), 2, figsize=(8, 2.8 * len(places)), squeeze=False, layout="constrained"
    )
    for line, ((data, source, target), part) in zip(axes, places, strict=True):
        for ax, metric in zip(line, SHOWN[source, target], strict=True):
            for color, (model, marker) in enumerate(zip(BESIDE, "os^D", strict=True)):
                own = part[part["model"] == model].groupby("train_fraction")[metric]
                means, errors = own.mean(), own.std()
                if len(means):
                    shares = 100 * means.index.to_numpy()
                    label = MODELS[model].label
                    look = {"marker": marker, "color": f"C{color}", "label": label}
                    ax.errorbar(shares, means, errors, capsize=2, **look)
            ax.set(xlabel="% of the training cells", ylabel=words(metric))
            ax.set_title(f"{data}: {NAMES[source]} -> {NAMES[target]}", fontsize=9)
            ax.grid(visible=True, alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    figure.savefig(path, dpi=110)
    plt.close(figure)
