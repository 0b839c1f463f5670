"""Table and figure of ``python -m benchmarks.perturbation``; nothing in them is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

OURS, DRAWN = "Butterfly", "Butterfly, drawn counts"
"""Expected profiles, and counts drawn from them, which scatter as cells do."""
BAR = 0.85
"""Least mean R2 of any type in scButterfly's paper."""
COLUMNS = {
    "r2_mean": ("R2 of means", 3),
    "r2_sd": ("s.d. of R2", 3),
    "common_degs": ("common of 100 DEGs", 0),
    "pearson_change": ("correlation of the change", 3),
}
COLORS = ("#7F7F7F", "#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7")


def markdown(table: pd.DataFrame) -> str:
    """Return the tables as Markdown."""
    table = named(table)
    about = table.iloc[-1]
    order = list(dict.fromkeys(table["prediction"]))
    lines = [
        "# Perturbed profiles of unseen cell types",
        "",
        f"Written by `{about['command']}`, never by hand. {about['date']}, commits "
        f"{', '.join(map(str, table['commit'].unique()))}. {about['machine']}. "
        f"Seeds: {table['seed'].unique().tolist()}.",
        "",
        "![R2 and common genes by type](perturbation.png)",
        "",
        f"By chance {table['common_degs_by_chance'].mean():.1f} of 100 genes would be common.",
    ]
    for column, (title, digits) in COLUMNS.items():
        wide = table.pivot_table(
            index="prediction", columns="held_out", values=column, sort=False
        ).loc[order]
        wide["mean"] = wide.mean(axis=1, skipna=False)
        lines += ["", f"## {title}", "", "| prediction | " + " | ".join(wide.columns) + " |"]
        lines.append("|" + " --- |" * (wide.shape[1] + 1))
        for name, row in wide.iterrows():
            cells = ["" if value != value else f"{value:.{digits}f}" for value in row]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", _bar(table, order)]
    return "\n".join(lines) + "\n"


def named(table: pd.DataFrame) -> pd.DataFrame:
    """Say with a prediction's name if its training was cut short: it is not the model's best."""
    cut = table["cpu_seconds"].notna() & (table["max_epochs"].astype(str) != "default")
    longest = " (at most " + table["max_epochs"].astype(str) + " epochs)"
    return table.assign(prediction=table["prediction"] + longest.where(cut, ""))


def _bar(table: pd.DataFrame, order: list[str]) -> str:
    means = table.groupby(["prediction", "held_out"])["r2_mean"].mean()
    above = {name: (means[name] > BAR) for name in order}
    counts = "; ".join(f"{name}: {own.sum()} of {own.size}" for name, own in above.items())
    return f"Types in which the mean R2 passes the paper's {BAR}: {counts}."


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw R2 and common genes of each type, a bar for each prediction."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    table = named(table)
    names = list(dict.fromkeys(table["prediction"]))
    types = sorted(table["held_out"].unique())
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    width = 0.85 / len(names)
    panels = zip(axes, ("r2_mean", "common_degs"), ("R2 of means", "common DEGs"), strict=True)
    for ax, column, title in panels:
        means = table.groupby(["prediction", "held_out"])[column].mean()
        for number, name in enumerate(names):
            places = [i + (number - (len(names) - 1) / 2) * width for i in range(len(types))]
            values = [means.get((name, t), float("nan")) for t in types]
            ax.bar(places, values, width, label=name, color=COLORS[number % len(COLORS)])
        ax.set_xticks(range(len(types)), types, rotation=15)
        ax.set_ylabel(title)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].axhline(BAR, color="black", linewidth=0.8, linestyle="--")
    axes[0].set_ylim(0, 1)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
