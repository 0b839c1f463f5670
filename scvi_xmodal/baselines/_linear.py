"""Least squares with many sparse targets: nothing dense but features by components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scvi_xmodal.module import RidgeSums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from scvi_xmodal.baselines._profiles import Values


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
    center = z.mean(axis=0)
    sums = RidgeSums(z.shape[1], y.shape[1])
    sums.add(z - center, y)  # centred before the sums are taken, which loses no digits
    coef, alpha = sums.solve(alpha=alpha)
    return Linear(center, coef, sums.mean, alpha)
