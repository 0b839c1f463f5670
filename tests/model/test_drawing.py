"""Drawn counts: they scatter as the model says, and as little else as can be."""

from __future__ import annotations

import numpy as np
import pytest
import scvi
import torch
from scipy import sparse, stats

import scvi_xmodal as xm
from scvi_xmodal.model import Babel, Butterfly, Polarbear
from scvi_xmodal.model._drawing import _drawn

N_DRAWS = 200
DEPTH = np.full(4, 200.0)


@pytest.mark.parametrize(("source", "target"), [("atac", "rna"), ("rna", "atac"), ("rna", "rna")])
def test_draws_have_the_moments_that_intervals_are_made_of(trained, source, target):
    model, query = trained.model, trained.original[:4]
    depth = DEPTH if target == "rna" else DEPTH / 20
    own = {"source": source, "target": target, "depth": depth}
    draws = np.stack(
        [
            model.posterior_predictive_sample(query, seed=seed, **own).X.toarray()
            for seed in range(N_DRAWS)
        ]
    )
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((N_DRAWS, 6))).float()
    counts = query[source].X.toarray()
    moments = model.module.moments(
        _rows(model, source, counts), source, target, noise=noise, total=torch.tensor(depth)
    )
    position = model.specs[target].position
    mean, variance, latent = (own[:, position].double().numpy() for own in moments)
    variance = variance + latent
    error = (draws.mean(0) - mean) / np.sqrt(variance / N_DRAWS)
    assert abs(error.mean()) < 0.3
    assert error.std() == pytest.approx(1, abs=0.35)
    np.testing.assert_allclose(draws.var(0).mean(), variance.mean(), rtol=0.1)


def _rows(model, key, counts):
    """Return sparse rows in the model's order of features, as the network reads them."""
    inner = np.empty_like(counts)
    inner[:, model.specs[key].position] = counts
    matrix = sparse.csr_matrix(inner.astype(np.float32))
    return xm.nn.SparseRows(
        torch.from_numpy(matrix.data),
        torch.from_numpy(matrix.indices.astype(np.int32)),
        torch.from_numpy(matrix.indptr.astype(np.int64)),
        matrix.shape[1],
    )


def test_counts_of_given_moments_are_negative_binomial():
    rng = np.random.default_rng(0)
    mean, size = 3.0, 2.0
    shape = (200, 100)
    variance = np.full(shape, mean + mean**2 / size)
    drawn = _drawn(rng, "rna", np.full(shape, mean), variance).toarray().ravel()
    observed = np.bincount(drawn.astype(int), minlength=12)[:12] / drawn.size
    np.testing.assert_allclose(
        observed, stats.nbinom.pmf(np.arange(12), size, size / (size + mean)), atol=0.01
    )
    assert set(_drawn(rng, "atac", np.full(shape, 0.2), variance).data) == {1.0}


def test_a_seed_gives_the_same_cells_and_another_gives_others(trained):
    own = {"source": "atac", "target": "rna"}
    first, again = (trained.model.posterior_predictive_sample(**own) for _ in range(2))
    other = trained.model.posterior_predictive_sample(**own, seed=1)
    assert first.uns["scvi_xmodal"]["scale"] == "counts"
    assert "log1p" not in first.uns
    assert (first.X != again.X).nnz == 0
    assert (first.X != other.X).nnz > 0


def test_cells_are_as_deep_as_they_are_predicted_to_be(trained):
    drawn = trained.model.posterior_predictive_sample(source="atac", target="rna")
    translated = trained.model.translate(source="atac", target="rna", depth="predicted")
    depth = translated.obs["predicted_depth"]
    np.testing.assert_allclose(drawn.obs["predicted_depth"], depth)
    assert drawn.X.sum() == pytest.approx(depth.sum(), rel=0.05)
    median = trained.model.posterior_predictive_sample(source="atac", target="rna", depth="median")
    assert "predicted_depth" not in median.obs


def test_features_names_and_blocks(trained, snapshot):
    before = snapshot(trained.mdata)
    names = list(trained.original["rna"].var_names[[5, 2]])
    found = trained.model.posterior_predictive_sample(
        trained.original, source="atac", target="rna", features=names, batch_size=7
    )
    assert list(found.var_names) == names
    assert list(found.obs_names) == list(trained.original.obs_names)
    assert found.X.dtype == np.float32
    assert sparse.issparse(found.X)
    assert found.uns["scvi_xmodal"]["options"]["drawn"] is True
    assert snapshot(trained.mdata) == before


def test_peaks_from_elsewhere_are_mapped_and_recorded_as_in_translations(trained):
    query = trained.original["atac"].copy()
    moved = [name.replace(":", "-") for name in query.var_names]
    query.var_names = [f"{n.rsplit('-', 1)[0]}-{int(n.rsplit('-', 1)[1]) + 1}" for n in moved]
    own = {"source": "atac", "target": "rna", "repool": True}
    drawn = trained.model.posterior_predictive_sample(query, **own)
    translated = trained.model.translate(query, **own)
    found, expected = (each.uns["scvi_xmodal"]["repool"] for each in (drawn, translated))
    assert found == expected


def test_several_sources_and_batches(with_protein, batched):
    drawn = with_protein.model.posterior_predictive_sample(
        with_protein.original, source=("rna", "protein"), target="atac"
    )
    assert drawn.shape == with_protein.original["atac"].shape
    first, second = (
        batched.model.posterior_predictive_sample(
            source="atac", target="rna", depth=np.full(60, 300.0), transform_batch=name
        )
        for name in batched.original.obs["batch"].unique()
    )
    assert (first.X != second.X).nnz > 0


@pytest.mark.parametrize("model_class", [Babel, Polarbear])
def test_other_models_draw_too(model_class, simulate):
    mdata = simulate()
    scvi.settings.seed = 0
    model_class.setup_mudata(mdata)
    model = model_class(mdata)
    model.train(1, enable_progress_bar=False)
    for source, target in (("atac", "rna"), ("rna", "atac")):
        drawn = model.posterior_predictive_sample(mdata[source], source=source, target=target)
        assert drawn.shape == mdata[target].shape
        assert (drawn.X.data % 1 == 0).all()
    if model_class is Babel:
        with pytest.raises(ValueError, match="median depth only"):
            model.posterior_predictive_sample(source="atac", target="rna", depth="predicted")


def test_what_has_no_distribution_is_refused(with_protein, simulate, quick):
    with pytest.raises(ValueError, match="target='protein' cannot be drawn.*squared errors"):
        with_protein.model.posterior_predictive_sample(source="rna", target="protein")
    mdata = simulate()
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, preset="scbutterfly")
    model.train(**quick)
    scales = {
        key: model.translate(mdata[own], source=own, target=key).uns["scvi_xmodal"]["scale"]
        for own, key in (("atac", "rna"), ("rna", "atac"))
    }
    assert scales == {"rna": "log1p", "atac": "tfidf"}
    with pytest.raises(ValueError, match="gene_likelihood='nb'"):
        model.posterior_predictive_sample(source="atac", target="rna")
    with pytest.raises(ValueError, match="atac_target='binary'"):
        model.posterior_predictive_sample(source="rna", target="atac")


def test_an_untrained_model_draws_nothing(simulate):
    mdata = simulate()
    Butterfly.setup_mudata(mdata)
    with pytest.raises(ValueError, match="not trained"):
        Butterfly(mdata).posterior_predictive_sample(source="atac", target="rna")
