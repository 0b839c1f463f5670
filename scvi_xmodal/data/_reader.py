"""Rows of a count matrix, in the network's feature order, as they are asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal.data._stored_rows import StoredRows
from scvi_xmodal.nn import SparseRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from scvi_xmodal.data._repool import PeakPool

_BLOCK = 512


class RowReader:
    """Reads rows of a matrix and renames its columns to the network's.

    Only the rows asked for are touched; a matrix on disk stays there. Nothing is copied but
    those rows (a CSC matrix, which has no rows to read, is converted once).

    Parameters
    ----------
    matrix
        Counts of shape (n_cells, n_columns): dense, sparse in any format, or backed.
    position
        The network's feature for each column, -1 for columns to leave out; ``None`` where both
        are the same.
    n_features
        Number of the network's features.
    pool
        Which columns open which of the network's peaks, in place of ``position``.
    own_rows
        Row of the matrix for each cell, of shape (n_cells,); ``None`` where all stand in order.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.data import RowReader
    >>> reader = RowReader(np.array([[5, 6, 7.0]]), position=np.array([1, -1, 0]), n_features=2)
    >>> reader.rows([0]).toarray()
    array([[7., 5.]], dtype=float32)
    """

    def __init__(
        self,
        matrix: Any,
        *,
        position: NDArray[np.int64] | None = None,
        n_features: int,
        pool: PeakPool | None = None,
        own_rows: NDArray[np.int64] | None = None,
    ):
        if sparse.issparse(matrix) and matrix.format != "csr":
            matrix = matrix.tocsr()
        if getattr(matrix, "format", "csr") != "csr":
            raise ValueError(
                "The counts lie on disk in CSC layout, from which rows cannot be read. Write them "
                "as CSR: adata.X = adata.X.tocsr()."
            )
        self.matrix = matrix
        self.n_features = n_features
        self.pool = pool
        self.own_rows = own_rows
        same = position is None or (
            position.size == n_features and bool((position == np.arange(n_features)).all())
        )
        self.position = None if same else position

    @property
    def on_disk(self) -> bool:
        """Whether the matrix lies in a file."""
        return not (sparse.issparse(self.matrix) or isinstance(self.matrix, np.ndarray))

    @property
    def n_rows(self) -> int:
        """Number of cells."""
        return self.matrix.shape[0] if self.own_rows is None else self.own_rows.size

    def rows(self, rows: Any) -> sparse.csr_matrix:
        """Return rows as CSR of shape (n_rows, n_features), float32, indices sorted."""
        picked = sparse.csr_matrix(self._pick(rows))
        if not picked.has_canonical_format:
            # an entry may stand in parts, which would be seen as several peaks or counts; their
            # sum may be too large for the type that holds the parts
            picked = picked.astype(np.float32, copy=True)
            picked.sum_duplicates()
        if self.pool is not None:
            return self.pool.apply(picked)
        if self.position is not None:
            picked = self._rename(picked, self.position)
        if picked.data.dtype != np.float32:
            picked = picked.astype(np.float32)
        if not picked.has_sorted_indices:
            picked = picked.sorted_indices()
        return picked

    def sparse_rows(self, rows: Any) -> SparseRows:
        """Return rows as tensors."""
        return SparseRows.from_scipy(self.rows(rows))

    def blocks(
        self, rows: NDArray[np.int64] | None = None, *, size: int = _BLOCK
    ) -> Iterator[sparse.csr_matrix]:
        """Yield all given rows, some thousands at a time."""
        n_rows = self.n_rows if rows is None else len(rows)
        for start in range(0, n_rows, size):
            stop = min(start + size, n_rows)
            yield self.rows(slice(start, stop) if rows is None else rows[start:stop])

    def _pick(self, rows: Any) -> Any:
        if self.own_rows is not None:
            rows = self.own_rows[rows if isinstance(rows, slice) else np.asarray(rows)]
        if not self.on_disk:
            return self.matrix[rows if isinstance(rows, slice) else np.asarray(rows)]
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.n_rows))
        # files want ascending rows without repeats; give them back as asked
        unique, inverse = np.unique(np.asarray(rows, dtype=np.int64), return_inverse=True)
        picked = self._from_file(unique)
        same = unique.size == inverse.size and bool((inverse == np.arange(inverse.size)).all())
        return picked if same else picked[inverse]

    def _from_file(self, rows: NDArray[np.int64]) -> sparse.csr_matrix:
        if self._stored is not None:
            return self._stored.rows(rows)
        return _ranges(self.matrix, rows)

    @cached_property
    def _stored(self) -> StoredRows | None:
        """Return the rows of a sparse matrix in a file, none of a dense one."""
        group = getattr(self.matrix, "group", None)
        if group is None or getattr(self.matrix, "format", None) != "csr":
            return None
        return StoredRows(group, n_columns=self.matrix.shape[1])

    def _rename(self, picked: sparse.csr_matrix, position: NDArray[np.int64]) -> sparse.csr_matrix:
        columns = position[picked.indices]
        keep = columns >= 0
        kept = np.concatenate([[0], np.cumsum(keep)])
        indptr = kept[picked.indptr].astype(picked.indptr.dtype)
        parts = (picked.data[keep], columns[keep].astype(picked.indices.dtype), indptr)
        renamed = sparse.csr_matrix(parts, shape=(picked.shape[0], self.n_features))
        renamed.has_sorted_indices = False
        renamed.sort_indices()
        return renamed


def _ranges(matrix: Any, rows: NDArray[np.int64]) -> sparse.csr_matrix:
    """Read ascending rows of a dense file range by range, each range at once."""
    edges = [0, *(np.flatnonzero(np.diff(rows) > 1) + 1).tolist(), rows.size]
    pieces = [rows[a:b] for a, b in zip(edges[:-1], edges[1:], strict=True) if b > a]
    found = [sparse.csr_matrix(matrix[own[0] : own[-1] + 1]) for own in pieces]
    return sparse.vstack(found or [sparse.csr_matrix(matrix[:0])], format="csr")


class ReaderBlocks:
    """Blocks of a reader's rows that can be iterated over again."""

    def __init__(self, reader: RowReader, rows: NDArray[np.int64]):
        self.reader = reader
        self.rows = rows

    def __iter__(self) -> Iterator[sparse.csr_matrix]:
        return self.reader.blocks(self.rows)
