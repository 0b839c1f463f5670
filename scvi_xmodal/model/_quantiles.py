"""Quantiles of predicted values, and where measured values fall among them; on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betainc
from scipy.stats import nbinom

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_TINY = 1e-12
_LARGE_MEAN = 100.0
_MOST_STEPS = 5000
_HIGHEST = 1 - 1e-12
"""Calibration may ask for 1, below which no count is."""


def matched_size(mean: ArrayLike, variance: ArrayLike) -> NDArray[np.float64]:
    r"""Return the inverse dispersion :math:`\theta = \mu^2 / (\sigma^2 - \mu)` of the moments.

    Where the variance is not above the mean, as of a Poisson, a large one.
    """
    mean = np.maximum(np.asarray(mean, dtype=np.float64), _TINY)
    excess = np.maximum(np.asarray(variance, dtype=np.float64) - mean, 1e-6 * mean)
    return mean * (mean / excess)


def count_quantiles(
    mean: ArrayLike, variance: ArrayLike, levels: ArrayLike
) -> NDArray[np.float64]:
    r"""Return quantiles of the negative binomial with given mean and variance.

    The smallest y with :math:`F(y) \ge q`, found by adding up the probabilities

    .. math:: p_0 = \left(\frac{\theta}{\theta + \mu}\right)^\theta, \quad
        p_{y+1} = p_y \frac{y + \theta}{y + 1} \frac{\mu}{\theta + \mu}

    of all entries together, those that are done left out: most end after a few counts. Means
    above 100 go to SciPy, and so do tails longer than 5,000 counts.

    Parameters
    ----------
    mean, variance
        Moments of shape (n_entries,).
    levels
        Levels between 0 and 1, of shape (n_levels, n_entries).

    Returns
    -------
    Counts of shape (n_levels, n_entries).

    Examples
    --------
    >>> from scvi_xmodal.model._quantiles import count_quantiles
    >>> count_quantiles([0.1, 4.0], [0.1, 12.0], [[0.05, 0.05], [0.95, 0.95]])
    array([[ 0.,  0.],
           [ 1., 11.]])
    """
    mean = np.maximum(np.asarray(mean, dtype=np.float64), _TINY)
    levels = np.minimum(np.asarray(levels, dtype=np.float64), _HIGHEST)
    size = matched_size(mean, variance)
    found = np.zeros(levels.shape)
    large = np.flatnonzero(mean > _LARGE_MEAN)
    found[:, large] = _by_scipy(mean[large], size[large], levels[:, large])
    active = np.flatnonzero(mean <= _LARGE_MEAN)
    log_ratio = np.log1p(mean[active] / size[active])
    mass = np.exp(-size[active] * log_ratio)
    ratio = mean[active] / (size[active] + mean[active])
    below, y = mass.copy(), 0
    while active.size and y < _MOST_STEPS:
        unfinished = below < levels[:, active]
        found[:, active] += unfinished
        # mass can vanish before the sum reaches a level next to 1
        kept = unfinished.any(axis=0) & ((mass > 0) | (y < mean[active]))
        active, size_left = active[kept], size[active[kept]]
        mass, below, ratio = mass[kept], below[kept], ratio[kept]
        mass *= (y + size_left) / (y + 1) * ratio
        below += mass
        y += 1
    found[:, active] = _by_scipy(mean[active], size[active], levels[:, active])
    return found


def _by_scipy(
    mean: NDArray[np.float64], size: NDArray[np.float64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    return nbinom.ppf(levels, size, size / (size + mean)) if mean.size else levels


def count_ranks(
    counts: ArrayLike, mean: ArrayLike, variance: ArrayLike, uniform: ArrayLike
) -> NDArray[np.float64]:
    r"""Return where counts fall in their predicted distributions, of shape (n_entries,).

    .. math:: u = F(y - 1) + v \, (F(y) - F(y - 1)), \quad v \sim U(0, 1)

    the randomised probability integral transform (Czado et al., Biometrics 2009), uniform where
    the predicted distribution is right although counts are discrete.

    Parameters
    ----------
    counts
        Measured counts of shape (n_entries,).
    mean, variance
        Predicted moments of shape (n_entries,).
    uniform
        Uniform draws v of shape (n_entries,), or .5 for the mid-rank.
    """
    counts = np.asarray(counts, dtype=np.float64)
    mean = np.maximum(np.asarray(mean, dtype=np.float64), _TINY)
    size = matched_size(mean, variance)
    share = size / (size + mean)
    upper = betainc(size, counts + 1, share)
    lower = np.where(counts > 0, betainc(size, np.maximum(counts, 1), share), 0.0)
    return lower + np.asarray(uniform) * (upper - lower)
