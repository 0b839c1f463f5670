"""Write up whether single-assay cells help: a table, a verdict computed from it, a figure."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LABELS = {
    "polarbear": "Polarbear, pairs and single-assay cells",
    "polarbear_pairs": "Polarbear, pairs only",
    "butterfly_pairs": "Butterfly, pairs only",
}
SCORES = {
    "rna": ("pearson_gene", "pearson_cell", "pearson_flat", "ami"),
    "atac": ("auroc_peak", "auroc_flat", "ap_peak", "ami"),
}
NAMES = {"rna": "ATAC to RNA", "atac": "RNA to ATAC"}
FOLDS, FRACTIONS = (0, 1, 2, 3, 4), (0.1, 0.25, 0.5)
"""What is compared unless the command line says otherwise."""
COLORS = {"polarbear": "#0072B2", "polarbear_pairs": "#56B4E9", "butterfly_pairs": "#D55E00"}
MARKERS = {"polarbear": "o", "polarbear_pairs": "s", "butterfly_pairs": "^"}


def write_report(table: pd.DataFrame, out: Path) -> None:
    """Write ``polarbear.md`` and ``polarbear.png``."""
    score_figure(table, out / "polarbear.png")
    lines = ["# Do single-assay cells help Polarbear?", "", *_setting(table), ""]
    lines += [*_missing(table)]
    for target in SCORES:
        part = table[table["target"] == target]
        lines += [f"## {NAMES[target]}", "", *_means(part, SCORES[target]), ""]
        lines += [*_verdict(part, SCORES[target]), ""]
    lines += ["![scores by share of pairs kept](polarbear.png)", ""]
    (out / "polarbear.md").write_text("\n".join(lines))


def _setting(table: pd.DataFrame) -> Iterator[str]:
    folds = ", ".join(map(str, sorted(table["fold"].unique())))
    yield (
        "Cortex (SNARE-seq, bundled 2,000 cells); a share of the cells keeps its pairs, the "
        "others go in as RNA-only and ATAC-only cells or are left out. Written by `python -m "
        f"benchmarks.polarbear` (which describes it all) from `polarbear.csv`; folds {folds}, "
        f"{table['machine'].iloc[-1]}, {table['date'].max()}, commits "
        f"{', '.join(sorted(map(str, table['commit'].unique())))}. Means over folds."
    )


def _missing(table: pd.DataFrame) -> Iterator[str]:
    """Say what of the planned comparison has not been run yet."""
    done = set(table[["fold", "fraction", "model"]].itertuples(index=False, name=None))
    wanted = list(product(FOLDS, FRACTIONS, LABELS))
    lacking = [
        (fold, share, model) for fold, share, model in wanted if (fold, share, model) not in done
    ]
    if lacking:
        yield (
            f"**Not finished**: {len(lacking)} of {len(wanted)} fits are still to be run, and "
            "what is here says little yet. `python -m benchmarks.polarbear` goes on. Lacking: "
            + "; ".join(f"{LABELS[m]}, {s:.0%}, fold {f}" for f, s, m in lacking)
            + "."
        )
        yield ""


def _means(part: pd.DataFrame, scores: tuple[str, ...]) -> Iterator[str]:
    yield (
        "| pairs kept | model | folds | training pairs | RNA cells | ATAC cells | "
        + " | ".join([*scores, "CPU s"])
        + " |"
    )
    yield "|---" * (7 + len(scores)) + "|"
    for (fraction, model), own in _groups(part):
        sizes = [f"{own[name].mean():.0f}" for name in ("n_paired", "n_rna", "n_atac")]
        values = [f"{own[name].mean():.4f}" for name in scores]
        cells = [f"{fraction:.0%}", LABELS[model], str(own["fold"].nunique()), *sizes, *values]
        yield "| " + " | ".join([*cells, f"{own['fit_cpu_seconds'].mean():.0f}"]) + " |"


def _groups(part: pd.DataFrame) -> Iterator[tuple[tuple[float, str], pd.DataFrame]]:
    order = part.assign(model=pd.Categorical(part["model"], list(LABELS)))
    yield from order.groupby(["fraction", "model"], observed=True)


def _verdict(part: pd.DataFrame, scores: tuple[str, ...]) -> Iterator[str]:
    """Say in how many folds single-assay cells gain, over what, and how much."""
    for metric in (scores[0], scores[-1]):
        wide = part.pivot_table(index=["fraction", "fold"], columns="model", values=metric)
        for other in ("polarbear_pairs", "butterfly_pairs"):
            if not {"polarbear", other} <= set(wide):
                continue
            gain = (wide["polarbear"] - wide[other]).dropna()
            by_share = gain.groupby(level="fraction").mean()
            shares = ", ".join(f"{value:+.4f} at {share:.0%}" for share, value in by_share.items())
            yield (
                f"- `{metric}` against {LABELS[other]}: better in {int((gain > 0).sum())} of "
                f"{gain.size} (share, fold) pairs; mean difference {shares}."
            )


def score_figure(table: pd.DataFrame, path: Path) -> None:
    """Draw each fold's leading score and AMI over the share of pairs, means as lines."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), sharex=True, layout="constrained")
    for line, target in zip(axes, SCORES, strict=True):
        for ax, metric in zip(line, (SCORES[target][0], "ami"), strict=True):
            part = table[table["target"] == target]
            for (model,), own in part.groupby(["model"]):
                means = own.groupby("fraction")[metric].mean()
                style = {"color": COLORS[model], "marker": MARKERS[model]}
                ax.plot(means.index, means, label=LABELS[model], **style)
                ax.scatter(own["fraction"], own[metric], s=12, alpha=0.5, **style)
            ax.set(title=NAMES[target], ylabel=metric, xticks=sorted(part["fraction"].unique()))
            ax.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
            ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[1]:
        ax.set_xlabel("share of cells that keep their pairs")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
