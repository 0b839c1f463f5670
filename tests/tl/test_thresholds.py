from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal.metrics import _blocks
from scvi_xmodal.tl import binarize, sparsify


@pytest.fixture
def counts(atac):
    drawn = atac.copy()
    drawn.X = sparse.csr_matrix(3 * np.random.default_rng(0).binomial(1, atac.X))
    return drawn


def _rule(values, means):
    by_cell, by_peak = means.mean(axis=1, keepdims=True), means.mean(axis=0, keepdims=True)
    return (values > by_cell) & (values > by_peak)


def test_binarize_compares_with_both_means(atac, counts):
    called = binarize(atac)
    assert sparse.issparse(called.X)
    assert called.X.dtype == np.float32
    values = atac.X.astype(float)
    np.testing.assert_array_equal(called.X.toarray(), _rule(values, values))
    assert called.obs.equals(atac.obs)
    assert called.uns["scvi_xmodal"]["target_kind"] == "atac"
    shuffled = counts[::-1, ::-1].copy()
    expected = _rule(values, (counts.X.toarray() > 0).astype(float))
    np.testing.assert_array_equal(binarize(atac, measured=shuffled).X.toarray(), expected)


def test_blocks_of_rows_do_not_show(atac, monkeypatch):
    whole = binarize(atac).X, sparsify(atac, threshold=0.1).X
    monkeypatch.setattr(_blocks.slices, "__kwdefaults__", {"n_values": 9})
    blocks = binarize(atac).X, sparsify(atac, threshold=0.1).X
    for one, two in zip(whole, blocks, strict=True):
        assert (one != two).nnz == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1)])
def test_binarize_small_sizes(shape, rng):
    values = rng.uniform(size=shape)
    np.testing.assert_array_equal(binarize(AnnData(values)).X.toarray(), _rule(values, values))


def test_sparsify_keeps_negative_values_and_layers(rng):
    values = rng.normal(scale=1e-4, size=(7, 5)).astype(np.float32)
    adata = AnnData(values, layers={"mean": np.abs(values)})
    before = values.copy()
    small = sparsify(adata, threshold=5e-5)
    expected = np.where(np.abs(values) >= 5e-5, values, 0)
    np.testing.assert_array_equal(small.X.toarray(), expected)
    np.testing.assert_array_equal(small.layers["mean"].toarray(), np.abs(expected))
    assert (small.X.toarray() < 0).any()
    np.testing.assert_array_equal(adata.X, before)
    assert sparsify(AnnData(sparse.csr_matrix(values))).X.shape == (7, 5)


def test_users_mistakes_are_named(atac, counts):
    with pytest.raises(ValueError, match="threshold=-1"):
        sparsify(atac, threshold=-1)
    with pytest.raises(ValueError, match="60 cells and measured 59"):
        binarize(atac, measured=counts[1:].copy())
    missing = atac.copy()
    missing.X[0, 0] = np.nan
    with pytest.raises(ValueError, match="holds nan"):
        binarize(missing)


def test_what_is_called_open_says_so_and_weights_have_no_fractions(atac, counts):
    assert atac.uns["scvi_xmodal"].get("scale") != "counts"
    assert binarize(atac).uns["scvi_xmodal"]["scale"] == "counts"
    assert atac.uns["scvi_xmodal"].get("scale") != "counts"
    atac.uns["scvi_xmodal"]["scale"] = "tfidf"
    assert binarize(atac).X.nnz
    with pytest.raises(ValueError, match="TF-IDF values.*leave measured out"):
        binarize(atac, measured=counts)


@pytest.mark.parametrize("function", [binarize, sparsify])
def test_what_was_made_of_the_cells_since_is_kept_and_apart(atac, function):
    atac = atac.copy()
    atac.obsm["X_umap"] = np.zeros((atac.n_obs, 2))
    atac.varm["loadings"] = np.zeros((atac.n_vars, 3))
    atac.obsp["distances"] = sparse.identity(atac.n_obs, format="csr")
    atac.uns["notes"] = {"by": "me"}
    result = function(atac)
    assert list(result.varm) == ["loadings"]
    assert list(result.obsp) == ["distances"]
    result.obsm["X_umap"] += 1
    result.uns["notes"]["by"] = "you"
    assert not atac.obsm["X_umap"].any()
    assert atac.uns["notes"] == {"by": "me"}
