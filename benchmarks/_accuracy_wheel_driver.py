"""Trains the published ``scbutterfly`` wheel and predicts test cells, in its own environment.

As in ``_wheel_driver``, ``.cuda()`` gives the tensor back, matrices are cast to float32 after its
pre-processing, and loaders run without worker processes. Features were chosen before, so it
filters none.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from scButterfly import train_model
from scButterfly.butterfly import Butterfly

from benchmarks._probe import Instant, fit_cost
from benchmarks._wheel_driver import as_adata, as_float32, without_workers

PACKAGES = ("scbutterfly", "torch", "numpy", "scipy", "anndata", "scanpy")


def fit(folder: Path, cells: dict, options: dict) -> Butterfly:
    rows = {part: cells[part].tolist() for part in ("train", "validation", "test")}
    # no labels: it uses them for augmentation alone
    n_cells = sum(len(part) for part in rows.values())
    cells["cell_type"] = np.zeros(n_cells, dtype=int)
    model = Butterfly()
    model.load_data(
        as_adata(folder, "rna", cells),
        as_adata(folder, "atac", cells),
        rows["train"],
        rows["test"],
        rows["validation"],
    )
    model.data_preprocessing(use_hvg=False, n_top_genes=None, filter_features=False, fpeaks=None)
    for name in ("RNA_data_p", "ATAC_data_p"):
        setattr(model, name, without_nan(as_float32(getattr(model, name))))
    model.augmentation(aug_type=None)
    chromosome = cells["chromosome"]
    starts = np.flatnonzero(np.r_[True, chromosome[1:] != chromosome[:-1]])
    sizes = np.diff([*starts, chromosome.size]).tolist()
    model.construct_model(chrom_list=sizes, **options["init"])
    Path("out/model").mkdir(parents=True)
    model.train_model(batch_size=64, output_path="out", **options["train"])
    return model


def without_nan(adata: object) -> object:
    """A cell without an open peak has no term frequencies: zeros rather than 0 / 0."""
    adata.X = sp.csr_matrix(adata.X)
    adata.X.data = np.nan_to_num(adata.X.data)
    return adata


def dense(matrix: object) -> np.ndarray:
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)


def main() -> None:
    folder = Path(sys.argv[1])
    os.chdir(folder)
    torch.set_num_threads(1)
    torch.Tensor.cuda = lambda self, *args, **kwargs: self
    train_model.DataLoader = without_workers(train_model.DataLoader)
    cells = dict(np.load(folder / "cells.npz"))
    start = Instant.now()
    model = fit(folder, cells, json.loads((folder / "options.json").read_text()))
    cost = fit_cost(start, PACKAGES)
    rna, atac = model.test_model(batch_size=64, output_path="out")
    np.savez(folder / "predictions.npz", rna=dense(rna.X), atac=dense(atac.X))
    (folder / "cost.json").write_text(json.dumps(cost))


if __name__ == "__main__":
    main()
