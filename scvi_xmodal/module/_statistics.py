"""What the networks take from the training cells before they train."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Sums over the training cells, from which transforms and biases are set.

    Parameters
    ----------
    n_cells
        Number of training cells.
    count_sum
        Sum of the counts of each feature, of shape (n_features,).
    n_detected
        Number of cells in which each feature is above 0, of shape (n_features,).
    library
        Total count of each cell, of shape (n_cells,).
    depth
        Number of features above 0 in each cell, of shape (n_cells,).
    log_normalized_mean
        Mean over cells of log1p(count / library * median library), of shape (n_features,).
    clr_mean
        Mean over cells of the CLR values, of shape (n_features,).
    tfidf_sum
        Sum of TF-IDF over all stored values.
    tfidf_max
        Largest TF-IDF of a stored value.
    """

    n_cells: int
    count_sum: NDArray[np.float64]
    n_detected: NDArray[np.float64]
    library: NDArray[np.float64]
    depth: NDArray[np.float64]
    log_normalized_mean: NDArray[np.float64]
    clr_mean: NDArray[np.float64]
    tfidf_sum: float
    tfidf_max: float

    @property
    def median_library(self) -> float:
        """Median total count over the training cells that have any."""
        return positive_median(self.library)

    @property
    def median_depth(self) -> float:
        """Median number of detected features over the training cells that have any."""
        return positive_median(self.depth)

    @property
    def idf(self) -> NDArray[np.float64]:
        r"""Inverse document frequency :math:`\ln(1 + n / df_j)`; 0 for undetected features."""
        return inverse_document_frequency(self.n_detected, self.n_cells)

    def of_cells(self, numbers: NDArray[np.int64]) -> FeatureStatistics:
        """Return the same with the totals of these cells, sums of features as they are."""
        return replace(self, library=self.library[numbers], depth=self.depth[numbers])


def feature_statistics(blocks: Iterable[csr_matrix], *, n_features: int) -> FeatureStatistics:
    """Collect the statistics of the training cells in two passes over blocks of rows.

    Parameters
    ----------
    blocks
        Blocks of training rows, CSR of shape (n_block, n_features); iterated over twice.
    n_features
        Number of features.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> from scvi_xmodal.module import feature_statistics
    >>> counts = csr_matrix([[0, 2.0], [1, 3]])
    >>> feature_statistics([counts], n_features=2).count_sum
    array([1., 5.])
    """
    count_sum, n_detected = np.zeros(n_features), np.zeros(n_features)
    libraries, depths = [], []
    for block in blocks:
        open_rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        detected = block.data > 0
        count_sum += np.bincount(block.indices, block.data, minlength=n_features)
        n_detected += np.bincount(block.indices, detected, minlength=n_features)
        libraries.append(np.bincount(open_rows, block.data, minlength=block.shape[0]))
        depths.append(np.bincount(open_rows, detected, minlength=block.shape[0]))
    library = np.concatenate(libraries).astype(np.float64)
    depth = np.concatenate(depths).astype(np.float64)
    second = _SecondPass(n_features, positive_median(library), n_detected, library.size)
    for block in blocks:
        second.add(block)
    return FeatureStatistics(
        n_cells=library.size,
        count_sum=count_sum,
        n_detected=n_detected,
        library=library,
        depth=depth,
        log_normalized_mean=second.log_normalized / max(library.size, 1),
        clr_mean=second.log1p / max(library.size, 1) - second.log1p_cell_mean / library.size,
        tfidf_sum=second.tfidf_sum,
        tfidf_max=second.tfidf_max,
    )


class _SecondPass:
    """Sums that need the first pass's median and frequencies."""

    def __init__(
        self, n_features: int, median: float, n_detected: NDArray[np.float64], n_cells: int
    ):
        self.n_features = n_features
        self.median = median
        self.idf = inverse_document_frequency(n_detected, n_cells)
        self.log_normalized = np.zeros(n_features)
        self.log1p = np.zeros(n_features)
        self.log1p_cell_mean = 0.0
        self.tfidf_sum = self.tfidf_max = 0.0

    def add(self, block: csr_matrix) -> None:
        n_stored = np.diff(block.indptr)
        rows = np.repeat(np.arange(block.shape[0]), n_stored)
        data = block.data.astype(np.float64)
        library = np.bincount(rows, data, minlength=block.shape[0])
        depth = np.bincount(rows, data > 0, minlength=block.shape[0])
        scaled = np.log1p(data * (self.median / np.maximum(library, 1e-12))[rows])
        logged = np.log1p(data)
        self.log_normalized += np.bincount(block.indices, scaled, minlength=self.n_features)
        self.log1p += np.bincount(block.indices, logged, minlength=self.n_features)
        self.log1p_cell_mean += logged.sum() / self.n_features
        tfidf = self.idf[block.indices] * (data > 0) / np.maximum(depth, 1)[rows]
        self.tfidf_sum += float(tfidf.sum())
        self.tfidf_max = max(self.tfidf_max, float(tfidf.max(initial=0.0)))


def inverse_document_frequency(
    n_detected: NDArray[np.float64], n_cells: int
) -> NDArray[np.float64]:
    r"""Return :math:`\ln(1 + n / df_j)` of each feature, 0 where :math:`df_j = 0`."""
    idf = np.log1p(n_cells / np.maximum(n_detected, 1))
    return np.where(n_detected > 0, idf, 0.0)


def positive_median(totals: NDArray[np.float64]) -> float:
    """Return the median of the totals above 0, or 1 if there are none."""
    positive = totals[totals > 0]
    return float(np.median(positive)) if positive.size else 1.0
