"""One system, one size, one process: ours, our preset, or MULTIVI."""

from __future__ import annotations

import argparse
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi
import torch
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from benchmarks._epochs import EpochTimer
from benchmarks._layers import time_layers
from benchmarks._probe import Recorder

# from its own module, because the package loads its parts on first use, and imports are no part
# of what is measured
from scvi_xmodal.data import Split
from scvi_xmodal.model import Butterfly

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS: dict[str, dict[str, Any]] = {
    # the published sizes; scButterfly's latent is as wide as its embedding
    "default": {"n_latent": 128},
    "preset": {"preset": "scbutterfly"},
}
PACKAGES = ("scvi-xmodal", "scvi-tools", "torch", "lightning", "numpy", "scipy", "anndata")
BATCH = 64
IN_MEMORY = 500
"""Most test cells that are translated into memory."""


def read_folder(folder: Path) -> tuple[MuData, Mapping[str, np.ndarray]]:
    """Return the simulated cells and their split."""
    cells = np.load(folder / "cells.npz")
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(cells["cell_type"].astype(str))},
        index=[f"cell{i}" for i in range(len(cells["cell_type"]))],
    )
    parts = {}
    for modality in ("rna", "atac"):
        counts = sparse.load_npz(folder / f"{modality}.npz")
        var = pd.DataFrame(index=[f"{modality}{i}" for i in range(counts.shape[1])])
        parts[modality] = AnnData(counts, obs=obs.copy(), var=var)
    chromosome = cells["chromosome"]
    start = 1000 * np.arange(chromosome.size)
    table = pd.DataFrame({"chrom": chromosome, "start": start, "end": start + 500})
    parts["atac"].var_names = (
        table.chrom + ":" + table.start.astype(str) + "-" + table.end.astype(str)
    )
    return MuData(parts), cells


def run_ours(system: str, folder: Path, epochs: int, recorder: Recorder) -> None:
    """Train all phases, translate test cells into memory and all cells to disk."""
    recorder.start()
    mdata, cells = read_folder(folder)
    split = Split(cells["train"], cells["validation"], cells["test"])
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, **OURS[system])
    phases = ["pretrain_rna", "pretrain_atac", "integrative"]
    model.train(
        epochs,
        pretrain_epochs=epochs,
        split=split,
        batch_size=BATCH,
        callbacks=[EpochTimer(recorder, phases, split.train.size, mdata.n_obs)],
        accelerator="cpu",
        enable_progress_bar=False,
    )
    test = np.sort(split.test)[:IN_MEMORY]
    for source, target in (("rna", "atac"), ("atac", "rna")):
        recorder.start()
        model.translate(mdata, source=source, target=target, indices=test)
        recorder.lap()
        recorder.finish(f"translate_{source}_to_{target}", "call", test.size)
    with tempfile.TemporaryDirectory() as scratch:
        recorder.start()
        model.translate(mdata, source="rna", target="atac", out=Path(scratch) / "out.h5ad")
        recorder.lap()
        recorder.finish("translate_to_disk", "call", mdata.n_obs)
    if system == "default":
        chromosome = cells["chromosome"]
        time_layers(recorder, mdata["atac"].X, chromosome, batch=BATCH, steps=10)
    recorder.extra["n_parameters"] = sum(p.numel() for p in model.module.parameters())


def run_multivi(folder: Path, epochs: int, recorder: Recorder) -> None:
    """Train scvi-tools' MULTIVI, which has one phase and translates nothing to disk."""
    recorder.start()
    mdata, cells = read_folder(folder)
    modalities = {"rna_layer": "rna", "atac_layer": "atac"}
    scvi.model.MULTIVI.setup_mudata(mdata, modalities=modalities)
    model = scvi.model.MULTIVI(mdata)
    parts = [cells["train"], cells["validation"], cells["test"]]
    model.train(
        max_epochs=epochs,
        batch_size=BATCH,
        early_stopping=False,
        check_val_every_n_epoch=1,
        datasplitter_kwargs={"external_indexing": parts},
        callbacks=[EpochTimer(recorder, ["integrative"], len(cells["train"]), mdata.n_obs)],
        accelerator="cpu",
        enable_progress_bar=False,
    )
    recorder.extra["n_parameters"] = sum(p.numel() for p in model.module.parameters())


def main() -> None:
    """Run what the command line says and write a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=[*OURS, "multivi"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("epochs", type=int)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scvi.settings.seed = arguments.seed
    recorder = Recorder()
    with tempfile.TemporaryDirectory() as scratch:
        scvi.settings.logging_dir = scratch
        if arguments.system == "multivi":
            run_multivi(arguments.folder, arguments.epochs, recorder)
        else:
            run_ours(arguments.system, arguments.folder, arguments.epochs, recorder)
    versions = {name: version(name) for name in PACKAGES}
    arguments.out.write_text(json.dumps(recorder.result(versions)))


if __name__ == "__main__":
    main()
