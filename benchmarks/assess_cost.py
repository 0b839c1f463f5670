"""What judging a model by its validation cells adds to training it: CPU seconds, and memory."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

import scvi_xmodal as xm
from benchmarks._machine import describe
from benchmarks._probe import memory, reset_peak
from scvi_xmodal.model._presets import PRESETS

RESULTS = Path(__file__).with_name("results")


def main(arguments: list[str] | None = None) -> None:
    """Train a few epochs, and write ``assess_cost.csv`` and ``.md``."""
    options = _parser().parse_args(arguments)
    row = {**measure(options.cells, options.peaks, options.epochs), **describe()}
    options.out.mkdir(parents=True, exist_ok=True)
    pd.DataFrame([row]).to_csv(options.out / "assess_cost.csv", index=False)
    text = (
        f"{row['n_cells']:,} cells, {row['n_genes']:,} genes, {row['n_peaks']:,} peaks: one "
        f"integrative epoch takes {row['epoch_cpu_seconds']:.1f} CPU seconds, judging it at "
        f"the end {row['assess_cpu_seconds']:.1f}, as much as {row['assess_epochs']:.1f} epochs, "
        f"of which there are {row['fewest_epochs']} to {row['most_epochs']} by default; it raises "
        f"memory by {row['assess_peak_mb']:.0f} MB while it runs, and the saved model by "
        f"{row['kept_mb']:.1f} MB.\n\n"
        f"`{row['command']}`; {row['date']}, commit {row['commit']}, {row['machine']}.\n"
    )
    (options.out / "assess_cost.md").write_text(text)
    print(text)


def measure(n_cells: int, n_peaks: int, n_epochs: int) -> dict[str, Any]:
    """Return CPU seconds of an epoch and of the end of training."""
    mdata = xm.datasets.synthetic(n_cells=n_cells, n_genes=2000, n_peaks=n_peaks)
    xm.model.Butterfly.setup_mudata(mdata)
    model = xm.model.Butterfly(mdata)
    found: dict[str, Any] = {}
    assess = model._assess

    def timed(*arguments: Any) -> Any:
        reset_peak()
        before, begin = memory("VmRSS"), time.process_time()
        found["training"] = begin - found["begin"]
        result = assess(*arguments)
        found["seconds"] = time.process_time() - begin
        found["peak"] = (memory("VmHWM") - before) / 1e6
        return result

    model._assess = timed
    found["begin"] = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train(n_epochs, pretrain_epochs=0, enable_progress_bar=False, early_stopping=False)
    epoch, preset = found["training"] / n_epochs, PRESETS["default"]
    return {
        "n_cells": n_cells,
        "n_genes": 2000,
        "n_peaks": n_peaks,
        "n_epochs": n_epochs,
        "epoch_cpu_seconds": epoch,
        "assess_cpu_seconds": found["seconds"],
        "assess_epochs": found["seconds"] / epoch,
        "fewest_epochs": preset.patience + 1,
        "most_epochs": preset.max_epochs,
        "assess_peak_mb": found["peak"],
        "kept_mb": _n_bytes(model.trust_) / 1e6,
    }


def _n_bytes(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_n_bytes, value.values()))
    return getattr(value, "nbytes", 8)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.assess_cost", description=__doc__)
    parser.add_argument("--cells", type=int, default=4000)
    parser.add_argument("--peaks", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
