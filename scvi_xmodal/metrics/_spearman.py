"""Rank correlation per feature, per cell, and over all entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._blocks import (
    check_pair,
    map_columns,
    nonzero_entries,
    thin_cells,
    values_at,
)
from scvi_xmodal.metrics._pearson import correlation, pearson_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FLAT_ENTRIES = 200_000_000
"""Entries of cells x features that flattened, sorted scores look at unless told otherwise."""


def spearman_per_feature(truth: Any, prediction: Any) -> NDArray[np.float64]:
    """Return Spearman's correlation of every feature over cells.

    Pearson's correlation of the mid-ranks: tied values share the mean of their ranks, as in
    ``scipy.stats.spearmanr``. The many zeros of single-cell data are one large tie.

    Parameters
    ----------
    truth
        Measured values of shape (n_cells, n_features), dense or sparse; any increasing
        transformation of a cell's scale gives the same score per cell.
    prediction
        Predicted values of shape (n_cells, n_features), dense or sparse.

    Returns
    -------
    Correlations of shape (n_features,); NaN where the truth is constant, 0 where only the
    prediction is.

    Raises
    ------
    ValueError
        If the shapes differ or a value is NaN or infinite.

    Examples
    --------
    >>> from scvi_xmodal.metrics import spearman_per_feature
    >>> spearman_per_feature([[0, 1], [1, 2], [2, 4]], [[1, 1], [10, 1], [100, 1]])
    array([1., 0.])
    """
    return map_columns(_spearman_lines, *check_pair(truth, prediction))


def spearman_per_cell(truth: Any, prediction: Any) -> NDArray[np.float64]:
    """Return Spearman's correlation of every cell over features, of shape (n_cells,).

    Arguments, special cases and errors are those of :func:`spearman_per_feature`.

    Examples
    --------
    >>> from scvi_xmodal.metrics import spearman_per_cell
    >>> spearman_per_cell([[0, 1, 2]], [[1, 10, 100]])
    array([1.])
    """
    truth, prediction = check_pair(truth, prediction)
    return map_columns(_spearman_lines, truth.T, prediction.T)


def spearman_flat(
    truth: Any, prediction: Any, *, max_entries: int | None = MAX_FLAT_ENTRIES
) -> float:
    r"""Return Spearman's correlation over all entries of cells x features, exactly.

    The truth's zeros share one rank :math:`r_0`, so only its non-zero entries need the rank of
    their prediction:

    .. math::
        \sum_k (r_k - \bar r)(s_k - \bar r) = \sum_{k: t_k \ne 0} (r_k - r_0)(s_k - \bar r)

    with ranks r of the truth and s of the prediction; variances follow from the sizes of ties.
    Memory: one sorted copy of the predicted values and some 50 bytes per non-zero entry.

    Parameters
    ----------
    truth, prediction
        As in :func:`spearman_per_feature`.
    max_entries
        With more entries than this, every k-th cell in the given order is looked at, with the
        smallest k that suffices; ``None`` looks at all.

    Returns
    -------
    The correlation; NaN where the truth is constant, 0 where only the prediction is.

    Raises
    ------
    ValueError
        If the shapes differ, a value is NaN or infinite, or ``max_entries`` is below 1.

    Examples
    --------
    >>> from scvi_xmodal.metrics import spearman_flat
    >>> spearman_flat([[0, 0], [1, 3]], [[0.1, 0.1], [0.2, 0.9]])
    1.0
    """
    check_arguments(locals(), truth=None, prediction=None)
    truth, prediction = thin_cells(*check_pair(truth, prediction), max_entries)
    n_entries = truth.shape[0] * truth.shape[1]
    if n_entries == 0:
        return float("nan")
    entries = nonzero_entries(truth)
    predicted = _sorted_values(prediction)
    truth_ranks, zero_rank, truth_square = _truth_ranks(entries.data, n_entries)
    if truth_square == 0:
        return float("nan")
    at = values_at(prediction, entries.row, entries.col)
    mean_rank = (n_entries + 1) / 2
    cross = np.dot(truth_ranks - zero_rank, _ranks_in(predicted, at) - mean_rank)
    return float(correlation(cross, truth_square, _rank_square(predicted)))


def midranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Rank each row of an array of shape (n_lines, length) from 1; ties share their mean."""
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, axis=1)
    length = values.shape[1]
    position = np.arange(length, dtype=np.int32)
    edge = np.ones((values.shape[0], length + 1), dtype=bool)
    edge[:, 1:-1] = ordered[:, 1:] != ordered[:, :-1]
    first = np.maximum.accumulate(np.where(edge[:, :-1], position, 0), axis=1)
    last = np.where(edge[:, 1:], position, length)[:, ::-1]
    last = np.minimum.accumulate(last, axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    return ranks


def _spearman_lines(truth: NDArray[Any], prediction: NDArray[Any]) -> NDArray[np.float64]:
    return pearson_lines(midranks(truth), midranks(prediction))


def _sorted_values(matrix: Any) -> NDArray[Any]:
    """Return all values of a matrix in order, of shape (n_entries,)."""
    if not sparse.issparse(matrix):
        return np.sort(matrix, axis=None)
    values = np.zeros(matrix.shape[0] * matrix.shape[1], dtype=matrix.dtype)
    values[: matrix.data.size] = matrix.data
    values.sort()
    return values


def _truth_ranks(
    nonzero: NDArray[Any], n_entries: int
) -> tuple[NDArray[np.float64], float, float]:
    """Return the ranks of the non-zero values, the rank of 0, and the centred sum of squares."""
    n_zero = n_entries - nonzero.size
    ordered = np.sort(nonzero)
    ranks = _ranks_in(ordered, nonzero)
    ranks[nonzero > 0] += n_zero
    zero_rank = float((nonzero < 0).sum() + (n_zero + 1) / 2)
    return ranks, zero_rank, _centred_square(n_entries, _tie_term(ordered) + _cubic(float(n_zero)))


def _ranks_in(ordered: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mid-ranks that ``values``, members of ``ordered``, have in it."""
    order = np.argsort(values)  # searching in order walks through memory instead of jumping
    found = np.searchsorted(ordered, values[order], side="left").astype(np.float64)
    found += np.searchsorted(ordered, values[order], side="right")
    ranks = np.empty(values.size)
    ranks[order] = (found + 1) / 2
    return ranks


def _rank_square(ordered: NDArray[Any]) -> float:
    return _centred_square(ordered.size, _tie_term(ordered))


def _centred_square(n: int, tie_term: float) -> float:
    r"""Return :math:`\sum (r - \bar r)^2 = (n^3 - n)/12 - \sum_{ties} (m^3 - m)/12`."""
    return max(0.0, (_cubic(float(n)) - tie_term) / 12)


def _tie_term(ordered: NDArray[Any]) -> float:
    """Return the sum over groups of m equal values of m^3 - m."""
    if ordered.size < 2:
        return 0.0
    tied = np.zeros(ordered.size + 1, dtype=np.int8)
    tied[1:-1] = ordered[1:] == ordered[:-1]
    borders = np.flatnonzero(np.diff(tied))  # start and end of every run of equal neighbours
    size = borders[1::2] - borders[::2] + 1.0
    return float(_cubic(size).sum())


def _cubic(n: Any) -> Any:
    return n**3 - n
