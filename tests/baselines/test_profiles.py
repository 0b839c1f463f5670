from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from scvi_xmodal.baselines._profiles import (
    LogTfIdf,
    Profile,
    clr,
    depths,
    feature_means,
    log_normalize,
    row_sums,
)


def _counts(seed=0, shape=(12, 9), rate=0.8):
    counts = np.random.default_rng(seed).poisson(rate, shape).astype(np.float32)
    counts[4], counts[:, 2] = 0, 0
    return counts


@pytest.mark.parametrize("median", [1.0, 37.5])
def test_log_normalized_cells_have_the_median_total(median):
    values = log_normalize(sparse.csr_matrix(_counts()), median)
    totals = np.expm1(values.toarray()).sum(axis=1)
    expected = np.where(_counts().sum(axis=1) > 0, median, 0)
    np.testing.assert_allclose(totals, expected)


def test_log_tfidf_equals_the_formula_and_scikit_learns_term_frequencies():
    binary = (_counts() > 0).astype(float)
    idf = np.linspace(0.5, 2, binary.shape[1])
    term = TfidfTransformer(norm="l1", use_idf=False).fit_transform(binary).toarray()
    values = LogTfIdf(idf)(sparse.csr_matrix(_counts()))
    np.testing.assert_allclose(values.toarray(), np.log1p(1e4 * term * idf))


def test_clr_is_the_log_ratio_to_the_geometric_mean():
    values = clr(sparse.csr_matrix(_counts()))
    np.testing.assert_allclose(values.sum(axis=1), 0, atol=1e-12)
    ratio = (1 + _counts()[0, 0]) / np.exp(np.log1p(_counts()[0].astype(float)).mean())
    np.testing.assert_allclose(values[0, 0], np.log(ratio), rtol=1e-6)


def test_depths_of_empty_cells_are_zero():
    expected = np.log1p(np.c_[_counts().sum(1), (_counts() > 0).sum(1)])
    values = depths(sparse.csr_matrix(_counts()))
    np.testing.assert_allclose(values, expected)
    assert (values[4] == 0).all()


def test_stored_zeros_do_not_count():
    counts = sparse.csr_matrix(_counts())
    with_zeros = counts.copy()
    with_zeros.data[::3] = 0
    clean = with_zeros.copy()
    clean.eliminate_zeros()
    for transform in (*(Profile(k, 3.0) for k in ("rna", "atac", "protein")), depths):
        ours, expected = transform(with_zeros), transform(clean)
        ours, expected = (v.toarray() if sparse.issparse(v) else v for v in (ours, expected))
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("kind", ["rna", "atac", "protein"])
def test_profiles_do_not_change_their_input(kind):
    counts = sparse.csr_matrix(_counts())
    Profile(kind, 3.0)(counts)
    np.testing.assert_array_equal(counts.toarray(), _counts())


def test_sums_and_means_agree_with_numpy():
    matrix = sparse.csr_matrix(_counts())
    np.testing.assert_allclose(row_sums(matrix), _counts().sum(axis=1))
    for values in (matrix.astype(np.float64), matrix.toarray().astype(np.float64)):
        np.testing.assert_allclose(feature_means(values), _counts().astype(float).mean(axis=0))
