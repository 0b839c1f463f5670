"""Tables and figure of ``python -m benchmarks.mosaic``; nothing in them is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

TITLES = {
    "simulated": "Simulated: every path, trained on all and on a mosaic",
    "wnn": "PBMC CITE-seq: few paired cells, and cells that lack a modality",
    "bmmc": "Bone marrow: ATAC -> protein, which no cell was measured in",
}
SCORES = {
    "simulated": "mean Pearson per gene or protein; mean AUROC per peak",
    "wnn": "mean Pearson per feature of the test cells",
    "bmmc": "correlation of type means (CITE-seq rows: mean Pearson per protein of test cells)",
}
COLORS = ("#D55E00", "#0072B2", "#7F7F7F", "#E69F00", "#56B4E9", "#BBBBBB")


def markdown(table: pd.DataFrame, about: str) -> str:
    """Return the report; ``about`` is what the experiments are."""
    last = table.iloc[-1]
    lines = [
        "# Mosaics",
        "",
        about.split("\n", 2)[2].strip(),
        "",
        f"Written by `{last['command']}`, never by hand. {last['date']}, commit {last['commit']}. "
        f"{last['machine']}. Means over the seeds, and their standard deviation where there are "
        f"several; at most {last['max_epochs']:.0f} epochs.",
        "",
        "![Scores](mosaic.png)",
    ]
    for part, own in table.groupby("part", sort=False):
        wide, seeds = grid(own), own["seed"].unique().tolist()
        lines += ["", f"## {TITLES[part]}", "", f"{_capital(SCORES[part])}. Seeds {seeds}.", ""]
        lines.append("| way | " + " | ".join(map(str, wide.columns)) + " |")
        lines.append("|" + " --- |" * (wide.shape[1] + 1))
        lines += [f"| {way} | " + " | ".join(row) + " |" for way, row in zip(
            wide.index, wide.to_numpy().tolist(), strict=True)]  # fmt: skip
    return "\n".join(lines) + "\n"


def grid(own: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each way, one column for each training; text."""
    own = own.assign(column=_columns(own))
    wide = own.pivot_table(index="way", columns="column", values="score", aggfunc=list, sort=False)
    order = list(dict.fromkeys(own["column"]))
    return wide[order].map(_cell)


def _columns(own: pd.DataFrame) -> pd.Series:
    if "n_paired" not in own or own["n_paired"].isna().all():
        return own["training"]
    return own["n_paired"].astype(int).astype(str) + " paired: " + own["training"]


def _cell(values: Any) -> str:
    if not isinstance(values, list):
        return ""
    series = pd.Series(values)
    spread = f" +- {series.std():.3f}" if series.size > 1 else ""
    return f"{series.mean():.3f}{spread}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw each part's scores as bars, one group for each way."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    parts = list(table.groupby("part", sort=False))
    heights = [own["way"].nunique() * (1 + 0.5 * _columns(own).nunique()) for _, own in parts]
    figure, axes = plt.subplots(
        len(parts),
        1,
        figsize=(9.5, 1.5 * len(parts) + 0.14 * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for ax, (part, own) in zip(axes[:, 0], parts, strict=True):
        _bars(ax, own.assign(column=_columns(own)))
        ax.set_title(TITLES[part], fontsize=10, loc="left")
        ax.set_xlabel(SCORES[part], fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bars(ax: Any, own: pd.DataFrame) -> None:
    ways, columns = (list(dict.fromkeys(own[name])) for name in ("way", "column"))
    means = own.groupby(["way", "column"])["score"].mean()
    width = 0.85 / len(columns)
    for number, column in enumerate(columns):
        places = [i + (number - (len(columns) - 1) / 2) * width for i in range(len(ways))]
        values = [means.get((way, column), float("nan")) for way in ways]
        ax.barh(places, values, width, label=column, color=COLORS[number % len(COLORS)])
    ax.set_yticks(range(len(ways)), ways, fontsize=8)
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
