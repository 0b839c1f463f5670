"""AUROC and average precision against scikit-learn, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.metrics import average_precision_score, roc_auc_score

from scvi_xmodal.metrics import (
    _blocks,
    _counting,
    auroc_flat,
    auroc_per_cell,
    auroc_per_feature,
    average_precision_flat,
    average_precision_per_cell,
    average_precision_per_feature,
    ranking_flat,
    ranking_per_cell,
    ranking_per_feature,
)


def by_sklearn(truth, prediction):
    """Return AUROC and average precision of each column, NaN where only one class is."""
    scores = np.full((2, truth.shape[1]), np.nan)
    for j in range(truth.shape[1]):
        is_open = truth[:, j] > 0
        if is_open.any() and not is_open.all():
            scores[0, j] = roc_auc_score(is_open, prediction[:, j])
            scores[1, j] = average_precision_score(is_open, prediction[:, j])
    return scores


@pytest.fixture
def pair():
    rng = np.random.default_rng(2)
    truth = rng.poisson(0.2, (60, 25)) * rng.integers(1, 4, (60, 25))
    truth[:, 0] = 0
    truth[:, 1] = 2
    prediction = rng.beta(0.5, 2, truth.shape).astype(np.float32) + 0.1 * (truth > 0)
    prediction[:, 5:15] = prediction[:, 5:15].round(1)
    prediction[:, 3] = 0.25
    return truth, prediction


@pytest.fixture(params=[None, 150])
def block_values(request, monkeypatch):
    """Score in one block, or in many of which the last is smaller."""
    if request.param:
        cut = _blocks.slices
        monkeypatch.setattr(
            _counting, "slices", lambda n, length, n_values=0: cut(n, length, n_values=150)
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.usefixtures("block_values")
def test_equals_sklearn(pair, store, dtype):
    truth, prediction = pair[0], pair[1].astype(dtype)
    found = ranking_per_feature(store(truth), prediction)
    expected = by_sklearn(truth, prediction)
    np.testing.assert_allclose([found.auroc, found.average_precision], expected)
    assert found.auroc[3] == 0.5
    found = ranking_per_cell(store(truth), prediction)
    expected = by_sklearn(truth.T, prediction.T)
    np.testing.assert_allclose([found.auroc, found.average_precision], expected)
    found = ranking_flat(store(truth), prediction)
    expected = by_sklearn(truth.reshape(-1, 1), prediction.reshape(-1, 1)).ravel()
    np.testing.assert_allclose([found.auroc, found.average_precision], expected)


@pytest.mark.parametrize("store", [sparse.csr_matrix, sparse.csc_matrix])
def test_nothing_open_is_undefined_for_sparse_predictions_too(pair, store):
    _, prediction = pair
    found = ranking_flat(np.zeros(prediction.shape), store(prediction))
    assert np.isnan([found.auroc, found.average_precision]).all()


def test_sparse_prediction(pair):
    truth, prediction = pair[0], np.where(pair[1] < 0.2, 0, pair[1])
    for ranking in (ranking_per_feature, ranking_per_cell, ranking_flat):
        dense, stored = ranking(truth, prediction), ranking(truth, sparse.csr_matrix(prediction))
        np.testing.assert_array_equal(dense.auroc, stored.auroc)
        np.testing.assert_array_equal(dense.average_precision, stored.average_precision)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_few_cells_and_many_ties_equal_sklearn(data):
    truth = data.draw(
        hnp.arrays(
            np.int64, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=st.integers(0, 1)
        )
    )
    prediction = data.draw(
        hnp.arrays(np.float64, truth.shape, elements=st.sampled_from([-1, 0, 0.5, 0.75, np.pi]))
    )
    found = ranking_per_feature(sparse.csr_matrix(truth), prediction)
    np.testing.assert_allclose(
        [found.auroc, found.average_precision], by_sklearn(truth, prediction)
    )


def test_single_scores_are_those_of_the_ranking(pair):
    for ranking, auroc, precision in (
        (ranking_per_feature, auroc_per_feature, average_precision_per_feature),
        (ranking_per_cell, auroc_per_cell, average_precision_per_cell),
        (ranking_flat, auroc_flat, average_precision_flat),
    ):
        np.testing.assert_array_equal(ranking(*pair).auroc, auroc(*pair))
        np.testing.assert_array_equal(ranking(*pair).average_precision, precision(*pair))


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (1, 1), (0, 3), (3, 0)])
def test_ugly_sizes_and_one_class(shape):
    for fill in (0, 1):
        truth, prediction = np.full(shape, fill), np.linspace(0, 1, np.prod(shape)).reshape(shape)
        assert np.isnan(ranking_per_feature(truth, prediction).auroc).all()
        assert ranking_per_feature(truth, prediction).average_precision.shape == (shape[1],)
        assert ranking_per_cell(truth, prediction).auroc.shape == (shape[0],)
        assert np.isnan(ranking_flat(truth, prediction).auroc)
        assert np.isnan(ranking_flat(truth, prediction).average_precision)


def test_flat_of_many_entries_looks_at_every_kth_cell(pair):
    truth, prediction = pair
    thinned = auroc_flat(sparse.csr_matrix(truth), prediction, max_entries=500)
    assert thinned == auroc_flat(truth[::3], prediction[::3])
    assert auroc_flat(*pair, max_entries=None) == auroc_flat(*pair)


def test_inputs_are_not_changed(pair):
    truth, prediction = pair[0].copy(), np.asfortranarray(pair[1])
    kept = prediction.copy()
    for stored in (prediction, np.ascontiguousarray(prediction)):
        for ranking in (ranking_per_feature, ranking_per_cell, ranking_flat):
            ranking(truth, stored)
        np.testing.assert_array_equal(stored, kept)
    np.testing.assert_array_equal(truth, pair[0])
