"""Measured cells on a translation's scale, where only some features were translated."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal.metrics._scales import Scale
from scvi_xmodal.metrics._translated import Translated
from scvi_xmodal.tl import pseudobulk_concordance

NAMES = [f"g{i}" for i in range(12)]


@pytest.fixture
def counts(rng):
    adata = AnnData(sparse.csr_matrix(rng.poisson(3.0, (30, 12)).astype(np.float32)))
    adata.var_names = NAMES
    return adata


@pytest.fixture
def few(rng):
    adata = AnnData(np.log1p(rng.gamma(2.0, size=(25, 4)).astype(np.float32)))
    adata.var_names = NAMES[5:1:-1]
    adata.uns["scvi_xmodal"] = {"target_kind": "rna", "n_features": 12}
    return adata


def test_few_genes_are_relative_to_all_that_the_model_knows(counts, few):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        translated = Translated.read(few)
        measured = translated.read_measured(counts, None, name="reference")
        scaled = translated.scaled(measured, few.var_names).toarray()
    assert scaled.mean() == pytest.approx(few.X.mean(), rel=1e-4)
    whole = counts.X.toarray()
    share = whole[:, 5:1:-1] / whole.sum(axis=1, keepdims=True)
    library = np.expm1(scaled[share > 0]) / share[share > 0]
    np.testing.assert_allclose(library, library[0], rtol=1e-4)


def test_only_what_was_translated_is_brought_to_scale(counts, few, monkeypatch):
    """The total is sought in steps, which should not each go over all genes."""
    seen = []
    apply = Scale.apply
    monkeypatch.setattr(
        Scale,
        "apply",
        lambda self, own, *rest: seen.append(own.shape[1]) or apply(self, own, *rest),
    )
    translated = Translated.read(few)
    measured = translated.read_measured(counts, None, name="reference")
    translated.scaled(measured, few.var_names)
    assert set(seen) == {4}


def test_of_several_the_first_says_the_total(counts, few, rng):
    other = counts[:7].copy()
    other.X = sparse.csr_matrix(rng.poisson(1.0, (7, 12)).astype(np.float32))
    translated = Translated.read(few)
    sides = [translated.read_measured(data, None, name="x") for data in (counts, other)]
    first, second = translated.all_scaled(sides, few.var_names)
    np.testing.assert_allclose(
        first.toarray(), translated.scaled(sides[0], few.var_names).toarray()
    )
    shares = [side.matrix.toarray() / side.matrix.sum(axis=1) for side in sides]
    libraries = [
        np.expm1(scaled.toarray()).sum() / np.asarray(share)[:, 5:1:-1].sum()
        for scaled, share in zip((first, second), shares, strict=True)
    ]
    assert libraries[0] == pytest.approx(libraries[1], rel=1e-4)


def test_cells_of_the_few_genes_alone_are_warned_of(counts, few):
    own = counts[:, few.var_names].copy()
    with pytest.warns(UserWarning, match="hold 4 of 12 features"):
        found = pseudobulk_concordance(few, own)
    assert list(found.profiles.loc["all cells"].index) == list(few.var_names)


def test_open_peaks_are_relative_to_nothing(counts, few):
    few.uns["scvi_xmodal"]["target_kind"] = "atac"
    few.X = few.X / few.X.max()
    translated = Translated.read(few)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own = translated.read_measured(counts[:, few.var_names].copy(), None, name="x")
        scaled = translated.scaled(own, few.var_names)
    np.testing.assert_array_equal(scaled.toarray(), own.matrix.toarray() > 0)
