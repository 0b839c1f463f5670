from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scvi_xmodal.nn import SparseRows

SHAPES = [(7, 5), (1, 1), (1, 6), (4, 1), (3, 0)]


@pytest.mark.parametrize("shape", SHAPES)
def test_says_what_scipy_says(random_csr, shape):
    matrix = random_csr(*shape)
    rows = SparseRows.from_scipy(matrix)
    assert rows.n_rows == shape[0]
    assert rows.n_columns == shape[1]
    np.testing.assert_array_equal(rows.to_dense().numpy(), matrix.toarray())
    np.testing.assert_array_equal(rows.row_index().numpy(), matrix.tocoo().row)
    np.testing.assert_allclose(rows.row_sums().numpy(), matrix.toarray().sum(1))
    np.testing.assert_array_equal(rows.row_counts().numpy(), (matrix.toarray() > 0).sum(1))
    np.testing.assert_array_equal(rows.binarized().to_dense().numpy(), matrix.toarray() > 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_without_stored_values(shape):
    rows = SparseRows.from_scipy(sparse.csr_matrix(shape, dtype=np.float32))
    assert not rows.to_dense().any()
    assert rows.row_sums().tolist() == rows.row_counts().tolist() == [0.0] * shape[0]
    assert rows.row_index().shape == (0,)


def test_stored_zeros_are_no_counts():
    matrix = sparse.csr_matrix(
        (np.array([0.0, 2.0, 0.0]), np.array([0, 2, 1]), np.array([0, 2, 3])), shape=(2, 3)
    )
    rows = SparseRows.from_scipy(matrix)
    assert rows.row_counts().tolist() == [1, 0]
    assert rows.binarized().values.tolist() == [0, 1, 0]


@pytest.mark.parametrize("index_type", [np.int32, np.int64])
def test_wraps_without_a_copy(random_csr, index_type):
    matrix = random_csr(5, 4)
    matrix.indices, matrix.indptr = (
        matrix.indices.astype(index_type),
        matrix.indptr.astype(index_type),
    )
    rows = SparseRows.from_scipy(matrix)
    assert np.shares_memory(rows.values.numpy(), matrix.data)
    assert np.shares_memory(rows.columns.numpy(), matrix.indices)
    assert np.shares_memory(rows.offsets.numpy(), matrix.indptr)


def test_mixed_index_types_are_made_one(random_csr):
    matrix = random_csr(5, 4)
    matrix.indptr = matrix.indptr.astype(np.int64)
    rows = SparseRows.from_scipy(matrix)
    assert rows.columns.dtype == rows.offsets.dtype == torch.int64
    np.testing.assert_array_equal(rows.to_dense().numpy(), matrix.toarray())


def test_other_values_keep_the_pattern_and_the_original(random_csr):
    matrix = random_csr(5, 4)
    before = matrix.copy()
    rows = SparseRows.from_scipy(matrix)
    doubled = rows.with_values(rows.values * 2)
    np.testing.assert_array_equal(doubled.to_dense().numpy(), 2 * before.toarray())
    np.testing.assert_array_equal(matrix.toarray(), before.toarray())


def test_gradients_reach_the_values(random_rows):
    rows = random_rows(6, 4)
    values = rows.values.clone().requires_grad_()
    weight = torch.arange(6, dtype=torch.float64)
    (rows.with_values(values).row_sums() @ weight).backward()
    torch.testing.assert_close(values.grad, weight[rows.row_index()])


@pytest.mark.parametrize("rows", [[2, 0, 5], [3], [], [1, 1]], ids=str)
def test_selected_rows_are_scipys(random_csr, rows):
    matrix = random_csr(7, 5)
    found = SparseRows.from_scipy(matrix).select(torch.tensor(rows, dtype=torch.int64))
    np.testing.assert_array_equal(found.to_dense().numpy(), matrix[rows].toarray())
    assert found.offsets.dtype == SparseRows.from_scipy(matrix).offsets.dtype
