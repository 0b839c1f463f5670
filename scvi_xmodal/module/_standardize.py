"""Standard scores of expression, clipped, without losing its zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from scvi_xmodal.nn import SparseRows

CLIPPED_SHARE = 0.005
# At most a share 1 / z^2 of values with mean 0 and variance 1 lie beyond z (Chebyshev): limits
# that leave out .5 % at each end are below 14.2.
_HIGHEST, _BINS_PER_UNIT = 15, 1024


@dataclass(frozen=True, eq=False)
class StandardScores:
    """How log-normalised expression is standardised.

    Parameters
    ----------
    mean
        Mean of each gene over the training cells, of shape (n_genes,).
    deviation
        Standard deviation of each gene (n - 1 in the denominator), 1 where it is 0, of shape
        (n_genes,).
    lower, upper
        Limits that the standard scores are clipped to.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    lower: float
    upper: float


def standard_scores(
    blocks: Iterable[csr_matrix], *, median_library: float, n_features: int
) -> StandardScores:
    """Find means, deviations and the limits of the outermost .5 % at either end.

    The limits are percentiles of all scores of all genes and cells together (BABEL, Methods:
    "we also clip values within the top and bottom 0.5 % of the overall distribution"), read off
    a histogram with bins of 1/1024, so that no matrix of cells x genes is needed.

    Parameters
    ----------
    blocks
        Blocks of training counts, CSR of shape (n_block, n_features); iterated over twice.
    median_library
        Total that cells are scaled to.
    n_features
        Number of genes.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> from scvi_xmodal.module import standard_scores
    >>> scores = standard_scores(
    ...     [csr_matrix([[4.0, 0], [0, 4.0]])], median_library=4, n_features=2
    ... )
    >>> scores.mean.round(3), round(scores.upper, 2)
    (array([0.805, 0.805]), 0.71)
    """
    total, square = np.zeros(n_features), np.zeros(n_features)
    n_detected, n_cells = np.zeros(n_features), 0
    for block in blocks:
        values = _log_normalized(block, median_library)
        total += np.bincount(block.indices, values, minlength=n_features)
        square += np.bincount(block.indices, values**2, minlength=n_features)
        n_detected += np.bincount(block.indices, minlength=n_features)
        n_cells += block.shape[0]
    mean = total / max(n_cells, 1)
    variance = np.maximum(square - n_cells * mean**2, 0) / max(n_cells - 1, 1)
    # rounding leaves a constant gene some 1e-17
    deviation = np.sqrt(np.where(variance > 1e-12, variance, 1.0))
    # zeros first: every gene has as many as there are cells that lack it
    counts = np.bincount(_bin(-mean / deviation), n_cells - n_detected, minlength=_bin(np.inf) + 1)
    for block in blocks:
        values = _log_normalized(block, median_library)
        score = (values - mean[block.indices]) / deviation[block.indices]
        counts += np.bincount(_bin(score), minlength=counts.size)
    lower, upper = _percentiles(counts, (CLIPPED_SHARE, 1 - CLIPPED_SHARE))
    return StandardScores(mean, deviation, lower, upper)


def _log_normalized(block: csr_matrix, median_library: float) -> NDArray[np.float64]:
    rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
    data = block.data.astype(np.float64)
    library = np.bincount(rows, data, minlength=block.shape[0])
    return np.log1p(data * (median_library / np.maximum(library, 1e-12))[rows])


def _bin(score: float | NDArray[np.float64]) -> NDArray[np.int64]:
    clipped = np.clip(score, -_HIGHEST, _HIGHEST)
    return np.rint((clipped + _HIGHEST) * _BINS_PER_UNIT).astype(np.int64)


def _percentiles(counts: NDArray[Any], shares: tuple[float, float]) -> tuple[float, float]:
    """Return the lower and upper limit; no limits where all scores are one value."""
    cumulative = np.cumsum(counts)
    bins = np.searchsorted(cumulative, np.multiply(shares, cumulative[-1]))
    lower, upper = bins / _BINS_PER_UNIT - _HIGHEST
    return (float(lower), float(upper)) if lower < upper else (-np.inf, np.inf)


class Standardize(nn.Module):
    r"""Standard scores of log-normalised expression, clipped at both ends.

    .. math:: z_{ij} = \min(\max((x_{ij} - m_j) / s_j, z_{.005}), z_{.995})

    BABEL (Methods, "Data Preprocessing"). Its published code takes means, deviations and limits
    from all cells before splitting, and from a query's own cells afterwards; here they are the
    training cells', and are saved, so that a cell comes out the same alone or in company.

    A score is not 0 where expression is. To stay sparse it is returned as its difference from
    :attr:`floor`, the score of no expression, which is 0 where expression is.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    limits: torch.Tensor

    def __init__(self, n_features: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("deviation", torch.ones(n_features))
        self.register_buffer("limits", torch.tensor([-torch.inf, torch.inf]))

    def fit(self, scores: StandardScores) -> None:
        """Take means, deviations and limits of the training cells, in the network's order."""
        self.mean.copy_(torch.from_numpy(scores.mean))
        self.deviation.copy_(torch.from_numpy(scores.deviation))
        self.limits.copy_(torch.tensor([scores.lower, scores.upper]))

    @property
    def floor(self) -> torch.Tensor:
        """The scores of no expression, of shape (n_genes,)."""
        return self.dense(torch.zeros_like(self.mean))

    def forward(self, x: SparseRows) -> SparseRows:
        """Map log-normalised rows (n_cells, n_genes) to scores less the floor."""
        columns = x.columns.long()
        score = (x.values - self.mean[columns]) / self.deviation[columns]
        return x.with_values(self._clipped(score) - self.floor[columns])

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        """Return the scores of dense log-normalised values (..., n_genes), floor included."""
        return self._clipped((x - self.mean) / self.deviation)

    def _clipped(self, score: torch.Tensor) -> torch.Tensor:
        return score.maximum(self.limits[0]).minimum(self.limits[1])
