"""Least squares with many sparse targets: nothing dense but features by components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scvi_xmodal.baselines._profiles import feature_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal.baselines._profiles import Values

_ALPHAS = np.logspace(-4, 2, 25)
_RANK_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class Linear:
    """A fitted linear map.

    Parameters
    ----------
    center
        Mean of the inputs, of shape (n_inputs,).
    coef
        Coefficients of shape (n_inputs, n_features).
    intercept
        Mean of the targets, of shape (n_features,).
    alpha
        The ridge penalty used.
    """

    center: NDArray[np.float64]
    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    alpha: float

    def __call__(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predictions of shape (n_cells, n_features)."""
        return (z - self.center) @ self.coef + self.intercept


def fit_linear(z: NDArray[np.float64], y: Values, *, alpha: float | None) -> Linear:
    r"""Fit all targets at once by ridge regression with an intercept.

    .. math:: \beta = (Z^T Z + \alpha I)^{-1} Z^T Y

    with centred inputs Z, by the eigenvectors of :math:`Z^T Z`. Directions without variance
    get coefficients of 0, so ``alpha=0`` is least squares of minimal norm.

    Parameters
    ----------
    z
        Inputs of shape (n_cells, n_inputs).
    y
        Targets of shape (n_cells, n_features), dense or CSR; never made dense.
    alpha
        Penalty, as in :class:`sklearn.linear_model.Ridge`; ``None`` to choose it by
        generalised cross-validation.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.baselines._linear import fit_linear
    >>> line = fit_linear(np.array([[0.0], [1], [2]]), np.array([[1.0], [3], [5]]), alpha=0)
    >>> line(np.array([[3.0]])).round(6)
    array([[7.]])
    """
    center, intercept = z.mean(axis=0), feature_means(y)
    centered = z - center
    power, directions = _eigen(centered)
    cross = (y.T @ (centered @ directions)).T
    if alpha is None:
        alpha = _choose_alpha(power, cross, _total_variance(y, intercept), n_cells=len(z))
    coef = directions @ (cross / (power + alpha)[:, None])
    return Linear(center, coef, intercept, alpha)


def _eigen(centered: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return eigenvalues and eigenvectors of the scatter matrix that are not null."""
    power, directions = np.linalg.eigh(centered.T @ centered)
    kept = power > _RANK_TOLERANCE * max(power.max(initial=0.0), 1e-12)
    return power[kept], directions[:, kept]


def _choose_alpha(
    power: NDArray[np.float64], cross: NDArray[np.float64], total: float, *, n_cells: int
) -> float:
    r"""Minimise the generalised cross-validation score over all targets together.

    .. math:: GCV(\alpha) = \frac{\|Y - H_\alpha Y\|^2}{(n - \text{tr} H_\alpha)^2}

    (Golub, Heath and Wahba 1979). In the eigenvectors' coordinates this needs no more than the
    norm of each row of ``cross``.
    """
    if not power.size:
        return 0.0
    alphas = _ALPHAS * power.mean()
    kept = power / (power + alphas[:, None])
    explained = (cross**2).sum(axis=1) / power
    residual = total + ((1 - kept) ** 2 - 1) @ explained
    freedom = n_cells - 1 - kept.sum(axis=1)
    return float(alphas[np.argmin(residual / freedom**2)])


def _total_variance(y: Values, mean: NDArray[np.float64]) -> float:
    """Return the sum of squared deviations from the features' means."""
    stored = y if isinstance(y, np.ndarray) else y.data
    return float((stored**2).sum() - y.shape[0] * (mean**2).sum())
