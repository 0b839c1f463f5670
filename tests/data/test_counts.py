"""Counts pass; anything else is named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from scvi_xmodal.data import _counts as counts_module
from scvi_xmodal.data import check_counts

LAYOUTS = (
    "dense",
    "csr_matrix",
    "csc_matrix",
    "csr_array",
    "csc_array",
    "h5ad_csr",
    "h5ad_csc",
    "h5ad_dense",
    "zarr_csr",
    "zarr_dense",
)
BAD = {
    "nan": (np.nan, "holds nan: replace missing values"),
    "infinite": (np.inf, "holds inf"),
    "negative": (-2.0, "holds -2.0, a negative value.*layer='counts'"),
    "fraction": (1.5, "holds 1.5, which is not a whole number.*normalised or log-transformed"),
    "logarithm": (np.log1p(3), "holds 1.38629, which is not a whole number"),
}


@pytest.mark.parametrize("layout", [*LAYOUTS, "int64", "bool", "unsorted"])
def test_counts_pass(counts, as_layout, layout):
    check_counts(as_layout(counts, layout), name="adata.X")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("value", "message"), BAD.values(), ids=BAD)
def test_one_bad_value_among_many_is_found(counts, as_layout, layout, value, message):
    values = counts.copy()
    values[11, 5] = value
    with pytest.raises(ValueError, match=rf"^adata\.X {message}"):
        check_counts(as_layout(values, layout), name="adata.X")


@pytest.mark.parametrize("layout", ["csr_matrix", "h5ad_csr", "h5ad_dense", "dense"])
def test_bad_values_are_found_in_later_blocks(counts, as_layout, monkeypatch, layout):
    monkeypatch.setattr(counts_module, "_VALUES_AT_A_TIME", 4)
    monkeypatch.setattr(counts_module, "_DENSE_BLOCK", 2)
    check_counts(as_layout(counts, layout), name="x")
    values = counts.copy()
    values[12, 6] = 0.25
    with pytest.raises(ValueError, match="0.25"):
        check_counts(as_layout(values, layout), name="x")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "float64"])
def test_number_types(dtype):
    check_counts(np.array([[0, 3], [7, 1]], dtype=dtype), name="x")


def test_negative_integers():
    with pytest.raises(ValueError, match="holds -1, a negative value"):
        check_counts(np.array([[0, -1]]), name="x")


def test_large_counts():
    check_counts(np.array([[2.0**40, 3]]), name="x")


@pytest.mark.parametrize("values", [[["1", "2"]], [[None, 1]], [[1 + 2j]]])
def test_what_is_no_number(values):
    with pytest.raises(ValueError, match=r"x has dtype .*: numbers are needed"):
        check_counts(np.array(values), name="x")


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_no_values(shape):
    check_counts(np.zeros(shape), name="x")
    check_counts(sparse.csr_matrix(shape), name="x")


def test_stored_zeros_are_counts():
    check_counts(sparse.csr_matrix((np.zeros(1), [0], [0, 1])), name="x")


def test_nothing_is_changed(counts):
    matrix = sparse.csr_matrix(counts)
    before = matrix.copy()
    check_counts(matrix, name="x")
    assert (matrix != before).nnz == 0
