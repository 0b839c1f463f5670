from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LinearRegression, Ridge

from scvi_xmodal.module import DepthPredictor, feature_statistics


def _design(y):
    return np.log1p(np.c_[y.sum(1), (y > 0).sum(1)])


@pytest.fixture
def totals(training_counts):
    return (training_counts["atac"] > 0).sum(1)


@pytest.fixture
def predictor(training_counts, totals):
    fitted = DepthPredictor().double()
    y = training_counts["rna"]
    statistics = feature_statistics([sparse.csr_matrix(y)], n_features=y.shape[1])
    fitted.fit(statistics, totals)
    return fitted


def test_equals_scikit_learns_ridge(predictor, training_counts, totals, counts, rows):
    x, y = _design(training_counts["rna"]), np.log(np.maximum(totals, 1))
    expected = Ridge(alpha=1e-3 * len(x)).fit(x, y)
    smearing = np.maximum(totals, 1).sum() / np.exp(expected.predict(x)).sum()
    np.testing.assert_allclose(
        predictor.coefficients.numpy(),
        [expected.intercept_ + np.log(smearing), *expected.coef_],
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        predictor(rows(counts["rna"])).numpy(),
        smearing * np.exp(expected.predict(_design(counts["rna"]))),
        rtol=1e-9,
    )


def test_predicted_totals_add_up_to_the_measured(predictor, training_counts, totals, rows):
    own = predictor(rows(training_counts["rna"]))
    assert own.sum().item() == pytest.approx(np.maximum(totals, 1).sum())


def test_many_cells_are_fitted_as_by_least_squares():
    rng = np.random.default_rng(0)
    library = rng.lognormal(8, 1.5, 5000)
    detected = library**0.7 * rng.lognormal(0, 0.8, 5000)
    totals = np.exp(0.5 + 0.4 * np.log1p(library) + 0.3 * np.log1p(detected))
    predictor = DepthPredictor().double()
    predictor.fit_totals(library, detected, totals)
    exact = LinearRegression().fit(np.log1p(np.c_[library, detected]), np.log(totals))
    np.testing.assert_allclose(predictor.coefficients.numpy()[1:], exact.coef_, atol=2e-3)
    np.testing.assert_allclose(predictor.coefficients.numpy()[0], 0.5, atol=2e-2)


@pytest.mark.parametrize("n_cells", [1, 2, 20])
def test_constant_sources_predict_the_mean(n_cells, rows):
    totals = np.arange(1.0, n_cells + 1)
    predictor = DepthPredictor().double()
    predictor.fit_totals(np.full(n_cells, 6.0), np.full(n_cells, 2.0), totals)
    own = predictor(rows(np.array([[5.0, 1, 0]])))
    assert own.item() == pytest.approx(totals.mean())


def test_empty_cells_predict_something_positive(predictor, rows):
    own = predictor(rows(np.zeros((2, 7))))
    assert torch.isfinite(own).all()
    assert (own > 0).all()


def test_empty_targets_count_as_one():
    predictor = DepthPredictor().double()
    predictor.fit_totals(np.full(2, 6.0), np.full(2, 2.0), np.zeros(2))
    assert predictor.coefficients.tolist() == [0, 0, 0]


def test_coefficients_are_saved(predictor):
    other = DepthPredictor().double()
    other.load_state_dict(predictor.state_dict())
    torch.testing.assert_close(other.coefficients, predictor.coefficients, rtol=0, atol=0)
