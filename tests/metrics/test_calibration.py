"""Calibration against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from scvi_xmodal.metrics import calibration


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    probability = rng.beta(0.4, 4, (300, 200))
    return rng.binomial(1, probability) * 3, probability


def test_equals_sklearn(pair):
    truth, probability = pair
    found = calibration(sparse.csr_matrix(truth), probability, n_bins=10)
    is_open = truth.ravel() > 0
    fraction, mean = calibration_curve(
        is_open, probability.ravel(), n_bins=10, strategy="quantile"
    )
    np.testing.assert_allclose(found.open_fraction, fraction, atol=2e-3)
    np.testing.assert_allclose(found.mean_predicted, mean, rtol=1e-2)
    np.testing.assert_allclose(found.n_entries, truth.size / 10, rtol=0.02)
    assert found.error == pytest.approx(np.abs(fraction - mean).mean(), abs=1e-3)
    assert found.brier == pytest.approx(brier_score_loss(is_open, probability.ravel()))
    assert found.ratio == pytest.approx(probability.mean() / is_open.mean())


def test_true_probabilities_are_calibrated_and_others_not(pair):
    truth, probability = pair
    assert calibration(truth, probability).error < 0.01
    doubled = calibration(truth, np.minimum(2 * probability, 1))
    assert doubled.error > 0.05
    assert doubled.ratio > 1.7


def test_bins_add_up(pair):
    found = calibration(*pair, n_bins=7)
    table = found.to_frame()
    assert len(table) == 7
    assert table["n_entries"].sum() == pair[0].size
    error = (table["n_entries"] * (table["mean_predicted"] - table["open_fraction"]).abs()).sum()
    assert found.error == pytest.approx(error / pair[0].size)
    assert table["mean_predicted"].is_monotonic_increasing


def test_constant_prediction_is_one_bin():
    truth = np.array([[0, 1], [0, 0]])
    for value in (0.0, -0.0, 0.25, 1.0):
        found = calibration(truth, np.full((2, 2), value))
        assert found.n_entries.tolist() == [4]
        assert found.error == pytest.approx(abs(value - 0.25))
        assert found.ratio == pytest.approx(value / 0.25)


def test_order_of_cells_and_features_does_not_matter(pair):
    truth, probability = pair
    rng = np.random.default_rng(0)
    place = np.ix_(rng.permutation(300), rng.permutation(200))
    one, two = calibration(truth, probability), calibration(truth[place], probability[place])
    np.testing.assert_array_equal(one.n_entries, two.n_entries)
    assert one.error == pytest.approx(two.error)


def test_nothing_open_and_nothing_at_all():
    closed = calibration(np.zeros((3, 2)), np.full((3, 2), 0.5))
    assert np.isnan(closed.ratio)
    assert closed.error == 0.5
    empty = calibration(np.zeros((0, 2)), np.zeros((0, 2)))
    assert np.isnan([empty.error, empty.ratio, empty.brier]).all()
    assert empty.to_frame().empty


def test_errors(pair):
    with pytest.raises(ValueError, match="range from .* to 2"):
        calibration(pair[0], np.full(pair[0].shape, 2.0))
    with pytest.raises(ValueError, match="n_bins=0"):
        calibration(*pair, n_bins=0)
