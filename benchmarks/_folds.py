"""Reports that measure fold by fold and go on where they stopped."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch

from benchmarks._machine import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RESULTS = Path(__file__).with_name("results")


def measured(
    options: argparse.Namespace,
    name: str,
    measure: Callable[[str, int, Path | None], Iterable[dict[str, Any]]],
) -> pd.DataFrame:
    """Measure the folds that ``name`` in the output folder lacks, and return all of its rows."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    path = options.out / name
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["data", "fold"])
    for data in options.data:
        for fold in options.folds:
            if not ((table["data"] == data) & (table["fold"] == fold)).any():
                rows = pd.DataFrame(measure(data, fold, options.data_dir)).assign(**describe())
                table = pd.concat([table, rows])
                table.to_csv(path, index=False)
    return table


def fold_options(
    arguments: list[str] | None, about: str, *, data: Sequence[str], folds: Sequence[int]
) -> argparse.Namespace:
    """Read which data sets and folds to measure, with the given ones by default."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=list(data), default=list(data))
    parser.add_argument("--folds", nargs="+", type=int, default=list(folds))
    parser.add_argument("--data-dir", type=Path, help="folder of data sets not bundled")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)
