"""Pearson's correlation against SciPy, and what SciPy leaves undefined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats

from scvi_xmodal.metrics import _blocks, pearson_flat, pearson_per_cell, pearson_per_feature

STORAGES = {
    "dense": np.asarray,
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "coo": sparse.coo_matrix,
    "float32": lambda m: m.astype(np.float32),
    "fortran": np.asfortranarray,
}


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    truth = rng.poisson(0.7, (40, 30)).astype(float)
    return truth, np.log1p(truth + rng.gamma(1.0, size=truth.shape))


@pytest.fixture
def small_blocks(monkeypatch):
    """Force many blocks, the last one smaller than the others."""
    cut = _blocks.slices
    monkeypatch.setattr(
        _blocks, "slices", lambda n, length, n_values=0: cut(n, length, n_values=7 * length)
    )


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.usefixtures("small_blocks")
def test_equals_scipy(pair, storage):
    truth, prediction = pair
    stored = STORAGES[storage](truth)
    per_gene = [stats.pearsonr(truth[:, j], prediction[:, j])[0] for j in range(30)]
    per_cell = [stats.pearsonr(truth[i], prediction[i])[0] for i in range(40)]
    np.testing.assert_allclose(pearson_per_feature(stored, prediction), per_gene)
    np.testing.assert_allclose(pearson_per_cell(stored, prediction), per_cell)
    flat = stats.pearsonr(truth.ravel(), prediction.ravel())[0]
    assert pearson_flat(stored, prediction) == pytest.approx(flat)


@pytest.mark.parametrize("storage", STORAGES)
def test_prediction_may_be_stored_in_any_way(pair, storage):
    truth, prediction = pair
    stored = STORAGES[storage](prediction)
    expected = pearson_per_feature(truth, prediction)
    np.testing.assert_allclose(pearson_per_feature(truth, stored), expected, rtol=1e-5)
    assert pearson_flat(truth, stored) == pytest.approx(pearson_flat(truth, prediction))


def test_constant_prediction_scores_zero_and_constant_truth_is_undefined(pair):
    truth, prediction = (m.copy() for m in pair)
    prediction[:, 0] = 0.1  # 40 times 0.1 does not sum to 4 exactly
    truth[:, 1] = 0
    truth[:, 2] = prediction[:, 2] = 3
    scores = pearson_per_feature(sparse.csr_matrix(truth), prediction)
    assert scores[0] == 0
    assert np.isnan(scores[1:3]).all()
    assert np.isfinite(scores[3:]).all()
    assert pearson_flat(truth, np.full_like(truth, 0.1)) == 0
    assert np.isnan(pearson_flat(np.zeros_like(truth), prediction))


def test_mean_of_the_training_cells_orders_nothing(pair):
    truth, prediction = pair
    mean = np.broadcast_to(prediction.mean(axis=0), truth.shape)
    assert (pearson_per_feature(truth, mean) == 0).all()
    assert np.isfinite(pearson_per_cell(truth, mean)).all()


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1), (0, 3), (3, 0)])
def test_ugly_sizes(shape):
    truth = np.arange(np.prod(shape), dtype=float).reshape(shape)
    per_feature, per_cell = pearson_per_feature(truth, truth), pearson_per_cell(truth, truth)
    assert per_feature.shape == (shape[1],)
    assert per_cell.shape == (shape[0],)
    for scores, length in ((per_feature, shape[0]), (per_cell, shape[1])):
        np.testing.assert_allclose(scores, 1.0 if length > 1 else np.nan)
    flat = pearson_flat(truth, truth)
    assert flat == pytest.approx(1) if truth.size > 1 else np.isnan(flat)


def test_inputs_are_not_changed(pair):
    truth, prediction = pair
    kept = truth.copy(), prediction.copy()
    for score in (pearson_per_feature, pearson_per_cell, pearson_flat):
        score(truth, prediction)
    np.testing.assert_array_equal(truth, kept[0])
    np.testing.assert_array_equal(prediction, kept[1])


def test_errors_name_the_offender(pair):
    truth, prediction = pair
    with pytest.raises(ValueError, match=r"\(40, 30\).*\(39, 30\)"):
        pearson_per_feature(truth, prediction[1:])
    with pytest.raises(ValueError, match="prediction holds nan"):
        pearson_flat(truth, np.where(truth > 2, np.nan, prediction))
    with pytest.raises(ValueError, match="truth holds inf"):
        pearson_flat(sparse.csr_matrix(np.where(truth > 2, np.inf, 0)), prediction)
    with pytest.raises(ValueError, match=r"n_cells, n_features"):
        pearson_flat(truth[0], prediction[0])
    with pytest.raises(ValueError, match="dtype object"):
        pearson_flat(truth.astype(object), prediction)
