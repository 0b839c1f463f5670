"""Trains sciPENN on a folder of arrays and predicts the proteins of the query."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData
from sciPENN.sciPENN_API import sciPENN_API

from benchmarks._probe import Instant, fit_cost

PACKAGES = ("sciPENN", "torch", "numpy", "anndata", "scanpy")


def read(folder: Path, name: str) -> AnnData:
    adata = AnnData(sp.csr_matrix(sp.load_npz(folder / f"{name}.npz")))
    adata.obs_names = [f"{'query' if name == 'query' else 'cell'}{i}" for i in range(adata.n_obs)]
    adata.var_names = [f"{'p' if name == 'protein' else 'g'}{i:06d}" for i in range(adata.n_vars)]
    return adata


def main() -> None:
    folder = Path(sys.argv[1])
    os.chdir(folder)  # it makes its folder of weights for ever if given an absolute path
    options = json.loads((folder / "options.json").read_text())
    torch.set_num_threads(1)
    torch.manual_seed(options["seed"])
    np.random.seed(options["seed"])  # noqa: NPY002, what it draws from
    rna, protein, query = (read(folder, name) for name in ("rna", "protein", "query"))
    names = list(protein.var_names)
    start = Instant.now()
    model = sciPENN_API(
        [rna],
        [protein],
        query,
        **{"select_hvg": False, "min_cells": 0, "min_genes": 0, "use_gpu": False},
        **options["init"],
    )
    model.train(**{"weights_dir": "weights", "load": False, **options["train"]})
    cost = fit_cost(start, PACKAGES)
    predicted = model.predict()[:, names]
    np.savez(folder / "predictions.npz", protein=np.asarray(predicted.X))
    (folder / "cost.json").write_text(json.dumps(cost))


if __name__ == "__main__":
    main()
