"""Rows of a CSR matrix in an HDF5 or zarr group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BRIDGE = 4096
"""Stored values between two wanted rows that are read along rather than sought past."""


class StoredRows:
    """Reads ascending rows of a CSR matrix on disk, near ones in one go.

    AnnData's own indexing of stored matrices looks up the version of scipy at every call, which
    takes milliseconds; scattered training cells are hundreds of calls a block. Here the row
    offsets are read once (8 bytes a cell), and rows with little between them are read together.

    Parameters
    ----------
    group
        HDF5 or zarr group with ``data``, ``indices`` and ``indptr``.
    n_columns
        Number of columns.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.data import StoredRows
    >>> group = {
    ...     "data": np.array([5.0, 6, 7]),
    ...     "indices": np.array([1, 0, 1]),
    ...     "indptr": np.array([0, 1, 1, 3]),
    ... }
    >>> StoredRows(group, n_columns=2).rows(np.array([0, 2])).toarray()
    array([[0., 5.],
           [6., 7.]])
    """

    def __init__(self, group: Any, *, n_columns: int):
        self._data, self._indices = group["data"], group["indices"]
        self._offsets = np.asarray(group["indptr"][:], dtype=np.int64)
        self._n_columns = n_columns

    def rows(self, rows: NDArray[np.int64]) -> sparse.csr_matrix:
        """Return ascending rows without repeats as CSR of shape (n_rows, n_columns)."""
        starts, stops = self._offsets[rows], self._offsets[rows + 1]
        indptr = np.concatenate([[0], np.cumsum(stops - starts)])
        data = np.empty(indptr[-1], dtype=self._data.dtype)
        indices = np.empty(indptr[-1], dtype=self._indices.dtype)
        for first, last in self._stretches(starts, stops):
            values = slice(int(starts[first]), int(stops[last - 1]))
            here = slice(indptr[first], indptr[last])
            if here.stop - here.start == values.stop - values.start:  # nothing is read along
                data[here], indices[here] = self._data[values], self._indices[values]
                continue
            skipped = starts[first:last] - values.start - (indptr[first:last] - here.start)
            n_stored = np.diff(indptr[first : last + 1])
            kept = np.repeat(skipped, n_stored) + np.arange(here.stop - here.start)
            data[here], indices[here] = self._data[values][kept], self._indices[values][kept]
        shape = (len(rows), self._n_columns)
        return sparse.csr_matrix((data, indices, indptr), shape=shape)

    @staticmethod
    def _stretches(starts: NDArray[np.int64], stops: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Return first and last (exclusive) of the rows that are read together."""
        if not starts.size:
            return []
        breaks = np.flatnonzero(starts[1:] - stops[:-1] > _BRIDGE) + 1
        edges = [0, *breaks.tolist(), starts.size]
        return list(zip(edges[:-1], edges[1:], strict=True))
