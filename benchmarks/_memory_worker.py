"""Train from a file and translate to a file, in one process."""

from __future__ import annotations

import argparse
import json
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scvi
import torch

from benchmarks._epochs import EpochTimer
from benchmarks._probe import Recorder
from benchmarks._worker import BATCH, OURS, PACKAGES
from benchmarks.simulate import parse_size, split
from scvi_xmodal.data import Split, open_backed
from scvi_xmodal.model import Butterfly

PHASES = ("pretrain_rna", "pretrain_atac", "integrative")


def run(options: argparse.Namespace, recorder: Recorder) -> None:
    """Set up and train on some hundred minibatches a phase, then translate every cell."""
    recorder.start()
    mdata = open_backed(options.store)
    rows = split(parse_size(options.size, seed=options.seed))
    held_out = np.sort(rows["validation"])[: options.batches * BATCH]
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, **OURS["default"])
    n_train = min(options.batches * BATCH, rows["train"].size)
    model.train(
        1,
        pretrain_epochs=1,
        split=Split(np.sort(rows["train"]), held_out, np.sort(rows["test"])),
        batch_size=BATCH,
        limit_train_batches=options.batches,
        callbacks=[EpochTimer(recorder, list(PHASES), n_train, mdata.n_obs)],
        accelerator="cpu",
        enable_progress_bar=False,
    )
    chosen = mdata["atac"].var_names[: options.features].tolist()
    with tempfile.TemporaryDirectory(dir=options.store.parent) as scratch:
        for source, target, features in (("rna", "atac", chosen), ("atac", "rna", None)):
            out = Path(scratch) / f"{target}.{options.format}"
            recorder.start()
            model.translate(mdata, source=source, target=target, features=features, out=out)
            recorder.lap()
            recorder.finish(f"translate_{source}_to_{target}_on_disk", "call", mdata.n_obs)


def main() -> None:
    """Run what the command line says and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", required=True)
    parser.add_argument("--batches", type=int, required=True)
    parser.add_argument("--features", type=int, required=True)
    parser.add_argument("--format", required=True)
    parser.add_argument("--seed", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    scvi.settings.seed = options.seed
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as scratch:
        scvi.settings.logging_dir = scratch
        run(options, recorder)
    versions = {name: version(name) for name in PACKAGES}
    options.out.write_text(json.dumps(recorder.result(versions)))


if __name__ == "__main__":
    main()
