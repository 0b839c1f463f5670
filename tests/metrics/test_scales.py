"""Measured counts on the predictions' scales against formulas and scanpy."""

from __future__ import annotations

import numpy as np
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scvi_xmodal.metrics._scales import Scale


def test_rna_equals_scanpy():
    counts = np.random.default_rng(0).poisson(1.0, (30, 12)).astype(float)
    scale = Scale.fitted("rna", sparse.csr_matrix(counts))
    assert scale.library == np.median(counts.sum(axis=1))
    cells = AnnData(counts.copy())
    sc.pp.normalize_total(cells, target_sum=scale.library)
    sc.pp.log1p(cells)
    np.testing.assert_allclose(scale.apply(sparse.csr_matrix(counts)).toarray(), cells.X)
    np.testing.assert_allclose(scale.mean(sparse.csr_matrix(counts)), cells.X.mean(axis=0))


def test_empty_cells_stay_empty_and_do_not_move_the_median():
    counts = sparse.csr_matrix([[0, 0], [1, 3], [0, 8]])
    scale = Scale.fitted("rna", counts)
    assert scale.library == 6
    np.testing.assert_allclose(
        scale.apply(counts).toarray(), np.log1p([[0, 0], [1.5, 4.5], [0, 6]])
    )
    assert Scale.fitted("rna", sparse.csr_matrix((2, 2))).library == 1


def test_atac_is_binary():
    counts = sparse.csr_matrix([[0, 2], [1, 0]])
    counts.data[0] = 0  # stored, and no count
    scale = Scale.fitted("atac", counts)
    np.testing.assert_array_equal(scale.apply(counts).toarray(), [[0, 0], [1, 0]])
    np.testing.assert_array_equal(scale.mean(counts), [0.5, 0])


def test_protein_is_centred_log_ratio():
    counts = np.random.default_rng(0).poisson(4.0, (10, 5))
    geometric_mean = np.prod(counts + 1.0, axis=1, keepdims=True) ** (1 / 5)
    expected = np.log((counts + 1) / geometric_mean)
    stored = sparse.csr_matrix(counts)
    np.testing.assert_allclose(Scale.fitted("protein", stored).apply(stored), expected)


def test_a_stored_zero_in_an_empty_cell_is_a_zero():
    counts = sparse.csr_matrix([[5.0, 0], [1, 3]])
    counts.data[0] = 0
    scale = Scale.fitted("rna", counts)
    with np.errstate(all="raise"):
        found = scale.apply(counts).toarray()
    np.testing.assert_allclose(found, np.log1p([[0, 0], [1, 3]]))
