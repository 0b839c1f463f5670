"""The mean translation of several models."""

from __future__ import annotations

import anndata
import numpy as np
import pytest
import scvi

import scvi_xmodal as xm
from scvi_xmodal.model import Butterfly
from scvi_xmodal.tl import _blocks, translate_ensemble

WAY = {"source": "atac", "target": "rna"}


def _trained(mdata, seed):
    scvi.settings.seed = seed
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=4, n_embedding=8)
    model.train(2, pretrain_epochs=2, enable_progress_bar=False)
    return model


@pytest.fixture(scope="module")
def mdata():
    return xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3)


@pytest.fixture(scope="module")
def models(mdata):
    return [_trained(mdata, seed) for seed in range(3)]


@pytest.mark.parametrize("depth", ["median", "predicted"])
def test_it_is_the_mean_of_what_each_says(mdata, models, depth):
    out = translate_ensemble(models, mdata["atac"], depth=depth, **WAY)
    own = [model.translate(mdata["atac"], depth=depth, **WAY) for model in models]
    np.testing.assert_allclose(out.X, np.mean([o.X for o in own], axis=0), rtol=1e-5, atol=1e-7)
    counts = np.mean([o.layers["mean"] for o in own], axis=0)
    np.testing.assert_allclose(out.layers["mean"], counts, rtol=1e-5, atol=1e-7)
    spread = np.std([o.X for o in own], axis=0, ddof=1)
    np.testing.assert_allclose(out.layers["std"], spread, rtol=1e-3, atol=1e-6)
    assert out.layers["std"].max() > 0
    assert out.obs_names.tolist() == mdata.obs_names.tolist()
    assert out.uns["scvi_xmodal"]["n_models"] == 3
    if depth == "predicted":
        depths = np.mean([o.obs["predicted_depth"] for o in own], axis=0)
        np.testing.assert_allclose(out.obs["predicted_depth"], depths, rtol=1e-6)


def test_other_peaks_are_mapped_as_one_model_maps_them(mdata, models):
    atac = mdata["atac"].copy()
    ends = [name.rsplit("-", 1) for name in atac.var_names]
    atac.var_names = [f"{start}-{int(end) + 1}" for start, end in ends]
    atac.var = atac.var[[]]
    out = translate_ensemble([models[0]] * 2, atac, repool=True, **WAY)
    one = models[0].translate(atac, repool=True, **WAY)
    np.testing.assert_allclose(out.X, one.X, rtol=1e-6)
    assert out.uns["scvi_xmodal"]["repool"] == one.uns["scvi_xmodal"]["repool"]


def test_equal_models_agree_everywhere(mdata, models):
    out = translate_ensemble([models[0]] * 2, mdata["atac"], **WAY)
    one = models[0].translate(mdata["atac"], **WAY)
    np.testing.assert_allclose(out.X, one.X, rtol=1e-6)
    assert out.layers["std"].max() == 0


def test_validation_scores_of_one_member_are_not_the_ensembles(mdata, models):
    out = translate_ensemble(models, mdata["atac"], **WAY)
    assert not [name for name in out.var if name.startswith("validation_")]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_on_disk_it_is_what_it_is_in_memory(mdata, models, tmp_path, monkeypatch, suffix):
    expected = translate_ensemble(models, mdata["atac"], **WAY)
    monkeypatch.setattr(_blocks, "_VALUES_AT_A_TIME", 7 * 30 * 3)
    path = translate_ensemble(models, mdata["atac"], out=tmp_path / f"o{suffix}", **WAY)
    read = anndata.read_h5ad(path) if suffix == ".h5ad" else anndata.read_zarr(path)
    np.testing.assert_allclose(read.X, expected.X, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(read.layers["std"], expected.layers["std"], atol=1e-6)
    assert read.obs_names.tolist() == expected.obs_names.tolist()


def test_rows_and_features_may_be_chosen(mdata, models):
    genes = list(mdata["rna"].var_names[[4, 1]])
    out = translate_ensemble(models, mdata, indices=[3, 0], features=genes, **WAY)
    expected = translate_ensemble(models, mdata["atac"], **WAY)
    assert out.var_names.tolist() == genes
    np.testing.assert_allclose(out.X, expected[[3, 0], genes].X, rtol=1e-5, atol=1e-7)


def test_models_must_know_the_same_features(mdata, models):
    fewer = mdata[:, mdata.var_names != mdata["rna"].var_names[0]].copy()
    other = _trained(fewer, 0)
    with pytest.raises(ValueError, match="Model 1 has other 'rna' features \\(19"):
        translate_ensemble([models[0], other], mdata["atac"], **WAY)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": lambda m: m[:1]}, "at least 2 models, got 1"),
        ({"models": lambda m: m[0]}, "models must be a list"),
        ({"models": lambda m: ["a", "b"]}, r"models\[0\] must be a model"),
        ({"source": "gex"}, r"models\[0\]: source='gex' is unknown"),
        ({"source": ("rna", "atac")}, "source must be text"),
        ({"target": "protein"}, "target='protein' is unknown"),
        ({"quantiles": (0.1, 0.9)}, "quantiles=\\(0.1, 0.9\\)"),
        ({"indices": [99]}, "60 cells"),
        ({"depth": "deep"}, "depth='deep'"),
        ({"out": "x.csv"}, "must end in .h5ad"),
    ],
)
def test_bad_input(mdata, models, change, message):
    change = dict(change)
    given = change.pop("models", lambda m: m)(models)
    with pytest.raises(ValueError, match=message):
        translate_ensemble(given, mdata["atac"], **{**WAY, **change})


def test_depths_of_each_cell_go_with_their_rows(mdata, models, monkeypatch):
    depth = np.random.default_rng(0).integers(3, 40, mdata.n_obs)
    way = {"source": "rna", "target": "atac", "depth": depth}
    own = np.mean([model.translate(mdata["rna"], **way).X for model in models], axis=0)
    monkeypatch.setattr(_blocks, "_VALUES_AT_A_TIME", 30 * 3 * 25)  # 25 cells at a time
    np.testing.assert_allclose(translate_ensemble(models, mdata["rna"], **way).X, own, rtol=1e-5)
    with pytest.raises(ValueError, match=r"each of the 60 cells, got shape \(59,\)"):
        translate_ensemble(models, mdata["rna"], **{**way, "depth": depth[1:]})


def test_members_must_hold_peaks_in_one_order(mdata, models):
    other = mdata.copy()
    other["atac"].var["chrom"] = [f"chr{j % 3}" for j in range(30)]
    with pytest.raises(ValueError, match="Model 1 has the 'atac' features on other chromosomes"):
        translate_ensemble([models[0], _trained(other, 0)], mdata["atac"], **WAY)


def test_weights_and_probabilities_of_peaks_have_no_mean(mdata, models):
    weights = Butterfly(mdata, n_latent=4, n_embedding=8, atac_target="tfidf")
    with pytest.raises(ValueError, match="Model 1 predicts TF-IDF values of 'atac' and model 0"):
        translate_ensemble([models[0], weights], mdata["rna"], source="rna", target="atac")


def test_each_member_finds_its_batches_where_it_was_set_up_with_them():
    mdata = xm.datasets.synthetic(
        n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3, n_batches=2, batch_effect=1.0
    )
    members = []
    for batch_key in (None, "batch"):
        Butterfly.setup_mudata(mdata, batch_key=batch_key)
        members.append(Butterfly(mdata, n_latent=4, n_embedding=8))
        members[-1].train(2, pretrain_epochs=2, enable_progress_bar=False)
    query = mdata.copy()  # where one modality calls something else "batch"
    query["atac"].obs["batch"] = query["atac"].obs["batch"].to_numpy()[::-1]
    for order in (members, members[::-1]):
        out = translate_ensemble(order, query, indices=range(5, 40), **WAY)
        own = [model.translate(query, indices=range(5, 40), **WAY) for model in order]
        np.testing.assert_allclose(out.X, np.mean([o.X for o in own], axis=0), atol=1e-6)
    # and where the first reads no modality that has it
    del query["atac"].obs["batch"], query.obs["batch"]
    out = translate_ensemble(members, query, **WAY)
    own = [model.translate(query, **WAY) for model in members]
    np.testing.assert_allclose(out.X, np.mean([o.X for o in own], axis=0), atol=1e-6)
