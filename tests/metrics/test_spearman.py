"""Spearman's correlation against SciPy, with the ties that counts are full of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse, stats

from scvi_xmodal.metrics import spearman_flat, spearman_per_cell, spearman_per_feature
from scvi_xmodal.metrics._spearman import midranks

small_matrices = hnp.arrays(
    np.float64, st.tuples(st.integers(2, 6), st.integers(2, 5)), elements=st.integers(-2, 3)
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(1)
    truth = rng.poisson(0.5, (50, 20)).astype(float)
    return truth, np.round(truth + rng.normal(size=truth.shape), 1)


def test_equals_scipy(pair):
    truth, prediction = pair
    stored = sparse.csr_matrix(truth)
    per_gene = [stats.spearmanr(truth[:, j], prediction[:, j])[0] for j in range(20)]
    per_cell = [stats.spearmanr(truth[i], prediction[i])[0] for i in range(50)]
    np.testing.assert_allclose(spearman_per_feature(stored, prediction), per_gene)
    np.testing.assert_allclose(spearman_per_cell(stored, prediction), per_cell)


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_flat_equals_scipy(pair, store):
    truth, prediction = pair
    expected = stats.spearmanr(truth.ravel(), prediction.ravel())[0]
    assert spearman_flat(store(truth), prediction) == pytest.approx(expected)
    assert spearman_flat(prediction, store(truth)) == pytest.approx(expected)
    with_zeros = np.where(prediction < 0.5, 0, prediction)
    expected = stats.spearmanr(truth.ravel(), with_zeros.ravel())[0]
    assert spearman_flat(store(truth), store(with_zeros)) == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_flat_of_few_distinct_values_equals_scipy(data):
    truth = data.draw(small_matrices)
    prediction = data.draw(
        hnp.arrays(np.float32, truth.shape, elements=st.sampled_from([-1.0, 0.0, 0.25, 2.0]))
    )
    score = spearman_flat(sparse.csr_matrix(truth), prediction)
    if np.ptp(truth) == 0:
        assert np.isnan(score)
    elif np.ptp(prediction) == 0:
        assert score == 0
    else:
        expected = stats.spearmanr(truth.ravel(), prediction.ravel())[0]
        assert score == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(values=small_matrices)
def test_midranks_equal_scipy(values):
    np.testing.assert_array_equal(midranks(values), stats.rankdata(values, axis=1))


def test_flat_of_many_entries_looks_at_every_kth_cell(pair):
    truth, prediction = pair
    for stored in (truth, sparse.csr_matrix(truth)):
        thinned = spearman_flat(stored, prediction, max_entries=400)
        assert thinned == spearman_flat(truth[::3], prediction[::3])


def test_constants():
    truth = np.array([[0.0, 1, 2], [0, 2, 2], [0, 0, 2]])
    prediction = np.array([[1.0, 5, 1], [2, 5, 2], [3, 5, 3]])
    np.testing.assert_array_equal(spearman_per_feature(truth, prediction), [np.nan, 0, np.nan])
    assert spearman_flat(truth, np.ones_like(truth)) == 0
    assert np.isnan(spearman_flat(np.zeros_like(truth), prediction))
    assert np.isnan(spearman_flat(np.empty((0, 3)), np.empty((0, 3))))
    assert np.isnan(spearman_flat([[1]], [[1]]))


def test_sparse_input_is_not_changed(pair):
    truth = sparse.csr_matrix(pair[0])
    truth.data[::4] = 0  # explicit zeros are zeros
    kept = truth.copy()
    expected = stats.spearmanr(truth.toarray().ravel(), pair[1].ravel())[0]
    assert spearman_flat(truth, pair[1]) == pytest.approx(expected)
    assert truth.nnz == kept.nnz
    np.testing.assert_array_equal(truth.data, kept.data)
