"""Rows as a reader gives them against plain indexing of a dense array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scvi_xmodal.data import ReaderBlocks, RowReader

IN_MEMORY = (
    "dense",
    "csr_matrix",
    "csc_matrix",
    "coo_matrix",
    "csr_array",
    "csc_array",
    "int64",
    "bool",
    "unsorted",
)
ON_DISK = ("h5ad_csr", "h5ad_dense", "zarr_csr", "zarr_dense")
ROWS = {
    "ascending": np.array([0, 1, 2, 3]),
    "scattered": np.array([1, 4, 5, 11]),
    "descending": np.array([12, 7, 6, 0]),
    "repeated": np.array([3, 3, 0, 3, 12]),
    "single": np.array([8]),
    "slice": slice(2, 9),
    "all": slice(None),
    "list": [5, 2],
}


@pytest.mark.parametrize("layout", IN_MEMORY + ON_DISK)
@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_equal_dense_indexing(counts, as_layout, layout, rows):
    expected = counts > 0 if layout == "bool" else counts
    picked = RowReader(as_layout(counts, layout), n_features=7).rows(rows)
    assert picked.format == "csr"
    assert picked.dtype == np.float32
    assert picked.has_sorted_indices
    np.testing.assert_array_equal(picked.toarray(), expected[rows])


@pytest.mark.parametrize("layout", IN_MEMORY + ON_DISK)
def test_columns_are_renamed_and_left_out(counts, as_layout, layout):
    position = np.array([3, -1, 0, 4, -1, 1, 2])
    dense = counts > 0 if layout == "bool" else counts
    expected = np.zeros((13, 5))
    for column, feature in enumerate(position):
        if feature >= 0:
            expected[:, feature] = dense[:, column]
    reader = RowReader(as_layout(counts, layout), position=position, n_features=5)
    picked = reader.rows(np.array([12, 4, 4, 0]))
    assert picked.has_sorted_indices
    np.testing.assert_array_equal(picked.toarray(), expected[[12, 4, 4, 0]])


@given(
    seed=st.integers(0, 1000),
    n_rows=st.integers(1, 8),
    n_columns=st.integers(1, 8),
    data=st.data(),
)
def test_any_matrix_any_order_any_rows(seed, n_rows, n_columns, data):
    rng = np.random.default_rng(seed)
    dense = rng.poisson(0.7, size=(n_rows, n_columns))
    kept = data.draw(st.lists(st.booleans(), min_size=n_columns, max_size=n_columns))
    n_features = max(sum(kept), 1)
    position = np.full(n_columns, -1)
    position[np.flatnonzero(kept)] = rng.permutation(sum(kept))
    rows = data.draw(st.lists(st.integers(0, n_rows - 1), min_size=1, max_size=6))
    expected = np.zeros((n_rows, n_features))
    expected[:, position[position >= 0]] = dense[:, position >= 0]
    for matrix in (dense, sparse.csr_array(dense), sparse.csc_matrix(dense)):
        picked = RowReader(matrix, position=position, n_features=n_features).rows(rows)
        np.testing.assert_array_equal(picked.toarray(), expected[rows])


def test_tensors_hold_the_same_rows(counts):
    rows = RowReader(sparse.csr_matrix(counts), n_features=7).sparse_rows([6, 4, 6])
    np.testing.assert_array_equal(rows.to_dense().numpy(), counts[[6, 4, 6]])
    assert rows.n_columns == 7


def test_a_repeated_stored_entry_counts_as_its_sum():
    twice = sparse.csr_matrix((np.array([1.0, 2, 4]), np.array([1, 1, 0]), np.array([0, 2, 3])))
    picked = RowReader(twice, n_features=2).sparse_rows([0, 1])
    np.testing.assert_array_equal(picked.to_dense().numpy(), [[0, 3], [4, 0]])
    assert picked.row_counts().tolist() == [1, 1]
    assert twice.nnz == 3


def test_the_matrix_is_left_as_it_was(counts, as_layout):
    matrix = as_layout(counts, "unsorted")
    indices = matrix.indices.copy()
    reader = RowReader(matrix, n_features=7)
    reader.rows(slice(None)).data[:] = -1
    reader.rows([0, 1]).data[:] = -1
    np.testing.assert_array_equal(matrix.indices, indices)
    np.testing.assert_array_equal(matrix.toarray(), counts)


def test_dense_rows_are_copies(counts):
    matrix = counts.copy()
    RowReader(matrix, n_features=7).rows(slice(None)).data[:] = -1
    np.testing.assert_array_equal(matrix, counts)


@pytest.mark.parametrize("size", [1, 5, 13, 100])
@pytest.mark.parametrize("layout", ["dense", "csr_matrix", "h5ad_csr", "h5ad_dense"])
def test_blocks_cover_all_rows_in_order(counts, as_layout, layout, size):
    reader = RowReader(as_layout(counts, layout), n_features=7)
    blocks = [block.toarray() for block in reader.blocks(size=size)]
    assert max(len(block) for block in blocks) <= size
    np.testing.assert_array_equal(np.vstack(blocks), counts)
    chosen = np.array([12, 0, 5])
    blocks = [block.toarray() for block in reader.blocks(chosen, size=size)]
    np.testing.assert_array_equal(np.vstack(blocks), counts[chosen])


def test_reader_blocks_can_be_read_twice(counts):
    blocks = ReaderBlocks(RowReader(sparse.csr_matrix(counts), n_features=7), np.array([3, 1]))
    for _ in range(2):
        np.testing.assert_array_equal(
            np.vstack([block.toarray() for block in blocks]), counts[[3, 1]]
        )


@pytest.mark.parametrize("layout", IN_MEMORY)
def test_memory_is_not_on_disk(counts, as_layout, layout):
    reader = RowReader(as_layout(counts, layout), n_features=7)
    assert not reader.on_disk
    assert reader.n_rows == 13


@pytest.mark.parametrize("layout", ON_DISK)
def test_files_are_on_disk(counts, as_layout, layout):
    reader = RowReader(as_layout(counts, layout), n_features=7)
    assert reader.on_disk
    assert reader.n_rows == 13


@pytest.mark.parametrize("layout", ["h5ad_csc", "zarr_csc"])
def test_csc_on_disk_is_refused_with_the_mend(counts, as_layout, layout):
    with pytest.raises(ValueError, match=r"CSC.*adata\.X\.tocsr\(\)"):
        RowReader(as_layout(counts, layout), n_features=7)


def test_one_cell_of_one_feature():
    picked = RowReader(np.array([[3]]), n_features=1).rows([0])
    assert picked.toarray().tolist() == [[3.0]]


def test_no_rows(counts):
    assert RowReader(sparse.csr_matrix(counts), n_features=7).rows(slice(0, 0)).shape == (0, 7)


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_parts_of_an_entry_do_not_overflow(dtype):
    parts = np.array([200, 100], dtype=dtype)
    matrix = sparse.csr_matrix((parts, [0, 0], [0, 2]), shape=(1, 1))
    whole = RowReader(matrix, n_features=1).rows([0])
    assert whole.toarray().tolist() == [[parts.sum(dtype=float)]]


@pytest.mark.parametrize("position", [None, np.array([2, 0, -1, 1])])
def test_entries_in_parts_are_one_entry(position):
    dense = np.array([[3, 0, 1, 0], [0, 2, 0, 4.0]])
    parts = sparse.csr_matrix(
        ([1, 2, 1, 1, 1, 4], ([0, 2, 0, 1, 1, 3]), [0, 3, 6]), shape=dense.shape, dtype=np.float32
    )
    parts.data = np.array([1, 1, 2, 1, 1, 4], dtype=np.float32)
    stored = parts.copy()
    n_features = 4 if position is None else 3
    whole = RowReader(sparse.csr_matrix(dense), position=position, n_features=n_features)
    found = RowReader(parts, position=position, n_features=n_features).rows(slice(None))
    assert found.has_canonical_format
    expected = whole.rows(slice(None))
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(parts.data, stored.data)  # the user's matrix stays as it was
    assert parts.nnz == 6
