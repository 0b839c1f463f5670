"""A minibatch of sparse rows, as tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class SparseRows(NamedTuple):
    """Rows of a sparse matrix in CSR layout, moved and indexed as four plain parts.

    A ``NamedTuple`` of tensors, because Lightning moves those between devices by itself and
    :class:`torch.Tensor` in CSR layout lacks the products that the blocked layers need.

    Parameters
    ----------
    values
        Stored values of shape (n_stored,), row after row.
    columns
        Column of each stored value, of shape (n_stored,); ascending within a row.
    offsets
        Where each row begins and the last one ends, of shape (n_rows + 1,).
    n_columns
        Number of columns of the matrix.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> from scvi_xmodal.nn import SparseRows
    >>> rows = SparseRows.from_scipy(csr_matrix([[0, 2, 0], [1, 0, 3]], dtype="float32"))
    >>> rows.to_dense()
    tensor([[0., 2., 0.],
            [1., 0., 3.]])
    >>> rows.row_sums()
    tensor([2., 4.])
    """

    values: torch.Tensor
    columns: torch.Tensor
    offsets: torch.Tensor
    n_columns: int

    @classmethod
    def from_scipy(cls, matrix: csr_matrix) -> SparseRows:
        """Wrap a CSR matrix of shape (n_rows, n_columns) whose indices are sorted; no copy."""
        columns, offsets = matrix.indices, matrix.indptr
        if columns.dtype != offsets.dtype:  # torch wants one integer type for both
            columns, offsets = columns.astype(np.int64), offsets.astype(np.int64)
        return cls(
            torch.from_numpy(matrix.data),
            torch.from_numpy(columns),
            torch.from_numpy(offsets),
            matrix.shape[1],
        )

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.offsets.shape[0] - 1

    def with_values(self, values: torch.Tensor) -> SparseRows:
        """Return the same pattern with other values of shape (n_stored,)."""
        return self._replace(values=values)

    def binarized(self) -> SparseRows:
        """Return the same rows with 1 wherever a value above 0 is stored."""
        return self.with_values((self.values > 0).to(self.values.dtype))

    def select(self, rows: torch.Tensor) -> SparseRows:
        """Return some rows, by their numbers of shape (n_chosen,); waits for a GPU."""
        counts = (self.offsets[1:] - self.offsets[:-1])[rows]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0).to(counts.dtype)])
        shift = (self.offsets[:-1][rows] - offsets[:-1]).repeat_interleave(counts.long())
        stored = torch.arange(shift.shape[0], device=shift.device) + shift
        return SparseRows(self.values[stored], self.columns[stored], offsets, self.n_columns)

    def row_index(self) -> torch.Tensor:
        """Return the row of each stored value, of shape (n_stored,)."""
        counts = (self.offsets[1:] - self.offsets[:-1]).long()
        # output_size keeps a GPU from waiting for the sum of the counts
        return torch.repeat_interleave(counts, output_size=self.values.shape[0])

    def row_sums(self) -> torch.Tensor:
        """Return the sum of each row, of shape (n_rows,)."""
        return torch.segment_reduce(self.values, "sum", offsets=self.offsets, initial=0)

    def row_counts(self) -> torch.Tensor:
        """Return how many positive values each row stores, of shape (n_rows,)."""
        return self.binarized().row_sums()

    def to_dense(self) -> torch.Tensor:
        """Return the rows as a dense tensor of shape (n_rows, n_columns)."""
        dense = self.values.new_zeros(self.n_rows, self.n_columns)
        dense[self.row_index(), self.columns.long()] = self.values
        return dense
