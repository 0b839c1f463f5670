"""The main job in a few seconds, on whatever versions are installed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import scvi

import scvi_xmodal as xm
from scvi_xmodal.data import Split, open_backed

QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}
DIRECTIONS = [("rna", "atac"), ("atac", "rna")]


@pytest.mark.smoke
def test_set_up_train_translate_save_and_load(tmp_path):
    scvi.settings.seed = 0
    mdata = xm.datasets.synthetic(
        n_cells=80, n_genes=20, n_peaks=40, n_batches=2, atac_density=0.3
    )
    split = Split(range(50), range(50, 60), range(60, 80))
    queries = {key: adata[split.test].copy() for key, adata in mdata.mod.items()}
    xm.model.Butterfly.setup_mudata(mdata, batch_key="batch", labels_key="cell_type")
    model = xm.model.Butterfly(mdata, n_latent=8)
    model.train(1, pretrain_epochs=1, split=split, **QUIET)
    assert len(model.history["integrative_train_loss"]) == 1
    model.save(tmp_path / "model", save_anndata=True)
    loaded = xm.model.Butterfly.load(tmp_path / "model", adata=False)
    with_data = xm.model.Butterfly.load(tmp_path / "model")
    for source, target in DIRECTIONS:
        options = {"source": source, "target": target, "depth": "predicted"}
        result = model.translate(queries[source], **options)
        assert result.shape == (20, mdata[target].n_vars)
        assert np.isfinite(result.X).all()
        result.write_h5ad(tmp_path / f"{target}.h5ad")
        own = with_data.translate(**options, indices=split.test)
        np.testing.assert_array_equal(loaded.translate(queries[source], **options).X, result.X)
        np.testing.assert_allclose(own.X, result.X, rtol=1e-4, atol=1e-6)
        streamed = model.translate(queries[source], **options, out=tmp_path / f"{target}.zarr")
        assert streamed.exists()
        latent = model.get_latent_representation(queries[source], modality=source)
        assert latent.shape == (20, 8)
    with_data.train(1, pretrain_epochs=0, split=split, **QUIET)
    assert len(with_data.history["integrative_train_loss"]) == 2


@pytest.mark.smoke
def test_data_on_disk(tmp_path):
    mdata = xm.datasets.synthetic(n_cells=60, n_genes=12, n_peaks=24, atac_density=0.3)
    mdata.write(tmp_path / "data.h5mu")
    backed = open_backed(tmp_path / "data.h5mu")
    xm.model.Butterfly.setup_mudata(backed)
    model = xm.model.Butterfly(backed, preset="scbutterfly")
    model.train(1, pretrain_epochs=1, **QUIET)
    mdata["rna"].write_h5ad(tmp_path / "rna.h5ad")
    options = {"source": "rna", "target": "atac"}
    np.testing.assert_allclose(
        model.translate(tmp_path / "rna.h5ad", **options).X,
        model.translate(**options).X,
        rtol=1e-5,
    )


@pytest.mark.smoke
def test_three_modalities():
    mdata = xm.datasets.synthetic(
        n_cells=60, n_genes=12, n_peaks=24, n_proteins=4, atac_density=0.3
    )
    xm.model.Butterfly.setup_mudata(mdata)
    model = xm.model.Butterfly(mdata)
    model.train(1, pretrain_epochs=1, **QUIET)
    assert model.translate(mdata["protein"], source="protein", target="atac").shape == (60, 24)


@pytest.mark.smoke
def test_the_package_loads_nothing_heavy_by_itself():
    code = "import sys, scvi_xmodal; print([m for m in HEAVY if m in sys.modules])"
    heavy = ["torch", "scvi", "scanpy", "matplotlib", "sklearn", "igraph", "lightning"]
    printed = subprocess.run(
        [sys.executable, "-c", code.replace("HEAVY", repr(heavy))],
        check=True,
        capture_output=True,
        text=True,
    )
    assert printed.stdout.strip() == "[]"
