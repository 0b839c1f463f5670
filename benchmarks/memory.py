"""Resident memory against cells, training from and translating to files."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks._machine import describe
from benchmarks._run import environment, rows
from benchmarks._store import write_h5mu
from benchmarks.simulate import parse_size, short
from benchmarks.speed import RESULTS

SIZES = ("10kx20k", "100kx20k", "1Mx20k")
DENSITY, N_GENES, RNA_DENSITY = 0.01, 1000, 0.05


def main(arguments: list[str] | None = None) -> None:
    """Measure, then write ``memory.csv``, ``memory.md`` and ``memory.png``."""
    options = _parser().parse_args(arguments)
    about = {**describe(), "seed": options.seed, "batches": options.batches}
    options.out.mkdir(parents=True, exist_ok=True)
    found: list[dict] = []
    for text in options.sizes:
        found += _measure(text, options, about)
        pd.DataFrame(found).to_csv(options.out / "memory.csv", index=False)
    table = pd.DataFrame(found)
    text = markdown(table, about)
    (options.out / "memory.md").write_text(text)
    figure(table, options.out / "memory.png")
    print(text)


def _measure(text: str, options: argparse.Namespace, about: dict[str, Any]) -> list[dict]:
    size = parse_size(text, seed=options.seed)
    size = replace(size, density=DENSITY, n_genes=N_GENES, rna_density=RNA_DENSITY)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        print(f"writing {text}", flush=True)
        store, out = write_h5mu(size, Path(scratch) / "cells.h5mu"), Path(scratch) / "out.json"
        print(f"training and translating, {store.stat().st_size / 1e9:.2f} GB", flush=True)
        given = {
            "--size": text,
            "--batches": options.batches,
            "--features": options.features,
            "--format": options.format,
            "--seed": options.seed,
        }
        flags = [str(part) for pair in given.items() for part in pair]
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks._memory_worker"]
        done = subprocess.run(
            [*command, str(store), str(out), *flags],
            env=environment(),
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{text} failed:\n{done.stderr[-2000:]}")
        result = json.loads(out.read_text())
        result["extra"]["file_gb"] = round(store.stat().st_size / 1e9, 3)
    return rows("default", size, result, about)


def markdown(table: pd.DataFrame, about: dict[str, Any]) -> str:
    """Return peak memory above imports by phase and cells as Markdown."""
    wide = table.pivot_table(
        index="phase", columns="n_cells", values="peak_above_imports_mb", sort=False
    )
    head = ["peak MB above imports", *[f"{short(n)} cells" for n in wide.columns]]
    lines = [
        f"`{about['command']}`",
        "",
        f"{about['date']}, commit {about['commit']}. {about['machine']}. One thread; "
        f"{about['batches']} minibatches a training phase, every cell translated. Imports take "
        f"{table['rss_imports_mb'].max():.0f} MB.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + " --- |" * len(head),
    ]
    for phase, values in wide.iterrows():
        lines.append("| " + " | ".join([str(phase), *[f"{v:.0f}" for v in values]]) + " |")
    sizes = table.drop_duplicates("n_cells")
    files = [f"{short(r.n_cells)} cells {r.file_gb:.2f} GB" for r in sizes.itertuples()]
    lines += ["", f"Files: {', '.join(files)}."]
    if len(wide.columns) > 1:
        fewest, most = wide.columns.min(), wide.columns.max()
        growth = 1e3 * (wide[most] - wide[fewest]) / (most - fewest)
        lines.append(
            f"From {short(fewest)} to {short(most)} cells memory grows by {growth.min():.2f} to "
            f"{growth.max():.2f} KB a cell: names, labels and row offsets, not counts."
        )
    return "\n".join(lines) + "\n"


def figure(table: pd.DataFrame, path: Path) -> None:
    """Draw peak memory against cells."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panel, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for phase, part in table.groupby("phase", sort=False):
        ax.plot(part["n_cells"], part["peak_above_imports_mb"], marker="o", label=phase)
    files = table.drop_duplicates("n_cells")
    ax.plot(files["n_cells"], 1000 * files["file_gb"], "k:", label="size of the file")
    ax.set(xscale="log", yscale="log", xlabel="cells", ylabel="MB above imports")
    ax.legend(fontsize=8)
    panel.savefig(path, dpi=130)
    plt.close(panel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), help="cells x peaks")
    parser.add_argument("--batches", type=int, default=300, help="minibatches a training phase")
    parser.add_argument(
        "--features", type=int, default=1000, help="peaks to write when translating RNA to ATAC"
    )
    parser.add_argument("--format", choices=("h5ad", "zarr"), default="h5ad")
    parser.add_argument("--scratch", type=Path, help="folder for the large files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
