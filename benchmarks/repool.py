"""Seconds to map many cells from one set of peaks onto another, on one thread."""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData
from threadpoolctl import threadpool_limits

import scvi_xmodal as xm
from benchmarks._machine import describe
from benchmarks.simulate import Size, chromosomes, matrix, parse_size
from scvi_xmodal.data._coordinates import peak_coordinates
from scvi_xmodal.data._repool import pool_peaks

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = Path(__file__).with_name("results")
SPACING = 12_000  # 224k peaks over a human genome
TARGET_SECONDS = 10.0


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write ``repool.csv``."""
    options = _parser().parse_args(arguments)
    size = parse_size(options.size, density=options.density, seed=options.seed, n_chromosomes=22)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*target peaks")
        found = measure(size, options.repeats)
    table = pd.DataFrame([{**row, **describe(), "seed": size.seed} for row in found])
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "repool.csv", index=False)
    print(table[list(found[-1])].to_string(index=False))
    slowest = table.loc[table["part"] == "repool_peaks", ["seconds", "cpu_seconds"]].max()
    print(
        f"aim: below {TARGET_SECONDS:g} s on one thread; slowest of {options.repeats}: "
        f"{slowest['cpu_seconds']:.1f} CPU seconds, {slowest['seconds']:.1f} by the clock"
    )


def measure(size: Size, repeats: int) -> list[dict]:
    """Return a row for each part and repetition.

    Parameters
    ----------
    size
        Cells, peaks (of the source and of the target) and share of stored entries.
    repeats
        How often to measure.
    """
    source, target = peak_tables(size)
    cells = AnnData(matrix(size, "atac"), var=source)
    own, wanted = peak_coordinates(source), peak_coordinates(target)
    rows = []
    for repetition in range(repeats):
        row = {
            "repetition": repetition,
            "n_cells": size.n_cells,
            "n_source": size.n_peaks,
            "n_target": size.n_peaks,
            "n_stored": cells.X.nnz,
        }
        _, cost = _timed(lambda: pool_peaks(own, wanted))
        rows.append({"part": "overlaps", **row, **cost})
        pooled, cost = _timed(lambda: xm.pp.repool_peaks(cells, target))
        covered = {"n_covered": pooled.uns["repool_peaks"]["n_covered"]}
        covered["n_stored_after"] = pooled.X.nnz
        rows.append({"part": "repool_peaks", **row, **cost, **covered})
    return rows


def peak_tables(size: Size) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return two sets of peaks, 200 to 900 bp long, about every 12 kb; the second is shifted.

    Most peaks of one overlap one of the other; some overlap none, some two.
    """
    rng = np.random.default_rng((size.seed, 9))
    chrom = chromosomes(size)
    start = SPACING * (1 + np.arange(size.n_peaks)) + rng.integers(-SPACING, SPACING, size.n_peaks)
    shift = rng.integers(-600, 600, size.n_peaks)
    tables = []
    for begin in (start, np.maximum(start + shift, 0)):
        end = begin + rng.integers(200, 900, size.n_peaks)
        columns = {"chrom": chrom, "start": begin, "end": end}
        tables.append(pd.DataFrame(columns, index=[f"peak{i}" for i in range(size.n_peaks)]))
    return tables[0], tables[1]


def _timed(call: Callable) -> tuple[object, dict[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    cost = {"seconds": wall, "cpu_seconds": cpu, "highest_rss_mb": memory}
    return result, {name: round(value, 3) for name, value in cost.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.repool", description=__doc__)
    parser.add_argument("--size", default="10kx224k", help="cells x peaks")
    parser.add_argument("--density", type=float, default=0.03, help="share of stored entries")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
