"""Draw sparse counts in blocks of rows, so that no dense cells x features array exists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scvi_xmodal.datasets._cells import MODALITIES
from scvi_xmodal.datasets._truth import linear_predictor, mean_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal.datasets._cells import Cells
    from scvi_xmodal.datasets._truth import Truth

BLOCK_ENTRIES = 2_000_000
"""Most entries of a dense block; 16 MB of float64."""

EXTRA_FRAGMENTS = 0.25
"""Mean number of counts beyond the first at an open peak."""


def sample_counts(
    truth: Truth, modality: str, cells: Cells, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Draw a modality's counts of shape (n_cells, n_features) in float32, block by block."""
    n_cells, n_features = cells.batch.size, truth["bias"].size
    size = max(1, BLOCK_ENTRIES // n_features)
    blocks = [
        sparse.csr_matrix(
            _sample_block(truth, modality, cells, slice(start, start + size), rng),
            dtype=np.float32,
        )
        for start in range(0, n_cells, size)
    ]
    return sparse.csr_matrix(sparse.vstack(blocks, format="csr"))


def _sample_block(
    truth: Truth, modality: str, cells: Cells, rows: slice, rng: np.random.Generator
) -> NDArray[np.int64]:
    log_depth = cells.log_depth[rows, MODALITIES.index(modality), None]
    predictor = linear_predictor(truth, cells.latent[rows], cells.batch[rows])
    if modality == "atac":
        return open_peaks(mean_profile(truth, modality, predictor + log_depth), rng)
    mean = np.exp(log_depth) * mean_profile(truth, modality, predictor)
    return negative_binomial(mean, truth["dispersion"], rng)


def negative_binomial(
    mean: NDArray[np.float64], dispersion: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    r"""Draw counts with mean :math:`\mu` and variance :math:`\mu + \mu^2 / \theta`.

    Parameters
    ----------
    mean
        Means :math:`\mu` of shape (n_cells, n_features).
    dispersion
        Inverse dispersions :math:`\theta` of shape (n_features,).
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Counts of shape (n_cells, n_features): Poisson, their rate Gamma distributed.
    """
    return rng.poisson(rng.gamma(dispersion, mean / dispersion))


def open_peaks(probability: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw peak counts: zero where a peak is closed, one plus a Poisson where it is open.

    Parameters
    ----------
    probability
        Probability that a peak is open, of shape (n_cells, n_peaks).
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Counts of shape (n_cells, n_peaks); positive exactly where the peak is open.
    """
    counts = np.zeros(probability.shape, dtype=np.int64)
    is_open = rng.random(probability.shape) < probability
    counts[is_open] = 1 + rng.poisson(EXTRA_FRAGMENTS, size=np.count_nonzero(is_open))
    return counts
