"""Cells translated from several modalities at once."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mudata import MuData

from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.model import Babel, Butterfly

BOTH = ("rna", "atac")


@pytest.fixture(scope="module")
def query(with_protein):
    """RNA of cells 0 to 39, ATAC of cells 20 to 59 in another order."""
    mdata = with_protein.original
    order = np.random.default_rng(0).permutation(np.arange(20, 60))
    parts = {"rna": mdata["rna"][:40].copy(), "atac": mdata["atac"][order].copy()}
    with own_columns_only():
        return MuData(parts)


def _latents(model, key, mdata):
    return model.get_latent_representation(mdata, modality=key, return_dist=True)


def test_latents_are_averaged(with_protein, monkeypatch):
    model, mdata = with_protein.model, with_protein.mdata
    means, variances = zip(*(_latents(model, key, mdata) for key in BOTH), strict=True)
    expected = sum(means) / 2
    found, variance = _latents(model, BOTH, mdata)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(variance, sum(variances) / 4, rtol=1e-4)
    module = copy.deepcopy(model.module)
    for path in module.linear_paths.values():
        path.reset()
    for shrinkage in module.shrinkages.values():
        shrinkage.share.fill_(1.0)
    monkeypatch.setattr(model, "module", module)
    out = model.translate(mdata, source=BOTH, target="protein")
    with torch.inference_mode():
        decoded = module.translate(None, BOTH, "protein", z=torch.from_numpy(found))
    np.testing.assert_allclose(out.X, decoded["X"].numpy(), rtol=1e-4, atol=1e-5)
    assert out.uns["scvi_xmodal"]["source"] == "rna+atac"


def test_each_cell_by_what_it_has(with_protein, query):
    model = with_protein.model
    out = model.translate(query, source=list(BOTH), target="protein", batch_size=7)
    assert out.obs_names.tolist() == query.obs_names.tolist()
    rna_only, atac_only = out.obs_names[:20], [f"cell_{i}" for i in range(40, 60)]
    for key, names in (("rna", rna_only), ("atac", atac_only)):
        alone = model.translate(query[key], source=key, target="protein")
        np.testing.assert_allclose(out[names].X, alone[names].X, rtol=1e-4, atol=1e-5)
        assert out[names].obs["true_depth"].tolist() == alone[names].obs["true_depth"].tolist()
    whole = model.translate(with_protein.mdata, source=BOTH, target="protein")
    shared = [f"cell_{i}" for i in range(20, 40)]
    np.testing.assert_allclose(out[shared].X, whole[shared].X, rtol=1e-4, atol=1e-5)


def test_rows_of_the_query_are_chosen(with_protein, query):
    model = with_protein.model
    everything = model.translate(query, source=BOTH, target="rna")
    rows = [50, 3, 30]
    chosen = model.translate(query, source=BOTH, target="rna", indices=rows)
    assert chosen.obs_names.tolist() == query.obs_names[rows].tolist()
    np.testing.assert_allclose(chosen.X, everything.X[rows], rtol=1e-4, atol=1e-5)


def test_depth_is_the_geometric_mean_of_predictions(with_protein):
    model, mdata = with_protein.model, with_protein.mdata
    options = {"target": "atac", "depth": "predicted"}
    depths = [
        model.translate(mdata, source=source, **options).obs["predicted_depth"].to_numpy()
        for source in ("rna", "protein", ("rna", "protein"))
    ]
    np.testing.assert_allclose(depths[2], np.sqrt(depths[0] * depths[1]), rtol=1e-4)


def test_streamed_to_disk(with_protein, query, tmp_path):
    import anndata

    model = with_protein.model
    path = model.translate(query, source=BOTH, target="protein", out=tmp_path / "out.h5ad")
    memory = model.translate(query, source=BOTH, target="protein")
    written = anndata.read_h5ad(path)
    np.testing.assert_allclose(written.X, memory.X, rtol=1e-5, atol=1e-6)
    assert written.uns["scvi_xmodal"]["source"] == "rna+atac"


def test_one_source_in_a_list_is_one_source(with_protein):
    model, mdata = with_protein.model, with_protein.mdata
    one = model.translate(mdata["rna"], source=["rna"], target="protein")
    np.testing.assert_array_equal(
        one.X, model.translate(mdata["rna"], source="rna", target="protein").X
    )


def test_batches_of_cells_with_gaps(batched):
    model, mdata = batched.model, batched.original
    with own_columns_only():
        gaps = MuData({"rna": mdata["rna"][:40].copy(), "atac": mdata["atac"][20:].copy()})
    out = model.translate(gaps, source=BOTH, target="rna")
    assert out.n_obs == 60
    whole = model.translate(mdata, source=BOTH, target="rna", indices=range(20, 40))
    np.testing.assert_allclose(out[whole.obs_names].X, whole.X, rtol=1e-4, atol=1e-5)


class TestRefused:
    def test_an_anndata(self, with_protein):
        with pytest.raises(ValueError, match=r"several modalities.*AnnData.*MuData"):
            with_protein.model.translate(with_protein.mdata["rna"], source=BOTH, target="rna")

    @pytest.mark.parametrize(
        ("source", "message"),
        [(("rna", "adt"), "source='adt' is unknown"), (("rna", "rna"), "names a modality twice")],
    )
    def test_names(self, with_protein, source, message):
        with pytest.raises(ValueError, match=message):
            with_protein.model.translate(with_protein.mdata, source=source, target="protein")

    @pytest.mark.parametrize(
        ("read", "source"),
        [(BOTH, ("rna", "protein")), (BOTH, "rna"), ("rna", BOTH)],
    )
    def test_a_query_read_of_others(self, with_protein, read, source):
        model, mdata = with_protein.model, with_protein.mdata
        cells = model._query(mdata, read, None, None)
        with pytest.raises(ValueError, match="The Query was read as .* but the source is"):
            model.translate(cells, source=source, target="protein")

    def test_a_query_read_of_features_in_another_order(self, with_protein, quick):
        mdata = with_protein.original.copy()
        mdata.mod["atac"] = mdata["atac"][:, ::-1].copy()
        mdata.update()
        Butterfly.setup_mudata(mdata)
        other = Butterfly(mdata, n_latent=4)
        other.train(**quick)
        cells = with_protein.model._query(with_protein.mdata, BOTH, None, None)
        with pytest.raises(ValueError, match="'atac' .* others or in another order"):
            other.translate(cells, source=BOTH, target="protein")

    def test_quantiles(self, with_protein):
        with pytest.raises(ValueError, match="one source at a time"):
            with_protein.model.translate(
                with_protein.mdata, source=BOTH, target="protein", quantiles=[0.5]
            )

    def test_cells_without_any(self, with_protein):
        mdata = with_protein.original
        with own_columns_only():
            query = MuData(
                {
                    "rna": mdata["rna"][:5].copy(),
                    "atac": mdata["atac"][:5].copy(),
                    "protein": mdata["protein"].copy(),
                }
            )
        with pytest.raises(ValueError, match="None of the 2 cells was measured in any of"):
            with_protein.model.translate(query, source=BOTH, target="rna", indices=[30, 31])

    def test_models_that_combine_nothing(self, mdata):
        Babel.setup_mudata(mdata)
        model = Babel(mdata)
        model.train(1, enable_progress_bar=False)
        with pytest.raises(ValueError, match=r"source=\('rna', 'atac'\): name one modality of"):
            model.translate(mdata, source=BOTH, target="rna")
