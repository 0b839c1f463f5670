"""Memory that Polarbear needs to train on 100,000 peaks, beside Butterfly's on the same cells.

Each model in a process of its own, one thread: set up and train each phase for a few minibatches
of 64 cells. Peak resident memory is above what imports took, as in ``benchmarks.speed``; what a
step needs does not grow with their number.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks._machine import describe
from benchmarks._run import environment

RESULTS = Path(__file__).with_name("results")
MODELS = ("polarbear", "polarbear_zinb", "butterfly")


def main(arguments: list[str] | None = None) -> None:
    """Measure each model and write ``polarbear_memory.csv``."""
    options = _parser().parse_args(arguments)
    if options.one:
        Path(options.to).write_text(json.dumps(measure(options)))
        return
    rows = []
    for model in MODELS:
        with tempfile.TemporaryDirectory() as scratch:
            to = str(Path(scratch) / "row.json")
            size = ["--size", options.size, "--batches", str(options.batches)]
            own = ["-m", "benchmarks.polarbear_memory", "--one", model, "--to", to, *size]
            subprocess.run([sys.executable, *own], env=environment(), cwd=scratch, check=True)
            rows.append(json.loads(Path(to).read_text()))
        print(rows[-1], flush=True)
    table = pd.DataFrame([{**row, **describe()} for row in rows])
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "polarbear_memory.csv", index=False)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Train one model for some minibatches a phase; megabytes and CPU seconds."""
    import scvi
    import torch

    from benchmarks._probe import Instant, memory, reset_peak
    from benchmarks._worker import OURS, read_folder
    from benchmarks.simulate import parse_size, write_folder
    from scvi_xmodal.data import Split
    from scvi_xmodal.model import Butterfly, Polarbear

    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        write_folder(parse_size(options.size), Path(scratch))
        scvi.settings.logging_dir = scratch
        reset_peak()
        before = memory("VmRSS")
        start = Instant.now()
        mdata, cells = read_folder(Path(scratch))
        split = Split(cells["train"], (), cells["test"])
        kwargs = {
            "split": split,
            "batch_size": 64,
            "limit_train_batches": options.batches,
            "accelerator": "cpu",
            "enable_progress_bar": False,
        }
        if options.one == "butterfly":
            Butterfly.setup_mudata(mdata)
            model: Any = Butterfly(mdata, **OURS["default"])
            model.train(1, pretrain_epochs=1, **kwargs)
        else:
            Polarbear.setup_mudata(mdata)
            kind = "zinb" if options.one.endswith("zinb") else "nb"
            model = Polarbear(mdata, gene_likelihood=kind)
            model.train(1, translator_epochs=1, **kwargs)
        _, cpu = Instant.now().since(start)
        megabytes = {"peak_mb": (memory("VmHWM") - before) / 1e6, "before_mb": before / 1e6}
    numbers = {"n_parameters": sum(p.numel() for p in model.module.parameters())}
    return {
        "model": options.one,
        "size": options.size,
        "batches": options.batches,
        **{name: round(value, 1) for name, value in megabytes.items()},
        "cpu_seconds": round(cpu, 2),
        **numbers,
    }


def _parser() -> argparse.ArgumentParser:
    first = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser("python -m benchmarks.polarbear_memory", description=first)
    parser.add_argument("--size", default="1kx100k", help="cells x peaks")
    parser.add_argument("--batches", type=int, default=5, help="minibatches a phase")
    parser.add_argument("--one", choices=MODELS, help=argparse.SUPPRESS)
    parser.add_argument("--to", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
