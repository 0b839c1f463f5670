"""AUROC and average precision by counting, around each open entry, who scores lower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal.metrics._blocks import by_column, lines, nonzero_entries, slices, values_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLAT_BLOCK_VALUES = 1 << 24

Scores = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


@dataclass(frozen=True, eq=False)
class _Open:
    """Open entries of some lines, and how many entries of their line score lower or higher.

    ``weight`` is the number of open entries that an item stands for, ``line`` the line it is
    in; ``below`` and ``not_above`` count the line's entries that score less, and at most as
    much; ``open_at_least`` counts its open entries that score at least as much.
    """

    weight: NDArray[np.int64]
    line: NDArray[np.int64]
    below: NDArray[np.int64]
    not_above: NDArray[np.int64]
    open_at_least: NDArray[np.int64]

    def scores(self, *, n_lines: int, length: int) -> Scores:
        """Return AUROC and average precision of each line; NaN where only one class is."""

        def total(values: NDArray[Any]) -> NDArray[np.float64]:
            sums = np.bincount(self.line, self.weight * values, minlength=n_lines)
            return sums.astype(np.float64)  # numpy counts in integers where nothing is open

        n_open = total(np.ones(self.line.size))
        rank_sum = total((self.below + self.not_above + 1) / 2)
        precision = total(self.open_at_least / np.maximum(length - self.below, 1))
        undefined = (n_open == 0) | (n_open == length)
        n_pairs = np.where(undefined, np.nan, n_open * (length - n_open))
        auroc = (rank_sum - n_open * (n_open + 1) / 2) / n_pairs
        return auroc, precision / np.where(undefined, np.nan, n_open)


def count_columns(truth: Any, prediction: Any) -> Scores:
    """Return AUROC and average precision of every column.

    Parameters
    ----------
    truth
        Matrix of shape (n_rows, n_columns), open where above 0.
    prediction
        Scores of the same shape.
    """
    n_rows, n_columns = truth.shape
    auroc, precision = np.full(n_columns, np.nan), np.full(n_columns, np.nan)
    if n_rows == 0:
        return auroc, precision
    is_open, prediction = sparse.csc_matrix(truth > 0), by_column(prediction)
    for columns in slices(n_columns, n_rows):
        block = lines(prediction, columns)
        found = _count_block(is_open[:, columns], block)
        auroc[columns], precision[columns] = found.scores(n_lines=len(block), length=n_rows)
    return auroc, precision


def count_flat(truth: Any, prediction: Any) -> Scores:
    """Return AUROC and average precision over all entries, each of shape (1,)."""
    entries = nonzero_entries(truth > 0)
    scores = values_at(prediction, entries.row, entries.col)
    score, weight = np.unique(scores, return_counts=True)
    below, not_above = np.zeros((2, score.size), dtype=np.int64)
    columns = by_column(prediction.T)
    for rows in slices(*truth.shape, n_values=_FLAT_BLOCK_VALUES):
        block = lines(columns, rows).ravel()
        block.sort()
        below += np.searchsorted(block, score, side="left")
        not_above += np.searchsorted(block, score, side="right")
    found = _Open(
        weight=weight,
        line=np.zeros(score.size, dtype=np.int64),
        below=below,
        not_above=not_above,
        open_at_least=weight[::-1].cumsum()[::-1],
    )
    return found.scores(n_lines=1, length=truth.shape[0] * truth.shape[1])


def _count_block(is_open: Any, block: NDArray[Any]) -> _Open:
    """Count around the open entries of some lines; sorts the block in place.

    ``is_open`` is CSC of shape (length, n_lines), ``block`` of shape (n_lines, length).
    """
    n_open = np.diff(is_open.indptr)
    line = np.repeat(np.arange(len(block)), n_open)
    score = block[line, is_open.indices]
    score = score[np.lexsort((score, line))]
    block.sort(axis=1)
    return _Open(
        weight=np.ones(line.size, dtype=np.int64),
        line=line,
        below=_bisect(block, line, score, or_equal=False),
        not_above=_bisect(block, line, score, or_equal=True),
        open_at_least=is_open.indptr[1:][line] - _tie_starts(line, score),
    )


def _tie_starts(line: NDArray[Any], score: NDArray[Any]) -> NDArray[np.int64]:
    """Return where each entry's run of equal (line, score) starts; both are in order."""
    starts = np.arange(line.size)
    starts[1:][(line[1:] == line[:-1]) & (score[1:] == score[:-1])] = 0
    return np.maximum.accumulate(starts)


def _bisect(
    ordered: NDArray[Any], line: NDArray[Any], score: NDArray[Any], *, or_equal: bool
) -> NDArray[np.int64]:
    """Count the values of a line that are below ``score``, or equal to it if asked.

    All entries bisect together: a loop over the bits of the line's length, not over lines.
    ``ordered`` is sorted along its second axis; ``line`` and ``score`` are of shape
    (n_entries,).
    """
    length = ordered.shape[1]
    values, base = ordered.ravel(), line * length - 1
    found = np.zeros(line.size, dtype=np.int64)
    for bit in reversed(range(length.bit_length())):
        probe = found + (1 << bit)
        value = values[base + np.minimum(probe, length)]
        lower = value <= score if or_equal else value < score
        found = np.where(lower & (probe <= length), probe, found)
    return found
