"""Tables of ratios and figures of growth, from the rows of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks._run import SYSTEMS
from benchmarks.simulate import short

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PHASES = (
    "setup",
    "pretrain_rna",
    "pretrain_atac",
    "integrative",
    "translate_rna_to_atac",
    "translate_atac_to_rna",
    "translate_to_disk",
)
PEAKS = {
    "peak MB, set up and train": PHASES[:4],
    "peak MB, translate": PHASES[4:6],
    "peak MB, translate to disk": PHASES[6:],
}
SIZE = ["n_cells", "n_peaks", "density"]
DRAWN = ("pretrain_atac", "integrative", "encoder_layer", "decoder_layer")
AXES = {"n_cells": "cells", "n_peaks": "peaks", "density": "share of stored entries"}


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Return CPU seconds and memory of each system, and how many times the wheel's they are.

    Parameters
    ----------
    table
        Rows of one run.

    Returns
    -------
    One row for each size and measure; for each system a column with its value and one,
    ``"wheel / system"``, with the ratio: above 1 the system is quicker or leaner.
    """
    measured = table[table["phase"].isin(PHASES)]
    per_cell = measured["unit"] == "call"
    cost = measured["cpu_seconds"].where(~per_cell, 1000 / measured["cells_per_cpu_second"])
    measured = measured.assign(cost=cost)
    wide = measured.pivot_table(index=[*SIZE, "phase"], columns="system", values="cost")
    wide = pd.concat([wide, *(_peaks(measured, name, own) for name, own in PEAKS.items())])
    columns = {}
    for system in [name for name in SYSTEMS if name in wide]:
        columns[system] = wide[system]
        if system != "wheel":
            reference = wide["wheel"] if "wheel" in wide else np.nan
            columns[f"wheel / {system}"] = reference / wide[system]
    order = {phase: i for i, phase in enumerate([*PHASES, *PEAKS])}
    joined = pd.DataFrame(columns)
    return joined.sort_index(
        level=[*SIZE, "phase"], key=lambda v: v.map(order) if v.name == "phase" else v
    )


def _peaks(measured: pd.DataFrame, name: str, phases: tuple[str, ...]) -> pd.DataFrame:
    own = measured[measured["phase"].isin(phases)]
    peak = own.groupby([*SIZE, "system"])["peak_above_imports_mb"].max().unstack("system")
    return pd.concat({name: peak}, names=["phase"]).reorder_levels([*SIZE, "phase"])


def markdown(table: pd.DataFrame, about: Mapping[str, str], base: Mapping[str, float]) -> str:
    """Return ratios, growth and versions as Markdown."""
    lines = [
        f"`{about['command']}`",
        "",
        f"{about['date']}, commit {about['commit']}. "
        f"{about['machine']}. {about['system_os']}. Seed {about['seed']}. "
        "One thread; each system in a process of its own.",
        "",
        "CPU seconds an epoch (validation included, first epoch left out, median of the others); "
        "`setup` and `translate` in CPU milliseconds a cell; peak memory in MB above imports. "
        "`wheel / x`: how many times as much the published wheel takes in this run.",
        "",
    ]
    compared = table[table["part"] == "comparison"]
    for key, part in ratios(compared).groupby(level=SIZE):
        n_cells, n_peaks, density = key
        lines += [f"**{short(n_cells)} cells x {short(n_peaks)} peaks, {density:.3g} stored**", ""]
        lines += [*_grid(part.dropna(axis=1, how="all").droplevel(SIZE)), ""]
    for row in table[table["skipped"].notna()].itertuples() if "skipped" in table else []:
        size = f"{short(row.n_cells)} x {short(row.n_peaks)}"
        lines.append(f"- {SYSTEMS[row.system]} at {size} was not run: {row.skipped}.")
    if (table["part"] == "growth").any():
        lines += _growth_lines(table, base)
    if "versions" in table:
        known = table.dropna(subset="versions").drop_duplicates("system")
        lines += ["", "Versions:", ""]
        lines += [f"- {SYSTEMS[r.system]}: {r.versions}" for r in known.itertuples()]
    return "\n".join(lines) + "\n"


def _growth_lines(table: pd.DataFrame, base: Mapping[str, float]) -> list[str]:
    lines = [
        "",
        "**Growth** of CPU seconds from the base "
        f"{short(int(base['n_cells']))} x {short(int(base['n_peaks']))}, {base['density']:.3g}: "
        "the slope on logarithmic axes, which fixed costs lower, and the share of variance that "
        "a straight line with an intercept explains.",
        "",
    ]
    for axis, name in AXES.items():
        fits = growth(table, axis, base)
        fits = fits[fits["x"].map(len) > 2]
        if len(fits):
            reached = sorted({x for own in fits["x"] for x in own})
            lines += [f"With {name}: {', '.join(f'{x:g}' for x in reached)}", ""]
            lines += ["| system | what | slope | linear R2 |", "| --- | --- | --- | --- |"]
            lines += [
                f"| {fit.system} | {fit.phase} | {fit.slope:.2f} | {fit.linear_r2:.3f} |"
                for fit in fits.itertuples()
            ]
            lines.append("")
    return lines


def _grid(part: pd.DataFrame) -> list[str]:
    head = ["measure", *part.columns]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, values in part.iterrows():
        cells = [
            "-" if pd.isna(v) else f"**{v:.3g}x**" if column.startswith("wheel /") else _plain(v)
            for column, v in values.items()
        ]
        lines.append("| " + " | ".join([str(name), *cells]) + " |")
    return lines


def _plain(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def growth(table: pd.DataFrame, axis: str, base: Mapping[str, float]) -> pd.DataFrame:
    r"""Fit how cost grows along one axis, the others held at ``base``.

    .. math:: \log t = a + b \log x

    Returns
    -------
    One row for each system and phase with at least two points: ``slope`` b, ``linear_r2`` (the
    share of variance that :math:`t = a + b x` explains), ``x`` and ``t``.
    """
    chosen = table[table["unit"].isin(["epoch", "step"])]
    for other in SIZE:
        if other != axis:
            chosen = chosen[chosen[other] == base[other]]
    fits = []
    for (system, phase), part in chosen.groupby(["system", "phase"]):
        part = part.groupby(axis)["cpu_seconds"].median()
        x, t = part.index.to_numpy(float), part.to_numpy()
        if x.size > 1 and (t > 0).all():
            slope = float(np.polyfit(np.log(x), np.log(t), 1)[0])
            r2 = float(np.corrcoef(x, t)[0, 1] ** 2)
            fits.append((system, phase, slope, r2, x, t))
    return pd.DataFrame(fits, columns=["system", "phase", "slope", "linear_r2", "x", "t"])


def figure(table: pd.DataFrame, base: Mapping[str, float], path: Path) -> None:
    """Draw cost against cells, peaks and density on logarithmic axes, slopes in the legend."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    shown = {
        "pretrain_atac": "--",
        "integrative": "-",
        "encoder_layer": ":",
        "decoder_layer": "-.",
    }
    colors = dict(zip(SYSTEMS, ("#0072B2", "#009E73", "#D55E00", "#7F7F7F"), strict=True))
    panels, axes = plt.subplots(1, 3, figsize=(15, 6.2), layout="constrained")
    for ax, (axis, name) in zip(axes, AXES.items(), strict=True):
        for fit in growth(table, axis, base).itertuples():
            if fit.phase in shown:
                label = f"{fit.system}, {fit.phase.replace('_', ' ')}: slope {fit.slope:.2f}"
                style = {"color": colors[fit.system], "linestyle": shown[fit.phase]}
                ax.loglog(fit.x, fit.t, marker="o", markersize=4, label=label, **style)
        held = [f"{base[other]:g} {AXES[other]}" for other in SIZE if other != axis]
        ax.set(xlabel=name, ylabel="CPU seconds an epoch (layers: a step)", title=", ".join(held))
        ax.grid(visible=True, which="major", alpha=0.3)
        ax.xaxis.set_minor_formatter(NullFormatter())  # over less than a decade they overlap
        if ax.lines:
            ax.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    panels.savefig(path, dpi=130)
    plt.close(panels)
