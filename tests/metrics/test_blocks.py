"""Matrices of any storage, read in blocks."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scvi_xmodal.metrics import _blocks, pearson_per_feature
from scvi_xmodal.metrics._blocks import check_pair


@pytest.mark.parametrize("n_lines", [0, 1, 9, 10, 11])
def test_slices_cover_every_line_once(n_lines):
    found = [np.arange(n_lines)[part] for part in _blocks.slices(n_lines, 3, n_values=30)]
    assert np.concatenate([np.arange(0), *found]).tolist() == list(range(n_lines))
    assert all(1 <= part.size <= 10 for part in found)


def test_slices_take_at_least_a_line():
    assert len(list(_blocks.slices(4, 10**9))) == 4
    assert len(list(_blocks.slices(4, 0))) == 1


@pytest.mark.parametrize("as_sparse", [False, True])
def test_backed_matrices_are_read(tmp_path, as_sparse):
    rng = np.random.default_rng(0)
    values = rng.poisson(1, (20, 5)).astype(np.float32)
    matrix = sparse.csr_matrix(values) if as_sparse else values
    ad.AnnData(matrix).write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    np.testing.assert_allclose(pearson_per_feature(backed.X, values), 1)
    backed.file.close()


def test_sparse_matrix_with_duplicate_entries_is_summed_and_kept():
    twice = sparse.csr_matrix((np.ones(3), [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    np.testing.assert_array_equal(_blocks.as_matrix(twice, name="m").toarray(), [[0, 2], [1, 0]])
    assert twice.nnz == 3


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_parts_of_an_entry_do_not_overflow(dtype):
    parts = np.array([200, 100], dtype=dtype)
    matrix = sparse.csr_matrix((parts, [0, 0], [0, 2]), shape=(1, 1))
    whole = parts.sum(dtype=float)
    np.testing.assert_array_equal(_blocks.as_matrix(matrix, name="m").toarray(), [[whole]])
    np.testing.assert_array_equal(matrix.data, parts)


@pytest.mark.parametrize("shape", [(3, 10), (5, 2), (10, 1), (7, 3), (1, 4)])
def test_the_fewest_cells_are_left_out(shape):
    cells = np.arange(np.prod(shape)).reshape(shape)
    for most in range(1, cells.size + 2):
        kept, same = _blocks.thin_cells(cells, sparse.csc_matrix(cells), most)
        np.testing.assert_array_equal(kept, same.toarray())
        fitting = [k for k in range(1, shape[0] + 1) if cells[::k].size <= most] or [shape[0]]
        np.testing.assert_array_equal(kept, cells[:: fitting[0]])


def test_matrices_are_not_copied():
    dense = np.ones((3, 2), dtype=np.float32)
    assert _blocks.as_matrix(dense, name="m") is dense
    stored = sparse.csr_array(dense)
    assert np.shares_memory(_blocks.as_matrix(stored, name="m").data, stored.data)


def test_lines_are_a_copy_in_any_orientation():
    dense = np.arange(6.0).reshape(3, 2)
    for matrix in (dense, dense.T, np.asfortranarray(dense), sparse.csr_matrix(dense)):
        block = _blocks.lines(matrix, slice(0, 2))
        assert block.flags.c_contiguous
        assert not (isinstance(matrix, np.ndarray) and np.shares_memory(block, matrix))
        full = matrix.toarray() if sparse.issparse(matrix) else matrix
        np.testing.assert_array_equal(block, full[:, :2].T)


def test_tables_are_of_the_same_cells_and_features_in_the_same_order():
    table = pd.DataFrame(np.eye(3), index=list("abc"), columns=list("xyz"))
    assert all(len(part) == 3 for part in check_pair(table, table.to_numpy()))
    check_pair(table, pd.DataFrame(np.eye(3)))
    check_pair(table, table.set_axis(table.index.astype("string")))
    for axis, other in (("index", table[::-1]), ("columns", table[list("zyx")])):
        with pytest.raises(ValueError, match=rf"tables of other {axis} .*\.loc\[truth.index"):
            check_pair(table, other)
