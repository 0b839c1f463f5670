"""Dask workers write what one process writes."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
import scvi
from mudata import MuData

from scvi_xmodal.datasets import synthetic
from scvi_xmodal.model import Butterfly, Polarbear
from scvi_xmodal.tl import _dask, translate_dask


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


def test_workers_draw_with_the_callers_seed(saved, monkeypatch):
    folder, model, mdata = saved
    given = {"source": "atac", "target": "rna"}
    options = {"quantiles": (0.1, 0.9), "n_samples": 2}
    monkeypatch.setattr(scvi.settings, "seed", 3)
    direct = model.translate(mdata["atac"], **given, **options)
    task = _dask._Task(folder / "model", folder / "atac.zarr", *given.values(), options)
    monkeypatch.setattr(scvi.settings, "seed", None)  # as in another process
    other = model.translate(mdata["atac"], **given, **options)
    assert (direct.layers["q90"] != other.layers["q90"]).any()
    np.testing.assert_array_equal(task.translate(0, 90).layers["q90"], direct.layers["q90"])


def test_threads_draw_one_after_another(saved, tmp_path):
    folder, _, mdata = saved
    mdata = mdata.copy()
    Polarbear.setup_mudata(mdata)
    model = Polarbear(mdata, n_latent=4)
    model.train(1, translator_epochs=1, enable_progress_bar=False)
    model.save(tmp_path / "polarbear")
    path = translate_dask(
        tmp_path / "polarbear",
        folder / "atac.zarr",
        tmp_path / "out.zarr",
        source="atac",
        target="rna",
        rows_per_task=5,
        n_samples=3,
    )
    direct = model.translate(mdata["atac"], source="atac", target="rna", n_samples=3)
    written = anndata.read_zarr(path)
    assert written.shape == direct.shape
    assert set(written.layers) == set(direct.layers)


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


class TestCells:
    """The file's cells stand in other orders, or lack the source."""

    @pytest.fixture
    def write(self, saved, tmp_path):
        def run(mdata, **options):
            mdata.write(tmp_path / "cells.h5mu")
            given = {"source": "atac", "target": "rna", "rows_per_task": 16, **options}
            return anndata.read_zarr(
                translate_dask(
                    saved[0] / "model", tmp_path / "cells.h5mu", tmp_path / "out.zarr", **given
                )
            )

        return run

    def _same(self, written, direct):
        assert written.obs_names.tolist() == direct.obs_names.tolist()
        np.testing.assert_allclose(written.X, direct.X, rtol=1e-5, atol=1e-6)

    def test_another_order_in_the_modality(self, saved, write):
        _, model, mdata = saved
        parts = {"rna": mdata["rna"].copy(), "atac": mdata["atac"][::-1].copy()}
        mixed = MuData(parts)
        mixed.obs["batch_of_cells"] = np.arange(mixed.n_obs)
        written = write(mixed)
        direct = model.translate(mixed, source="atac", target="rna")
        self._same(written, direct)
        assert written.obs["batch_of_cells"].tolist() == direct.obs["batch_of_cells"].tolist()

    @pytest.mark.parametrize("source", ["atac", ("rna", "atac")])
    def test_cells_that_lack_the_source(self, saved, write, source):
        _, model, mdata = saved
        partly = MuData({"rna": mdata["rna"][:60].copy(), "atac": mdata["atac"][25:].copy()})
        written = write(partly, source=source)
        self._same(written, model.translate(partly, source=source, target="rna"))

    def test_one_source_in_a_list_is_one_source(self, saved, write):
        direct = saved[1].translate(saved[2], source="atac", target="rna")
        self._same(write(saved[2], source=["atac"]), direct)

    def test_what_needs_the_whole_is_refused(self, saved, write):
        mdata = saved[2]
        for options in ({"indices": [0]}, {"depth": np.ones(90)}):
            with pytest.raises(ValueError, match=rf"{next(iter(options))}= cannot be split"):
                write(mdata, **options)


def test_a_model_saved_again_is_loaded_again(saved, tmp_path):
    folder, _, mdata = saved
    scvi.settings.seed = 3
    found = []
    for number in range(2):
        model = Butterfly(mdata)
        model.train(1 + number, pretrain_epochs=0, enable_progress_bar=False)
        model.save(tmp_path / "model", overwrite=True)
        options = {"source": "rna", "target": "atac"}
        out = tmp_path / f"out{number}.zarr"
        path = translate_dask(tmp_path / "model", folder / "rna.h5ad", out, **options)
        found.append(anndata.read_zarr(path).X)
        direct = model.translate(mdata["rna"], **options).X
        np.testing.assert_allclose(found[-1], direct, rtol=1e-5, atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_a_file_written_again_is_read_again(saved, tmp_path):
    folder, model, mdata = saved
    found = []
    for number, cells in enumerate((mdata["rna"][:50], mdata["rna"][40:])):
        cells.copy().write_h5ad(tmp_path / "cells.h5ad")  # refused if it were still open
        options = {"source": "rna", "target": "atac"}
        path = translate_dask(
            folder / "model", tmp_path / "cells.h5ad", tmp_path / f"{number}.zarr", **options
        )
        found.append(anndata.read_zarr(path))
        assert found[-1].obs_names.equals(cells.obs_names)
        direct = model.translate(cells.copy(), **options)
        np.testing.assert_allclose(found[-1].X, direct.X, rtol=1e-5, atol=1e-6)
