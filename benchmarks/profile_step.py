"""Where a training step's or a translation's time goes, and what the machine's floor is."""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi
import torch
from lightning.pytorch.callbacks import Callback
from torch.profiler import ProfilerActivity, profile

from benchmarks._floor import Rates, floor
from benchmarks._machine import describe
from benchmarks._probe import Instant
from benchmarks._worker import BATCH, OURS, read_folder
from benchmarks.simulate import Size, parse_size, write_folder
from benchmarks.speed import RESULTS
from scvi_xmodal.data import Split
from scvi_xmodal.model import Butterfly

if TYPE_CHECKING:
    from collections.abc import Callable

PHASES = ("integrative", "pretrain_atac", "pretrain_rna")
PLAIN, TORCH, PYTHON = (1, 2, 3), (4, 5, 6), (7, 8, 9)
"""Epochs that are only timed, watched by torch's profiler, and watched by Python's."""


class StepProfiler(Callback):
    """Profiles the epochs of one fit, after a first one as warm-up; other fits are left alone."""

    def __init__(self, number: int):
        self.number, self.fit = number, -1
        self.torch = profile(activities=[ProfilerActivity.CPU])
        self.python = cProfile.Profile()
        self.cpu: list[float] = []
        self.n_steps = 0
        self.n_weights = 0

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self.fit += 1
        weights = [p.numel() for p in pl_module.module.parameters() if p.requires_grad]
        self.n_weights = sum(weights) if self.fit == self.number else self.n_weights

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.start = Instant.now()
        if self.fit == self.number:
            self._switch(trainer.current_epoch, "start", "enable", first=True)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if self.fit == self.number:
            self._switch(trainer.current_epoch, "stop", "disable", first=False)
            self.n_steps = trainer.num_training_batches
            if trainer.current_epoch in PLAIN:
                self.cpu.append(Instant.now().since(self.start)[1] / self.n_steps)

    def _switch(self, epoch: int, torch_verb: str, python_verb: str, *, first: bool) -> None:
        edge = 0 if first else -1
        if epoch == TORCH[edge]:
            getattr(self.torch, torch_verb)()
        if epoch in PYTHON:
            getattr(self.python, python_verb)()


def torch_table(profiler: profile, n: int, top: int) -> pd.DataFrame:
    """Return the operations with the largest own CPU time, in milliseconds a repetition."""
    events = sorted(profiler.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(e.self_cpu_time_total for e in events)
    rows = [
        {
            "operation": e.key,
            "ms": e.self_cpu_time_total / 1000 / n,
            "share": e.self_cpu_time_total / total,
            "calls": e.count / n,
        }
        for e in events[:top]
    ]
    return pd.DataFrame(rows).set_index("operation")


def python_table(profiler: cProfile.Profile, n: int, top: int, *, own: bool) -> pd.DataFrame:
    """Return functions by own time, or the package's by time with all they call."""
    rows = []
    for (file, line, name), (_, calls, self_time, total, _) in pstats.Stats(
        profiler
    ).stats.items():
        if own or "scvi_xmodal" in file:
            place = name if file == "~" else f"{'/'.join(Path(file).parts[-2:])}:{line} {name}"
            spent = self_time if own else total
            rows.append({"function": place, "ms": spent * 1000 / n, "calls": calls / n})
    return pd.DataFrame(rows).set_index("function").nlargest(top, "ms")


def profile_training(folder: Path, system: str, phase: str) -> StepProfiler:
    """Train without validation, so that an epoch is its steps and nothing else."""
    mdata, cells = read_folder(folder)
    nobody = np.empty(0, dtype=np.int64)
    split = Split(cells["train"], nobody, np.concatenate([cells["validation"], cells["test"]]))
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, **OURS[system])
    # the phases run in the order rna, atac, integrative; pretraining is needed only if profiled
    pretrains = phase != "integrative"
    watcher = StepProfiler({"pretrain_rna": 0, "pretrain_atac": 1}.get(phase, 0))
    n_epochs = 1 + PYTHON[-1]
    model.train(
        0 if pretrains else n_epochs,
        pretrain_epochs=n_epochs if pretrains else 0,
        split=split,
        batch_size=BATCH,
        callbacks=[watcher],
        accelerator="cpu",
        enable_progress_bar=False,
    )
    return watcher


def profile_translation(folder: Path, system: str, to_disk: bool) -> StepProfiler:
    """Translate RNA to ATAC, all cells, in blocks as ``translate`` chooses them."""
    mdata, _ = read_folder(folder)
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, **OURS[system])
    model.train(1, pretrain_epochs=0, accelerator="cpu", enable_progress_bar=False)
    watcher = StepProfiler(-1)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "out.h5ad"

        def translate() -> None:
            path.unlink(missing_ok=True)
            model.translate(mdata, source="rna", target="atac", out=path if to_disk else None)

        _watch(translate, watcher, mdata.n_obs)
    return watcher


def _watch(call: Callable[[], None], watcher: StepProfiler, n_cells: int) -> None:
    call()
    start = Instant.now()
    call()
    watcher.cpu.append(Instant.now().since(start)[1] / n_cells * 1000)
    with watcher.torch:
        call()
    watcher.python.runcall(call)
    watcher.n_steps = n_cells / 1000


def report(watcher: StepProfiler, size: Size, options: argparse.Namespace) -> str:
    """Return all tables as Markdown."""
    about = describe()
    is_step = options.what in PHASES
    n = watcher.n_steps * (len(TORCH) if is_step else 1)
    unit = "step" if is_step else "1,000 cells"
    lines = [
        f"# {options.what} of `{options.system}` at {size.label} stored",
        "",
        f"`{about['command']}`, {about['date']}, commit {about['commit']}. {about['machine']}. "
        f"One thread. {1000 * float(np.median(watcher.cpu)):.4g} CPU ms a {unit} unwatched; "
        f"profilers add to that. Milliseconds and calls below are a {unit}.",
        "",
    ]
    tables = {
        "torch operations by own time": torch_table(watcher.torch, n, options.top),
        "functions by own time": python_table(watcher.python, n, options.top, own=True),
        "scvi_xmodal's functions with all they call": python_table(
            watcher.python, n, options.top, own=False
        ),
    }
    if options.what in PHASES[:2]:
        rates = Rates.measure()
        tables["floor"] = floor(
            size,
            n_sources=2 if options.what == "integrative" else 1,
            n_weights=watcher.n_weights,
            batch=BATCH,
            rates=rates,
        )
        lines += [
            f"Measured rates: {rates.flops / 1e9:.0f} GFLOP/s, {rates.bytes / 1e9:.1f} GB/s, "
            f"{rates.sigmoids / 1e9:.2f} G sigmoids/s, {rates.logarithms / 1e9:.2f} G logs/s.",
            "",
        ]
    for title, table in tables.items():
        lines += [f"## {title}", "", *_markdown(table), ""]
    return "\n".join(lines)


def _markdown(table: pd.DataFrame) -> list[str]:
    head = [table.index.name or "part", *table.columns]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, values in table.iterrows():
        shown = [f"{value:.3g}" for value in values]
        lines.append("| " + " | ".join([f"`{name}`", *shown]) + " |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Profile and write ``profile_<what>_<system>_<size>.md``."""
    parser = argparse.ArgumentParser("python -m benchmarks.profile_step", description=__doc__)
    choices = (*PHASES, "translate", "translate_to_disk")
    parser.add_argument("--what", choices=choices, default="integrative")
    parser.add_argument("--system", choices=OURS, default="default")
    parser.add_argument("--size", default="1kx60k", help="cells x peaks")
    parser.add_argument("--top", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    scvi.settings.seed = options.seed
    size = parse_size(options.size, seed=options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        scvi.settings.logging_dir = os.path.join(scratch, "logs")
        write_folder(size, folder)
        if options.what in PHASES:
            watcher = profile_training(folder, options.system, options.what)
        else:
            to_disk = options.what == "translate_to_disk"
            watcher = profile_translation(folder, options.system, to_disk)
    text = report(watcher, size, options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"profile_{options.what}_{options.system}_{options.size}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
