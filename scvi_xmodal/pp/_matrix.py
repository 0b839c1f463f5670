"""Count matrices of any kind, read a few rows at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal._layers import layer_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData
    from numpy.typing import NDArray

_BLOCK = 4096


def counts_of(adata: AnnData, layer: str | None, *, name: str) -> Any:
    """Return ``X`` or a layer, of shape (n_cells, n_features).

    Raises
    ------
    ValueError
        If it does not exist.
    """
    if layer is None:
        if adata.X is None:
            raise ValueError(f"{name}.X is empty; name the layer that holds the counts.")
        return adata.X
    if layer not in adata.layers:
        raise ValueError(
            f"{name}.layers[{layer!r}] does not exist; the layers are {layer_names(adata)}."
        )
    return adata.layers[layer]


def as_csr(matrix: Any) -> sparse.csr_matrix:
    """Return a copy as CSR without stored zeros or repeated entries.

    Sparse arrays stay arrays and sparse matrices stay matrices.

    Raises
    ------
    ValueError
        If this is no matrix of two dimensions, or a value is missing, infinite or negative.
    """
    if hasattr(matrix, "var_names"):
        raise ValueError("A matrix is needed, not an AnnData: give adata.X or a layer.")
    if sparse.issparse(matrix):
        found = _canonical(matrix.tocsr(copy=True))
    else:
        found = _canonical(sparse.csr_matrix(as_2d(matrix)))
    if found.data.dtype.kind == "f" and not np.isfinite(found.data).all():
        bad = found.data[~np.isfinite(found.data)][0]
        raise ValueError(f"The matrix holds {bad}: replace missing values, or drop those cells.")
    if found.data.dtype.kind != "b" and (found.data < 0).any():
        raise ValueError(f"The matrix holds {found.data.min()}: it must not be negative.")
    return found


def _canonical(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Join repeated entries and drop stored zeros, in place."""
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def as_2d(matrix: Any) -> NDArray[Any]:
    """Return dense or sparse values as a dense array of two dimensions."""
    array = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
    if array.ndim != 2:
        raise ValueError(f"A matrix (n_cells, n_features) is needed, got shape {array.shape}.")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"The matrix has dtype {array.dtype}: numbers are needed.")
    return array


def take_rows(matrix: Any, rows: NDArray[np.int64]) -> sparse.csr_matrix:
    """Return a copy of ascending rows as CSR; a matrix on disk is read there only."""
    if sparse.issparse(matrix):
        return _canonical(sparse.csr_matrix(_by_rows(matrix)[rows]))
    return sparse.vstack([*row_blocks(matrix, rows)], format="csr")


def row_blocks(matrix: Any, rows: NDArray[np.int64]) -> Iterator[sparse.csr_matrix]:
    """Yield copies of ascending rows as CSR, some thousands at a time."""
    matrix = _by_rows(matrix)
    for start in range(0, rows.size, _BLOCK):
        yield _canonical(sparse.csr_matrix(matrix[rows[start : start + _BLOCK]]))


def count_open(matrix: Any, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count in how many of the rows each column is not zero, of shape (n_features,)."""
    n_open = np.zeros(matrix.shape[1], dtype=np.int64)
    for block in row_blocks(matrix, rows):
        n_open += np.bincount(block.indices, minlength=matrix.shape[1])
    return n_open


def _by_rows(matrix: Any) -> Any:
    return matrix.tocsr() if sparse.issparse(matrix) else matrix


def log_normalize(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    r"""Size-normalise cells to their median total and take logarithms.

    .. math:: x_{ij} = \ln\left(1 + \frac{y_{ij}}{l_i} \, \text{median}(l)\right)

    Parameters
    ----------
    counts
        Counts of shape (n_cells, n_genes). The median is over those cells that have any count.

    Returns
    -------
    CSR float32 of the same shape.
    """
    library = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    median = np.median(library[library > 0]) if (library > 0).any() else 1.0
    scale = np.divide(median, library, out=np.zeros_like(library), where=library > 0)
    values = np.log1p(counts.data * np.repeat(scale, np.diff(counts.indptr)))
    parts = (values.astype(np.float32), counts.indices, counts.indptr)
    return sparse.csr_matrix(parts, shape=counts.shape)
