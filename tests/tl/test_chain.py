"""Translations one after another."""

from __future__ import annotations

import anndata
import numpy as np
import pytest

import scvi_xmodal as xm
from scvi_xmodal.data import Query, RowReader
from scvi_xmodal.model import Butterfly
from scvi_xmodal.tl import _blocks, translate_chain

PATH = ["atac", "rna", "protein"]


def _model(mdata, other):
    Butterfly.setup_mudata(mdata, modalities={"rna_layer": "rna", f"{other}_layer": other})
    model = Butterfly(mdata, n_latent=4, n_embedding=8)
    model.train(1, pretrain_epochs=1, enable_progress_bar=False)
    return model


@pytest.fixture(scope="module")
def mdata():
    return xm.datasets.synthetic(
        n_cells=60, n_genes=20, n_peaks=30, n_proteins=5, atac_density=0.3
    )


def _with_genes(mdata, genes):
    from mudata import MuData

    from scvi_xmodal.datasets._mudata import own_columns_only

    with own_columns_only():
        return MuData({"rna": mdata["rna"][:, genes].copy(), "protein": mdata["protein"].copy()})


@pytest.fixture(scope="module")
def models(mdata):
    """RNA and protein know 16 of the genes, in another order."""
    genes = np.random.default_rng(0).permutation(20)[:16]
    return _model(mdata, "atac"), _model(_with_genes(mdata, genes), "protein")


def test_the_chain_is_one_step_after_another(mdata, models):
    out = translate_chain(models, mdata["atac"], PATH)
    rna = models[0].translate(mdata["atac"], source="atac", target="rna")
    genes = models[1].specs["rna"].feature_names
    expected = rna[:, genes].layers["mean"]
    query = Query(RowReader(np.asarray(expected), n_features=16), rna.obs)
    step = models[1].translate(query, source="rna", target="protein")
    np.testing.assert_allclose(out.X, step.X, rtol=1e-5, atol=1e-6)
    assert out.obs_names.tolist() == mdata.obs_names.tolist()
    record = out.uns["scvi_xmodal"]
    assert (record["source"], record["target"]) == ("atac", "protein")
    assert record["path"] == PATH
    assert record["coverage"].tolist() == [1.0]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_streamed_by_blocks_is_the_same(mdata, models, tmp_path, monkeypatch, suffix):
    whole = translate_chain(models, mdata["atac"], PATH)
    monkeypatch.setattr(_blocks, "_VALUES_AT_A_TIME", 20 * 7)
    np.testing.assert_allclose(translate_chain(models, mdata["atac"], PATH).X, whole.X, rtol=1e-5)
    path = translate_chain(models, mdata["atac"], PATH, out=tmp_path / f"out{suffix}")
    read = anndata.read_h5ad(path) if suffix == ".h5ad" else anndata.read_zarr(path)
    np.testing.assert_allclose(read.X, whole.X, rtol=1e-5)
    assert read.obs_names.tolist() == whole.obs_names.tolist()
    assert list(read.uns["scvi_xmodal"]["path"]) == PATH


def test_indices_and_options_of_the_last_step(mdata, models):
    whole = translate_chain(models, mdata, PATH)
    name = str(models[1].specs["protein"].feature_names[2])
    part = translate_chain(models, mdata, PATH, indices=[5, 3], features=[name])
    np.testing.assert_allclose(part.X, whole[[5, 3], name].X, rtol=1e-5)


def test_genes_that_the_first_model_lacks_are_told(mdata, models):
    known = _model(_with_genes(mdata, np.arange(14)), "protein")
    with pytest.warns(UserWarning, match=r"6 of 20 genes.*coverage 70.0%.*not\s+expressed"):
        out = translate_chain([known, models[0]], mdata["protein"], ["protein", "rna", "atac"])
    assert out.uns["scvi_xmodal"]["coverage"].tolist() == [0.7]
    assert out.shape == (60, 30)


def test_babels_protein_head_is_the_last_step(mdata):
    xm.model.Babel.setup_mudata(mdata, modalities={"rna_layer": "rna", "atac_layer": "atac"})
    babel = xm.model.Babel(mdata)
    babel.train(1, enable_progress_bar=False)
    with pytest.raises(ValueError, match=r"models\[1\]: .*train_protein_head\(cite_mdata\) first"):
        translate_chain([babel, babel], mdata["atac"], PATH)
    babel.train_protein_head(mdata, plan_kwargs={"max_epochs": 1})
    out = translate_chain([babel, babel], mdata["atac"], PATH)
    rna = babel.translate(mdata["atac"], source="atac", target="rna")
    rna.X = rna.layers["mean"]
    reader = RowReader(np.asarray(rna.X)[:, babel.specs["rna"].order], n_features=20)
    step = babel.translate(Query(reader, rna.obs), source="rna", target="protein")
    np.testing.assert_allclose(out.X, step.X, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="'protein' stands in the middle"):
        translate_chain([babel, _model(mdata, "protein")], mdata, ["rna", "protein", "rna"])
    both = xm.tl.translate_ensemble([babel, babel], mdata["atac"], source="atac", target="protein")
    np.testing.assert_allclose(
        both.X, babel.translate(mdata["atac"], source="atac", target="protein").X, rtol=1e-5
    )


class TestRefused:
    def test_fewer_than_half_of_the_genes(self, mdata, models):
        few = _model(_with_genes(mdata, np.arange(8)), "protein")
        path = ["protein", "rna", "atac"]
        with pytest.raises(ValueError, match=r"8 of the 20 'rna' genes.*40%.*min_shared=50%"):
            translate_chain([few, models[0]], mdata["protein"], path)
        with pytest.warns(UserWarning, match="coverage 40.0%"):
            translate_chain([few, models[0]], mdata["protein"], path, min_shared=0.4)

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            (["atac", "protein"], "path of 2 modalities needs 1 models, got 2"),
            (["protein", "rna", "atac"], r"models\[0\]: source='protein' is unknown"),
            (["rna", "atac", "protein"], r"models\[1\]: source='atac' is unknown"),
        ],
    )
    def test_paths_that_do_not_fit(self, mdata, models, path, message):
        with pytest.raises(ValueError, match=message):
            translate_chain(models, mdata, path)

    def test_baselines(self, mdata, models):
        ridge = xm.baselines.Ridge(n_components=3)
        with pytest.raises(ValueError, match=r"models\[1\] must be a model of .*got Ridge"):
            translate_chain([models[0], ridge], mdata["atac"], PATH)

    def test_other_than_rna_in_the_middle(self, mdata, models):
        with pytest.raises(ValueError, match="'atac' stands in the middle"):
            translate_chain([models[0], models[0]], mdata, ["rna", "atac", "rna"])

    def test_batches(self, mdata, models):
        with pytest.raises(ValueError, match="transform_batch has 1 entries for 2 models"):
            translate_chain(models, mdata, PATH, transform_batch=["a"])


def test_each_model_finds_its_batches_where_it_was_set_up_with_them():
    mdata = xm.datasets.synthetic(
        n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3, n_batches=2, batch_effect=1.0
    )
    steps = []
    for batch_key in (None, "batch"):
        Butterfly.setup_mudata(mdata, batch_key=batch_key)
        steps.append(Butterfly(mdata, n_latent=4, n_embedding=8))
        steps[-1].train(2, pretrain_epochs=2, enable_progress_bar=False)
    query = mdata.copy()  # where one modality calls something else "batch"
    query["rna"].obs["batch"] = query["rna"].obs["batch"].to_numpy()[::-1]
    out = translate_chain(steps, query, ["rna", "rna", "atac"])
    denoised = steps[0].translate(query, source="rna", target="rna")
    denoised.obs["batch"] = query.obs["batch"]
    reader = RowReader(np.asarray(denoised.layers["mean"]), n_features=20)
    expected = steps[1].translate(Query(reader, denoised.obs), source="rna", target="atac")
    np.testing.assert_allclose(out.X, expected.X, atol=1e-6)
