"""Rows of stored matrices against scipy's own."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr
from anndata.io import write_elem
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scvi_xmodal.data import StoredRows, _stored_rows


@pytest.fixture(scope="module")
def matrix() -> sparse.csr_matrix:
    """Counts of shape (300, 40), some rows empty."""
    counts = sparse.random(300, 40, density=0.1, format="csr", random_state=0, dtype=np.float32)
    keep = np.arange(300) % 7 != 3
    return sparse.csr_matrix(sparse.diags(keep.astype(np.float32)) @ counts)


@pytest.fixture(scope="module", params=["h5", "zarr"])
def group(request, matrix, tmp_path_factory):
    """Yield the matrix in a file."""
    path = tmp_path_factory.mktemp("stored") / "rows"
    store = h5py.File(path, "w") if request.param == "h5" else zarr.open_group(path, mode="w")
    write_elem(store, "X", matrix)
    yield store["X"]
    if request.param == "h5":
        store.close()


@pytest.mark.parametrize("bridge", [0, 10, 10**6])
@pytest.mark.parametrize(
    "rows",
    [[], [0], [3], [299], [0, 299], [2, 3, 4, 10, 11], [*range(0, 300, 2)], [*range(300)]],
    ids=str,
)
def test_rows_are_scipys(group, matrix, rows, bridge, monkeypatch):
    monkeypatch.setattr(_stored_rows, "_BRIDGE", bridge)
    rows = np.array(rows, dtype=np.int64)
    found = StoredRows(group, n_columns=40).rows(rows)
    found.check_format(full_check=True)
    assert found.dtype == np.float32
    assert (found != matrix[rows]).nnz == 0
    assert found.shape == (rows.size, 40)


@given(picked=st.sets(st.integers(0, 19)), bridge=st.integers(0, 12), seed=st.integers(0, 9))
def test_any_rows_of_any_matrix(picked, bridge, seed):
    rng = np.random.default_rng(seed)
    matrix = sparse.csr_matrix(rng.poisson(0.4, (20, 6)).astype(np.int64))
    parts = {name: getattr(matrix, name) for name in ("data", "indices", "indptr")}
    rows = np.array(sorted(picked), dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stored_rows, "_BRIDGE", bridge)
        found = StoredRows(parts, n_columns=6).rows(rows)
    np.testing.assert_array_equal(found.toarray(), matrix[rows].toarray())


class Counted:
    """An array that counts how often, and how many values, it is read."""

    def __init__(self, values):
        self.values, self.dtype = values, values.dtype
        self.n_reads = self.n_values = 0

    def __getitem__(self, key):
        self.n_reads += 1
        self.n_values += self.values[key].size
        return self.values[key]


def test_near_rows_are_read_at_once_and_far_ones_apart(matrix):
    parts = {name: Counted(getattr(matrix, name)) for name in ("data", "indices", "indptr")}
    stored = StoredRows(parts, n_columns=40)
    stored.rows(np.arange(0, 300, 2))
    assert parts["data"].n_reads == 1
    parts["data"].n_reads = parts["data"].n_values = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_stored_rows, "_BRIDGE", 5)
        found = stored.rows(np.array([10, 200]))
    assert parts["data"].n_reads == 2
    assert parts["data"].n_values == found.nnz
