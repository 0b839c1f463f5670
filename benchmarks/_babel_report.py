"""Tables and the figure of ``python -m benchmarks.babel``; nothing in them is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

METRICS = {
    ("atac", "rna"): ["pearson_flat", "spearman_flat", "pearson_gene", "pearson_cell"],
    ("rna", "atac"): ["auroc_flat", "auroc_peak", "auroc_cell", "calibration_error"],
}
PROTEIN_METRICS = ["pearson_protein", "spearman_protein", "pearson_cell", "rmse"]
NAMES = {"rna": "RNA", "atac": "ATAC"}
OWN_COLOR, OTHER_COLOR = "#D55E00", "#0072B2"


def markdown(cortex: pd.DataFrame, heads: pd.DataFrame, about: Mapping[str, str]) -> str:
    """Return all tables as Markdown: means over seeds, and the spread where there are several."""
    lines = [
        "# BABEL on real cells",
        "",
        f"Written by `{about['command']}`, never by hand. {about['date']}, commit "
        f"{about['commit']}. {about['machine']}. Mean +- standard deviation over "
        f"{cortex['seed'].nunique()} seeds.",
        "",
        "![Curves, scores and proteins](babel.png)",
    ]
    for (source, target), metrics in METRICS.items():
        own = cortex[(cortex["source"] == source) & (cortex["target"] == target)]
        lines += ["", f"## Mouse cortex, {NAMES[source]} -> {NAMES[target]}", ""]
        lines += _grid(own, ["model", "batch_size"], [*metrics, "best_epoch", "cpu_seconds"])
    scored = heads[heads["way"] == "CITE-seq RNA -> protein"]
    lines += ["", "## Bone marrow, RNA -> protein in CITE-seq test cells", ""]
    lines += _grid(scored, ["model", "activation", "loss"], [*PROTEIN_METRICS, "epochs"])
    inferred = heads[heads["pearson_pseudobulk"].notna()]
    lines += [
        "",
        "## Bone marrow, proteins of Multiome cells that were not trained on",
        "",
        "Correlation with measured proteins over means of cell types and proteins, each "
        "protein's mean over types taken off.",
        "",
    ]
    lines += _grid(inferred, ["way", "activation", "loss"], ["pearson_pseudobulk"])
    return "\n".join(lines) + "\n"


def _grid(rows: pd.DataFrame, keys: list[str], columns: list[str]) -> list[str]:
    lines = ["| " + " | ".join([*keys, *columns]) + " |", "|" + " --- |" * (len(keys + columns))]
    for key, part in rows.groupby(keys, dropna=False, sort=False):
        names = ["" if pd.isna(k) else f"{k:.0f}" if isinstance(k, float) else k for k in key]
        cells = [_cell(part[column].dropna()) for column in columns]
        lines.append("| " + " | ".join([*names, *cells]) + " |")
    return lines


def _cell(values: pd.Series) -> str:
    if values.empty:
        return ""
    digits = 1 if values.mean() >= 5 else 3
    mean = f"{values.mean():.{digits}f}"
    return mean if len(values) < 2 else f"{mean} +- {values.std():.{digits}f}"


def figure(
    cortex: pd.DataFrame,
    curves: Mapping[int, pd.DataFrame],
    pseudobulk: pd.DataFrame,
    path: Path,
) -> None:
    """Draw the losses by epoch, the leading scores, and inferred against measured proteins."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawn, axes = plt.subplots(2, 3, figsize=(13, 7.5), layout="constrained")
    for ax, (batch_size, own) in zip(axes[0], curves.items(), strict=False):
        for name, color in zip(own, (OTHER_COLOR, OWN_COLOR), strict=True):
            label = "training" if "train" in name else "validation"
            ax.plot(own.index, own[name], color=color, label=label)
        best = own.iloc[:, 1].idxmin()
        ax.axvline(best, color="black", linewidth=0.8, linestyle=":")
        ax.set(xlabel="epoch", ylabel="loss", title=f"Cortex, minibatches of {batch_size}")
        ax.set_ylim(own.min().min() * 0.95, own.iloc[1:].max().max() * 1.02)
        ax.legend(frameon=False)
    _scores(axes[0, 2], cortex)
    for ax, way in zip(axes[1], [c for c in pseudobulk if c != "measured"], strict=True):
        x, y = pseudobulk["measured"], pseudobulk[way]
        ax.scatter(x, y, s=4, color=OWN_COLOR, alpha=0.4, linewidths=0, rasterized=True)
        ax.axhline(0, color="black", linewidth=0.5)
        ax.axvline(0, color="black", linewidth=0.5)
        ax.set_title(f"{way}: r = {x.corr(y):.2f}")
        ax.set(xlabel="measured, type less protein mean (CLR)", ylabel="inferred")
    drawn.savefig(path, dpi=110)
    plt.close(drawn)


def _scores(ax: object, cortex: pd.DataFrame) -> None:
    label = cortex["model"] + cortex["batch_size"].map(
        lambda size: "" if pd.isna(size) else f" {size:.0f}"
    )
    names = list(dict.fromkeys(label))
    markers = {("atac", "rna", "pearson_gene"): "o", ("rna", "atac", "auroc_peak"): "s"}
    words = {"pearson_gene": "Pearson a gene", "auroc_peak": "AUROC a peak - .5"}
    for (source, target, metric), marker in markers.items():
        part = cortex[(cortex["source"] == source) & (cortex["target"] == target)]
        places = label[part.index].map(names.index)
        values = part[metric] - (0.5 if metric == "auroc_peak" else 0)
        color = OWN_COLOR if target == "atac" else OTHER_COLOR
        ax.scatter(values, places, marker=marker, s=22, color=color, label=words[metric])
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.axvline(0, color="black", linewidth=0.5)
    ax.set_title("Cortex test cells, above knowing nothing")
    ax.legend(frameon=False, fontsize=8)
