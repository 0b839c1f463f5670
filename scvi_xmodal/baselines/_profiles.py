"""From counts to the values that baselines compare, average and regress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind

Values: TypeAlias = "NDArray[np.float64] | sparse.csr_matrix"
"""Values of shape (n_cells, n_features): dense for protein, CSR where most are zero."""

_SCALE = 1e4


@dataclass(frozen=True)
class Profile:
    """Turns counts into what :meth:`~scvi_xmodal.baselines.Baseline.translate` predicts.

    Log1p expression at the training median library size (RNA), 1 where a peak is open and 0
    elsewhere (ATAC), or centred log-ratios (protein). Float64, so that sums over cells do not
    depend on how cells are grouped into blocks.

    Parameters
    ----------
    kind
        What is measured: ``"rna"``, ``"atac"`` or ``"protein"``.
    median_library
        Median total count of the training cells, used for RNA.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> from scvi_xmodal.baselines._profiles import Profile
    >>> Profile("atac", 1.0)(csr_matrix([[0, 2.0]])).toarray()
    array([[0., 1.]])
    """

    kind: Kind
    median_library: float

    def __call__(self, counts: sparse.csr_matrix) -> Values:
        """Map counts of shape (n_cells, n_features) to values of the same shape."""
        if self.kind == "rna":
            return log_normalize(counts, self.median_library)
        if self.kind == "atac":
            return _with_data(counts, counts.data > 0)
        return clr(counts)


@dataclass(frozen=True, eq=False)
class LogTfIdf:
    r"""Weights open peaks by term frequency and inverse document frequency, then takes logs.

    .. math:: x_{ij} = \ln\left(1 + 10^4 \, \frac{b_{ij}}{\sum_k b_{ik}}
        \ln\left(1 + \frac{n}{df_j}\right)\right)

    with binarised counts b. The logarithm keeps shallow cells, whose term frequencies are
    large, from making up the leading components.

    Parameters
    ----------
    idf
        Inverse document frequency among the training cells, of shape (n_peaks,).
    """

    idf: NDArray[np.float64]

    def __call__(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Map counts of shape (n_cells, n_peaks) to weights of the same shape."""
        binary = _with_data(counts, counts.data > 0)
        term = _repeat(_SCALE / np.maximum(row_sums(binary), 1), binary)
        return _with_data(binary, np.log1p(binary.data * term * self.idf[binary.indices]))


def log_normalize(counts: sparse.csr_matrix, median_library: float) -> sparse.csr_matrix:
    r"""Return :math:`\ln(1 + m \, y_{ij} / l_i)` with library sizes l and their median m."""
    scale = median_library / np.maximum(row_sums(counts), 1e-12)
    return _with_data(counts, np.log1p(counts.data * _repeat(scale, counts)))


def clr(counts: sparse.csr_matrix) -> NDArray[np.float64]:
    r"""Return :math:`\ln(1 + y_{ij}) - \frac{1}{J} \sum_k \ln(1 + y_{ik})`, dense."""
    logged = np.log1p(counts.toarray().astype(np.float64))
    return logged - logged.mean(axis=1, keepdims=True)


def depths(counts: sparse.csr_matrix) -> NDArray[np.float64]:
    """Return log1p of the total count and of the number of detected features, (n_cells, 2)."""
    n_detected = row_sums(_with_data(counts, counts.data > 0))
    return np.log1p(np.column_stack([row_sums(counts), n_detected]))


def row_sums(matrix: sparse.csr_matrix) -> NDArray[np.float64]:
    """Return the sum of each row in float64, of shape (n_cells,)."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return np.bincount(rows, matrix.data, minlength=matrix.shape[0]).astype(np.float64)


def feature_means(values: Values) -> NDArray[np.float64]:
    """Return the mean of each feature over the cells, of shape (n_features,)."""
    return np.asarray(values.mean(axis=0), dtype=np.float64).ravel()


def _with_data(matrix: sparse.csr_matrix, data: NDArray[np.generic]) -> sparse.csr_matrix:
    """Return the same pattern with other stored values, as float64."""
    parts = (data.astype(np.float64), matrix.indices, matrix.indptr)
    return sparse.csr_matrix(parts, shape=matrix.shape)


def _repeat(per_row: NDArray[np.float64], matrix: sparse.csr_matrix) -> NDArray[np.float64]:
    return np.repeat(per_row, np.diff(matrix.indptr))
