"""Principal components against scikit-learn's full decomposition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.decomposition import PCA

from scvi_xmodal.metrics import _components, principal_components


@pytest.mark.parametrize("shape", [(80, 200), (200, 80), (6, 5), (3, 2), (2, 7)])
@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_equals_sklearn(shape, store):
    matrix = np.random.default_rng(0).poisson(1.0, shape)
    n = min(50, min(shape) - 1)
    expected = PCA(n, svd_solver="full").fit_transform(matrix)
    found = principal_components(store(matrix))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-8)


def test_large_matrices_stay_in_their_precision(monkeypatch):
    monkeypatch.setattr(_components, "_SMALL", 0)
    matrix = np.random.default_rng(0).poisson(1.0, (60, 40)).astype(np.float32)
    found = principal_components(matrix, n_components=5)
    assert found.dtype == np.float32
    expected = PCA(5, svd_solver="full").fit_transform(matrix)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix])
def test_nothing_to_decompose(store):
    np.testing.assert_allclose(
        principal_components(store([[1.0], [2.0], [6.0]])), [[-2], [-1], [3]]
    )
    assert not principal_components(store([[1.0, 5.0]])).any()
    assert not principal_components(store(np.full((4, 3), 0.1))).any()


def test_rank_below_the_number_of_components():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 20))
    found = principal_components(matrix)
    assert found.shape == (30, 19)
    np.testing.assert_allclose(found[:, 2:], 0, atol=1e-6)
