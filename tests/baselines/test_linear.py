from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression, Ridge

from scvi_xmodal.baselines._linear import fit_linear


def _data(n_cells=40, n_inputs=5, n_features=7, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n_cells, n_inputs)) * np.arange(1, n_inputs + 1) + 2
    y = rng.poisson(np.exp(0.1 * z @ rng.normal(size=(n_inputs, n_features)))).astype(float)
    return z, y


def _gcv_by_hat_matrix(z, y, alpha):
    centered, targets = z - z.mean(0), y - y.mean(0)
    gram = centered.T @ centered + alpha * np.eye(z.shape[1])
    hat = centered @ np.linalg.solve(gram, centered.T)
    residual = ((targets - hat @ targets) ** 2).sum()
    return residual / (len(z) - 1 - np.trace(hat)) ** 2


@pytest.mark.parametrize("alpha", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("as_sparse", [True, False])
def test_equals_scikit_learns_ridge(alpha, as_sparse):
    z, y = _data()
    line = fit_linear(z, sparse.csr_matrix(y) if as_sparse else y, alpha=alpha)
    np.testing.assert_allclose(line(z), Ridge(alpha=alpha).fit(z, y).predict(z))


def test_without_penalty_equals_least_squares_of_minimal_norm():
    z, y = _data()
    z = np.c_[z, z[:, 0], np.full(len(z), 3.0)]  # a repeated and a constant input
    line = fit_linear(z, y, alpha=0.0)
    np.testing.assert_allclose(line(z), LinearRegression().fit(z, y).predict(z))
    centered = z - z.mean(axis=0)
    np.testing.assert_allclose(line.coef, np.linalg.pinv(centered) @ y, atol=1e-10)


@pytest.mark.parametrize(("noise", "seed"), [(0.01, 0), (1.0, 1), (30.0, 2)])
def test_the_chosen_alpha_minimises_generalised_cross_validation(noise, seed):
    z, y = _data(seed=seed)
    y = y + noise * np.random.default_rng(seed).normal(size=y.shape)
    line = fit_linear(z, y, alpha=None)
    best = _gcv_by_hat_matrix(z, y, line.alpha)
    power = np.linalg.eigvalsh((z - z.mean(0)).T @ (z - z.mean(0))).mean()
    others = [_gcv_by_hat_matrix(z, y, power * 10.0**e) for e in np.linspace(-4, 2, 25)]
    np.testing.assert_allclose(best, min(others))


def test_the_chosen_alpha_grows_with_the_noise_and_scales_with_the_inputs():
    z, y = _data()
    noise = np.random.default_rng(3).normal(size=y.shape)
    quiet, loud = (fit_linear(z, y + s * noise, alpha=None) for s in (0.01, 100.0))
    assert quiet.alpha < loud.alpha
    scaled = fit_linear(z / 1000, y, alpha=None)
    np.testing.assert_allclose(scaled(z / 1000), fit_linear(z, y, alpha=None)(z))


@pytest.mark.parametrize("alpha", [None, 0.0, 1.0])
@pytest.mark.parametrize("z", [np.ones((4, 2)), np.ones((1, 2)), np.zeros((4, 0))])
def test_inputs_without_variance_predict_the_mean(z, alpha):
    y = np.arange(z.shape[0] * 3.0).reshape(-1, 3)
    line = fit_linear(z, sparse.csr_matrix(y), alpha=alpha)
    np.testing.assert_allclose(line(z), np.tile(y.mean(axis=0), (len(z), 1)))


@pytest.mark.parametrize("alpha", [None, 0.0])
def test_targets_without_variance_stay_constant(alpha):
    z, _ = _data()
    line = fit_linear(z, sparse.csr_matrix((len(z), 2)), alpha=alpha)
    np.testing.assert_array_equal(line(z), 0)
