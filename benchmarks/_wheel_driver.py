"""Drives the published ``scbutterfly`` wheel through its public API, in its own environment.

Two things let it run on a CPU: ``.cuda()`` gives the tensor back, and matrices are cast to
float32 after its pre-processing. Its loaders run without worker processes, which is faster here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData
from scButterfly import train_model
from scButterfly.butterfly import Butterfly

from benchmarks._probe import Instant, Recorder

PHASES = {
    "RNA pretrain": ("pretrain_rna", "epoch"),
    "ATAC pretrain": ("pretrain_atac", "epoch"),
    "Integrative training": ("integrative", "epoch"),
    "RNA to ATAC predicting...": ("translate_rna_to_atac", "call"),
    "ATAC to RNA predicting...": ("translate_atac_to_rna", "call"),
}
PACKAGES = ("scbutterfly", "torch", "numpy", "scipy", "pandas", "anndata", "scanpy", "episcanpy")


class TimedBar:
    """Stands in for the progress bar: each update ends an epoch, its validation included."""

    recorder: Recorder
    cells: dict

    def __init__(self, total: int, **kwargs: object):
        self.total = total

    def __enter__(self) -> TimedBar:
        self.recorder.start()
        return self

    def set_description(self, text: str) -> None:
        self.phase, self.unit = PHASES[text]

    def update(self, n: int) -> None:
        if self.unit == "epoch":
            self.recorder.lap()

    def set_postfix(self, *args: object, **kwargs: object) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        if self.unit == "call":
            self.recorder.lap()
        skip = 1 if self.unit == "epoch" else 0
        self.recorder.finish(self.phase, self.unit, self.cells[self.unit], skip=skip)


def without_workers(loader: type) -> object:
    def build(*args: object, num_workers: int = 0, **kwargs: object) -> object:
        return loader(*args, num_workers=0, **kwargs)

    return build


def timed_wrapping(wrap: object, recorder: Recorder) -> object:
    """Count the making of an AnnData from predictions, RNA to ATAC first, to the translation."""
    phases = iter(["translate_rna_to_atac", "translate_atac_to_rna"])

    def run(predicted: object) -> object:
        start = Instant.now()
        adata = wrap(predicted)
        recorder.add(next(phases), *Instant.now().since(start))
        return adata

    return run


def as_adata(folder: Path, modality: str, cells: dict) -> AnnData:
    adata = AnnData(sp.csr_matrix(sp.load_npz(folder / f"{modality}.npz")))
    adata.obs_names = [str(i) for i in range(adata.n_obs)]
    adata.var_names = [f"{modality}{i}" for i in range(adata.n_vars)]
    adata.obs["cell_type"] = [str(t) for t in cells["cell_type"]]
    adata.obs["cell_type"] = adata.obs["cell_type"].astype("category")
    if modality == "atac":
        adata.var["chrom"] = cells["chromosome"]
    return adata


def as_float32(adata: AnnData) -> AnnData:
    # a selection of genes is a view, and to assign to a view's X would write into its parent
    adata = adata.copy() if adata.is_view else adata
    adata.X = adata.X.astype(np.float32)
    return adata


def run(folder: Path, epochs: int, recorder: Recorder) -> None:
    recorder.start()
    cells = dict(np.load(folder / "cells.npz"))
    rows = {part: cells[part].tolist() for part in ("train", "validation", "test")}
    model = Butterfly()
    model.load_data(
        as_adata(folder, "rna", cells),
        as_adata(folder, "atac", cells),
        rows["train"],
        rows["test"],
        rows["validation"],
    )
    model.data_preprocessing()
    model.RNA_data_p = as_float32(model.RNA_data_p)
    model.ATAC_data_p = as_float32(model.ATAC_data_p)
    model.augmentation(aug_type=None)
    chromosome = model.ATAC_data_p.var["chrom"].to_numpy()
    starts = np.flatnonzero(np.r_[True, chromosome[1:] != chromosome[:-1]])
    model.construct_model(chrom_list=np.diff([*starts, chromosome.size]).tolist())
    recorder.lap()
    recorder.finish("setup", "call", len(cells["cell_type"]))
    recorder.extra["n_peaks_kept"] = int(model.ATAC_data_p.n_vars)
    TimedBar.recorder = recorder
    TimedBar.cells = {"epoch": len(rows["train"]), "call": len(rows["test"])}
    Path("out/model").mkdir(parents=True)
    model.train_model(
        R2R_pretrain_epoch=epochs,
        A2A_pretrain_epoch=epochs,
        translator_epoch=epochs,
        batch_size=64,
        output_path="out",
    )
    # goes on to principal components and neighbours, which are left out here
    model.test_model(batch_size=64, output_path="out")


def main() -> None:
    folder, epochs, out = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    torch.Tensor.cuda = lambda self, *args, **kwargs: self
    train_model.tqdm = TimedBar
    train_model.DataLoader = without_workers(train_model.DataLoader)
    recorder = Recorder()
    train_model.tensor2adata = timed_wrapping(train_model.tensor2adata, recorder)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        run(folder, epochs, recorder)
        os.chdir("/")
    out.write_text(json.dumps(recorder.result({name: version(name) for name in PACKAGES})))


if __name__ == "__main__":
    main()
