"""TF-IDF as scButterfly defines it, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal._arguments import shown
from scvi_xmodal.pp._matrix import as_2d, as_csr

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class TfIdf:
    """What TF-IDF learns from a set of cells.

    Parameters
    ----------
    idf
        Inverse document frequency of each peak, of shape (n_peaks,); 0 for peaks that were open
        in no cell, of which nothing is known.
    scale
        Largest product of term and inverse document frequency, by which values are divided.
    """

    idf: NDArray[np.float64]
    scale: float


def fit_tfidf(counts: Any) -> TfIdf:
    r"""Learn the statistics of TF-IDF from counts, or whatever is not zero where a peak is open.

    .. math:: \text{IDF}_j = \ln\left(1 + \frac{n}{df_j}\right), \qquad
        S = \max_{ij} \frac{b_{ij}}{\sum_k b_{ik}} \text{IDF}_j

    with b the binarised counts of n cells and :math:`df_j` the number of cells in which peak j
    is open (scButterfly, Methods, "preprocessing").

    Parameters
    ----------
    counts
        Matrix of shape (n_cells, n_peaks), dense or sparse. Give the training cells only: the
        authors' code learns from all cells, those to be predicted included.

    Returns
    -------
    :class:`TfIdf` with the IDF of each peak, of shape (n_peaks,).

    Raises
    ------
    ValueError
        If a count is negative or missing.

    Examples
    --------
    >>> from scvi_xmodal import pp
    >>> pp.fit_tfidf([[1, 0], [3, 1]]).idf.round(3)  # ln(1 + 2/2) and ln(1 + 2/1)
    array([0.693, 1.099])
    """
    binary = as_csr(counts)
    n_open = np.bincount(binary.indices, minlength=binary.shape[1])
    ratio = np.divide(binary.shape[0], n_open, out=np.zeros(n_open.size), where=n_open > 0)
    idf = np.log1p(ratio)
    largest = (_term(binary) * idf[binary.indices]).max(initial=0.0)
    return TfIdf(idf, float(largest) if largest > 0 else 1.0)


def tfidf(counts: Any, statistics: TfIdf | None = None) -> Any:
    r"""Weight open peaks by term frequency and inverse document frequency.

    .. math:: x_{ij} = \frac{b_{ij}}{\sum_k b_{ik}} \, \text{IDF}_j \, / \, S

    Values lie in [0, 1] for the cells that the statistics were learned from; a shallower cell
    than any of those can exceed 1.

    Parameters
    ----------
    counts
        Matrix of shape (n_cells, n_peaks), dense or sparse; stays as it is.
    statistics
        What :func:`fit_tfidf` learned from the training cells; by default from these cells.

    Returns
    -------
    Matrix of shape (n_cells, n_peaks); CSR if the counts are sparse.

    Raises
    ------
    ValueError
        If the statistics are of another number of peaks.

    Examples
    --------
    >>> from scvi_xmodal import pp
    >>> pp.tfidf([[1, 0], [3, 1]]).round(3)
    array([[1.   , 0.   ],
           [0.5  , 0.792]])
    """
    binary = as_csr(counts)
    statistics = fit_tfidf(binary) if statistics is None else statistics
    _check_peaks(binary.shape, statistics)
    values = _term(binary) * statistics.idf[binary.indices] / statistics.scale
    weighted = _with_values(binary, values)
    return weighted if sparse.issparse(counts) else weighted.toarray()


def inverse_tfidf(values: Any, statistics: TfIdf, depth: ArrayLike) -> Any:
    r"""Undo TF-IDF.

    .. math:: b_{ij} = x_{ij} \, S \, d_i / \text{IDF}_j

    This gives back the binary matrix exactly, but for peaks that were open in none of the cells
    the statistics were learned from, which TF-IDF sets to 0. Predicted values come out on the
    scale of a probability without being bounded by 1.

    Parameters
    ----------
    values
        TF-IDF values of shape (n_cells, n_peaks), dense or sparse.
    statistics
        What :func:`fit_tfidf` learned.
    depth
        Number of open peaks of each cell, of shape (n_cells,), or one for all. It is unknown
        for a cell that was not measured; the training median is a choice then.

    Returns
    -------
    Matrix of shape (n_cells, n_peaks); CSR if the values are sparse.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> from scvi_xmodal import pp
    >>> counts = [[1, 0], [3, 1]]
    >>> statistics = pp.fit_tfidf(counts)
    >>> pp.inverse_tfidf(pp.tfidf(counts, statistics), statistics, depth=[1, 2])
    array([[1., 0.],
           [1., 1.]])
    """
    shape = np.shape(values)
    _check_peaks(shape, statistics)
    depth = _checked_depth(depth, shape[0]) * statistics.scale
    idf = statistics.idf
    per_peak = np.divide(1.0, idf, out=np.zeros_like(idf), where=idf > 0)
    if not sparse.issparse(values):
        return as_2d(values) * depth[:, None] * per_peak
    matrix = as_csr(values)
    depth = np.repeat(depth, np.diff(matrix.indptr))
    return _with_values(matrix, matrix.data * depth * per_peak[matrix.indices])


def _checked_depth(depth: ArrayLike, n_cells: int) -> NDArray[np.float64]:
    """Return one depth for each cell."""
    found = np.asarray(depth)
    if found.dtype.kind not in "iuf" or not (np.isfinite(found) & (found >= 0)).all():
        raise ValueError(f"depth must be finite numbers of at least 0, got {shown(depth)}.")
    if found.shape not in ((), (n_cells,)):
        raise ValueError(
            f"depth has shape {found.shape}; one number for each of the {n_cells} cells, or one "
            "for all, is needed."
        )
    return np.broadcast_to(found.astype(np.float64), n_cells)


def _term(binary: sparse.csr_matrix) -> NDArray[np.float64]:
    """Return 1 / number of open peaks in the cell, for each stored value."""
    n_open = np.diff(binary.indptr)
    return np.repeat(1.0 / np.maximum(n_open, 1), n_open)


def _with_values(matrix: sparse.csr_matrix, values: NDArray[np.float64]) -> sparse.csr_matrix:
    """Return the same entries with other values; float32 stays float32."""
    dtype = np.result_type(matrix.dtype, np.float32)
    changed = type(matrix)((values.astype(dtype), matrix.indices, matrix.indptr), matrix.shape)
    changed.eliminate_zeros()
    return changed


def _check_peaks(shape: tuple[int, ...], statistics: TfIdf) -> None:
    if not isinstance(statistics, TfIdf):
        raise ValueError(
            f"statistics must be what fit_tfidf returned, got a {type(statistics).__name__}."
        )
    if shape[1:] != statistics.idf.shape:
        raise ValueError(
            f"The matrix has shape {shape}, but the statistics have {statistics.idf.size} peaks: "
            "learn them from the same peaks in the same order (pp.align_features, or "
            "pp.repool_peaks for peaks called elsewhere)."
        )
