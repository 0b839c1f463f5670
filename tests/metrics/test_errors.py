"""Root mean squared errors against numpy."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scvi_xmodal.metrics import rmse_flat, rmse_per_feature


def test_equals_numpy():
    rng = np.random.default_rng(0)
    truth, prediction = rng.poisson(1, (20, 6)), rng.normal(size=(20, 6))
    square = (truth - prediction) ** 2
    stored = sparse.csr_matrix(truth)
    np.testing.assert_allclose(rmse_per_feature(stored, prediction), square.mean(0) ** 0.5)
    np.testing.assert_allclose(rmse_flat(stored, prediction), square.mean() ** 0.5)


def test_nothing_has_no_error():
    assert np.isnan(rmse_flat(np.empty((0, 2)), np.empty((0, 2))))
    assert np.isnan(rmse_flat(np.empty((2, 0)), np.empty((2, 0))))
    assert np.isnan(rmse_per_feature(np.empty((0, 2)), np.empty((0, 2)))).all()
