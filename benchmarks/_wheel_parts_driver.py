"""Trains one of the wheel's models without a front end, in its own environment.

For CITE-seq and for perturbed cells the published package has no front end: its users build a
``Model`` by hand. This one is built with the published sizes, weights and schedule. As in
``_wheel_driver``, ``.cuda()`` gives the tensor back and loaders run without worker processes.

The sides are called ``first`` (RNA, control) and ``second`` (proteins, perturbed): matrices of
cells x features as the model takes them, and of each the rows that train, validate and test.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData
from torch import nn

from benchmarks._probe import Instant, fit_cost
from benchmarks._wheel_driver import without_workers

PACKAGES = ("scbutterfly", "torch", "numpy", "scipy", "anndata", "scanpy")
EMBEDDING = 128
KL_WEIGHT = 20 / 3000
"""Of each side: 20 over the 3,000 genes of the published experiments."""
SECOND = {
    "train_model_cite": {"A_decoder_act_list": [nn.LeakyReLU(), nn.Identity()]},
    # its default ends in a sigmoid, which log expression does not fit: RNA's own instead
    "train_model_perturb": {"A_decoder_act_list": [nn.LeakyReLU(), nn.LeakyReLU()]},
}
WEIGHT = {"train_model_cite": 2, "train_model_perturb": 1}
"""Weight of the second side's reconstruction, to one of the first's."""


def build(module: object, name: str, sides: dict[str, AnnData]) -> object:
    n_first, n_second = (sides[side].n_vars for side in ("first", "second"))
    return module.Model(
        RNA_data=sides["first"],
        ATAC_data=sides["second"],
        chrom_list=[],
        logging_path=None,
        R_encoder_dim_list=[n_first, 256, EMBEDDING],
        A_encoder_dim_list=[n_second, 128, EMBEDDING],
        R_decoder_dim_list=[EMBEDDING, 256, n_first],
        A_decoder_dim_list=[EMBEDDING, 128, n_second],
        **SECOND[name],
    )


def as_adata(folder: Path, side: str) -> AnnData:
    adata = AnnData(sp.csr_matrix(sp.load_npz(folder / f"{side}.npz"), dtype=np.float32))
    adata.obs_names = [str(i) for i in range(adata.n_obs)]
    return adata


def predict(model: object, rows: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Predict each side from the other by latent means, as its ``test`` does, but keep negatives.

    It sets what is below .0001 to 0, of centred log-ratios about half. Of expression its caller
    does the same.
    """
    model.set_eval()
    found = {}
    with torch.inference_mode():
        first = model.RNA_encoder(torch.from_numpy(model.RNA_data[rows["first"]]))
        second = model.ATAC_encoder(torch.from_numpy(model.ATAC_data[rows["second"]]))
        to_second = model.translator.test_model(first, "RNA")[1]
        to_first = model.translator.test_model(second, "ATAC")[0]
        found["second"] = model.ATAC_decoder(to_second).numpy()
        found["first"] = model.RNA_decoder(to_first).numpy()
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    os.chdir(folder)
    torch.set_num_threads(1)
    torch.Tensor.cuda = lambda self, *args, **kwargs: self
    cells = {key: rows.tolist() for key, rows in np.load(folder / "cells.npz").items()}
    options = json.loads((folder / "options.json").read_text())
    name = options["module"]
    module = import_module(f"scButterfly.{name}")
    module.DataLoader = without_workers(module.DataLoader)
    sides = {side: as_adata(folder, side) for side in ("first", "second")}
    start = Instant.now()
    model = build(module, name, sides)
    Path("out/model").mkdir(parents=True)
    model.train(
        loss_weight=[1, WEIGHT[name], 1, KL_WEIGHT, KL_WEIGHT, 2 * KL_WEIGHT],
        train_id_r=cells["train_first"],
        train_id_a=cells["train_second"],
        validation_id_r=cells["validation_first"],
        validation_id_a=cells["validation_second"],
        output_path="out",
        **options["train"],
    )
    cost = fit_cost(start, PACKAGES)
    rows = {side: cells[f"test_{side}"] for side in ("first", "second")}
    np.savez(folder / "predictions.npz", **predict(model, rows))
    (folder / "cost.json").write_text(json.dumps(cost))


if __name__ == "__main__":
    main()
