"""Matrices of any storage, read a bounded block of columns at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scvi_xmodal._arguments import same_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

BLOCK_VALUES = 1 << 22
"""Values in a dense block: 32 MB in float64."""


def as_matrix(matrix: Any, *, name: str) -> Any:
    """Return a matrix as a 2-d array, CSR or CSC matrix, without copying what is one already.

    Matrices backed by a file are read into memory as they are stored: dense or sparse.
    """
    if hasattr(matrix, "var_names"):
        raise ValueError(f"{name} must be a matrix, not an AnnData: give adata.X or a layer.")
    if hasattr(matrix, "to_memory"):  # anndata's backed sparse matrices
        matrix = matrix.to_memory()
    if sparse.issparse(matrix):
        make = sparse.csc_matrix if matrix.format == "csc" else sparse.csr_matrix
        matrix = make(matrix)
        if not matrix.has_canonical_format:
            # entries that stand in parts, whose sum a small type of numbers may not hold
            matrix = matrix.astype(np.result_type(matrix.dtype, np.float32), copy=True)
            matrix.sum_duplicates()
    else:
        matrix = np.asarray(matrix)
    if matrix.ndim != 2:
        raise ValueError(f"{name} must be of shape (n_cells, n_features), got {matrix.shape}.")
    if matrix.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {matrix.dtype}: numbers are needed.")
    return matrix.astype(np.float32) if matrix.dtype == np.float16 else matrix


def check_pair(truth: Any, prediction: Any) -> tuple[Any, Any]:
    """Return both as matrices.

    Raises
    ------
    ValueError
        If their shapes differ, two tables name other cells or features, or the prediction holds
        NaN or infinite values.
    """
    for axis in ("index", "columns"):
        one, two = (getattr(values, axis, None) for values in (truth, prediction))
        if not (isinstance(one, pd.Index) and isinstance(two, pd.Index)):
            continue
        numbered = "i" in (one.dtype.kind, two.dtype.kind)
        if not numbered and not same_names(one, two):
            raise ValueError(
                f"truth and prediction are tables of other {axis} or in another order, such as "
                f"{list(one[:2])} and {list(two[:2])}: give "
                "prediction.loc[truth.index, truth.columns]."
            )
    truth = as_matrix(truth, name="truth")
    prediction = as_matrix(prediction, name="prediction")
    if truth.shape != prediction.shape:
        raise ValueError(
            f"truth has shape {truth.shape} and prediction {prediction.shape}: both need the same "
            "cells and features in the same order."
        )
    check_finite(truth, name="truth")
    check_finite(prediction, name="prediction")
    return truth, prediction


def check_finite(matrix: Any, *, name: str) -> None:
    """Raise a ``ValueError`` if a value is NaN or infinite."""
    if matrix.dtype.kind != "f":
        return
    values = matrix.data[:, None] if sparse.issparse(matrix) else matrix
    for rows in slices(values.shape[0], values.shape[1]):
        bad = ~np.isfinite(values[rows])
        if bad.any():
            raise ValueError(
                f"{name} holds {values[rows][bad][0]}: scores need finite values. Drop the cells "
                "or features concerned, or train again if a model returned them."
            )


def slices(n_lines: int, length: int, *, n_values: int = BLOCK_VALUES) -> Iterator[slice]:
    """Yield slices that cut ``n_lines`` lines into blocks of about ``n_values`` values."""
    width = max(1, n_values // max(1, length))
    for start in range(0, n_lines, width):
        yield slice(start, min(start + width, n_lines))


def by_column(matrix: Any) -> Any:
    """Return a matrix whose columns are cheap to slice: CSC if sparse."""
    return matrix.tocsc() if sparse.issparse(matrix) else matrix


def lines(matrix: Any, columns: slice, dtype: Any = None) -> NDArray[Any]:
    """Return a dense copy of some columns, of shape (n_columns, n_rows)."""
    block = matrix[:, columns]
    block = block.toarray() if sparse.issparse(block) else block
    return np.array(block.T, dtype=dtype, order="C", copy=True)


def map_columns(
    function: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    truth: Any,
    prediction: Any,
) -> NDArray[np.float64]:
    """Score every column, a block of columns at a time.

    Parameters
    ----------
    function
        Takes truth and prediction, each of shape (n_columns, n_rows) in float64, and returns
        scores of shape (n_columns,).
    truth, prediction
        Matrices of equal shape.
    """
    n_rows, n_columns = truth.shape
    scores = np.full(n_columns, np.nan)
    if n_rows == 0:
        return scores
    truth, prediction = by_column(truth), by_column(prediction)
    for columns in slices(n_columns, n_rows):
        scores[columns] = function(
            lines(truth, columns, np.float64), lines(prediction, columns, np.float64)
        )
    return scores


def row_blocks(
    truth: Any, prediction: Any, dtype: Any = np.float64
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Yield blocks of rows of both, dense, of shape (n_block, n_columns)."""
    truth, prediction = by_column(truth.T), by_column(prediction.T)
    n_columns, n_rows = truth.shape
    for rows in slices(n_rows, n_columns):
        yield lines(truth, rows, dtype), lines(prediction, rows, dtype)


def values_at(matrix: Any, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    """Return single entries of a matrix, of shape (n_entries,)."""
    if not rows.size:  # of no entries scipy makes a sparse matrix
        return np.empty(0, dtype=matrix.dtype)
    return np.asarray(matrix[rows, columns]).ravel()


def nonzero_entries(matrix: Any) -> sparse.coo_matrix:
    """Return row, column and value of every entry that is not 0, in row order."""
    entries = sparse.csr_matrix(matrix, copy=sparse.issparse(matrix))
    entries.eliminate_zeros()
    return entries.tocoo()


def thin_cells(truth: Any, prediction: Any, max_entries: int | None) -> tuple[Any, Any]:
    """Keep every k-th cell, with the smallest k that leaves at most ``max_entries`` entries.

    One cell is always kept.
    """
    n_cells, n_features = truth.shape
    if max_entries is None or n_cells * n_features <= max_entries:
        return truth, prediction
    step = -(-n_cells // max(1, max_entries // n_features))
    return _every(truth, step), _every(prediction, step)


def _every(matrix: Any, step: int) -> Any:
    return matrix.tocsr()[::step] if sparse.issparse(matrix) else matrix[::step]
