from __future__ import annotations

import numpy as np
import pytest
import sklearn.linear_model
from mudata import MuData
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import scvi_xmodal as xm
from scvi_xmodal.baselines import Mean, Ridge


def _weighted(dense_profile, mdata, kind, train):
    """Return what the components are computed from, by plain numpy."""
    x = dense_profile(mdata, kind, train)
    if kind == "protein":
        return StandardScaler().fit(x[train]).transform(x)
    if kind == "rna":
        return x
    detected = x[train].sum(axis=0)
    idf = np.where(detected > 0, np.log1p(train.size / np.maximum(detected, 1)), 0)
    return np.log1p(1e4 * x / np.maximum(x.sum(1, keepdims=True), 1) * idf)


@pytest.mark.parametrize(
    ("source", "target"),
    [("rna", "atac"), ("atac", "rna"), ("rna", "protein"), ("protein", "rna")],
)
def test_equals_a_dense_scikit_learn_pipeline(
    mdata, train, held_out, dense_profile, source, target
):
    rows = np.sort(train)
    x = _weighted(dense_profile, mdata, source, rows)
    y = dense_profile(mdata, target, rows)
    svd = TruncatedSVD(5, random_state=7)
    pipeline = make_pipeline(svd, sklearn.linear_model.Ridge(alpha=2.5)).fit(x[rows], y[rows])
    expected = pipeline.predict(x[held_out])
    if target != "protein":
        expected = np.clip(expected, 0, 1 if target == "atac" else None)
    ours = Ridge(n_components=5, alpha=2.5, seed=7).fit(mdata, indices=train)
    translated = ours.translate(mdata[source][held_out], source=source, target=target)
    np.testing.assert_allclose(translated.X, expected, atol=1e-4)


@pytest.mark.parametrize("alpha", [None, 0.0, 1.0])
@pytest.mark.parametrize("n_train", [1, 2, 5])
def test_fewer_cells_than_components(mdata, n_train, alpha):
    rows = np.arange(10, 10 + n_train)
    ours = Ridge(n_components=50, alpha=alpha).fit(mdata, indices=rows)
    for source, target in [("rna", "atac"), ("atac", "protein"), ("protein", "rna")]:
        translated = ours.translate(mdata, source=source, target=target)
        assert np.isfinite(translated.X).all()
        if n_train == 1:
            mean = Mean().fit(mdata, indices=rows).translate(mdata, source=source, target=target)
            np.testing.assert_allclose(translated.X, mean.X, rtol=1e-6)


def test_a_source_of_one_feature_predicts_the_mean(mdata, train):
    parts = {key: adata.copy() for key, adata in mdata.mod.items()}
    small = MuData({**parts, "rna": parts["rna"][:, ["rna0"]].copy()})
    translated = Ridge().fit(small, indices=train).translate(small, source="rna", target="atac")
    mean = Mean().fit(small, indices=train).translate(small, source="rna", target="atac")
    np.testing.assert_array_equal(translated.X, mean.X)


def test_one_seed_one_answer(mdata, train):
    first, second = (Ridge(n_components=4, seed=1).fit(mdata, indices=train) for _ in range(2))
    np.testing.assert_array_equal(
        first.translate(mdata, source="rna", target="atac").X,
        second.translate(mdata, source="rna", target="atac").X,
    )


def test_beats_the_mean_on_real_cells(dense_profile):
    mdata = xm.datasets.cortex_snareseq()
    rows = np.random.default_rng(0).permutation(mdata.n_obs)
    train, test = np.sort(rows[400:]), np.sort(rows[:400])
    ours, mean = (baseline.fit(mdata, indices=train) for baseline in (Ridge(), Mean()))
    for source, target in [("rna", "atac"), ("atac", "rna")]:
        truth = dense_profile(mdata, target, train)[test]
        error, error_of_mean = (
            ((b.translate(mdata[source][test], source=source, target=target).X - truth) ** 2).sum()
            for b in (ours, mean)
        )
        assert error < error_of_mean


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_components": 0}, "n_components=0"), ({"alpha": -1.0}, "alpha=-1.0 is negative")],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Ridge(**options)
