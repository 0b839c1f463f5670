"""Dask workers write what one process writes."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

from scvi_xmodal.datasets import synthetic
from scvi_xmodal.model import Butterfly
from scvi_xmodal.tl import translate_dask


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dask")
    mdata = synthetic(n_cells=90, n_genes=15, n_peaks=30, atac_density=0.3, seed=1)
    mdata["rna"].write_h5ad(folder / "rna.h5ad")
    mdata["atac"].write_zarr(folder / "atac.zarr")
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata)
    model.train(max_epochs=1, pretrain_epochs=0, enable_progress_bar=False)
    model.save(folder / "model")
    return folder, model, mdata


def test_threads_write_the_same(saved, tmp_path):
    folder, model, mdata = saved
    path = translate_dask(
        folder / "model",
        folder / "rna.h5ad",
        tmp_path / "out.zarr",
        source="rna",
        target="atac",
        rows_per_task=40,
        depth="predicted",
    )
    direct = model.translate(mdata["rna"], source="rna", target="atac", depth="predicted")
    written = anndata.read_zarr(path)
    np.testing.assert_allclose(written.X, direct.X, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        written.obs["predicted_depth"], direct.obs["predicted_depth"], rtol=1e-5
    )
    assert written.var["chrom"].tolist() == direct.var["chrom"].tolist()


def test_two_workers_of_a_local_cluster_write_the_same(saved, tmp_path):
    import distributed

    folder, model, mdata = saved
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        path = translate_dask(
            folder / "model",
            folder / "atac.zarr",
            tmp_path / "out.zarr",
            source="atac",
            target="rna",
            client=client,
            rows_per_task=40,
        )
    direct = model.translate(mdata["atac"], source="atac", target="rna")
    written = anndata.read_zarr(path)
    np.testing.assert_allclose(written.X, direct.X, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(written.layers["mean"], direct.layers["mean"], rtol=1e-4)


def test_mistakes_are_told_before_work_starts(saved, tmp_path):
    folder, _, _ = saved
    with pytest.raises(ValueError, match=r"must end in \.zarr"):
        translate_dask(
            folder / "model",
            folder / "rna.h5ad",
            tmp_path / "out.h5ad",
            source="rna",
            target="atac",
        )
    with pytest.raises(ValueError, match="protein"):
        translate_dask(
            folder / "model",
            folder / "rna.h5ad",
            tmp_path / "out.zarr",
            source="rna",
            target="protein",
        )
    assert list(tmp_path.iterdir()) == []
