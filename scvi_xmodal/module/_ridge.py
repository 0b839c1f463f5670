"""Least squares of many targets at once, from sums over blocks of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

Values: TypeAlias = "NDArray[np.floating] | sparse.csr_matrix"

_ALPHAS = np.logspace(-4, 2, 25)
_RANK_TOLERANCE = 1e-10


class RidgeSums:
    r"""Sums over cells from which a ridge regression with an intercept is solved.

    .. math:: B = (Z^T Z + \alpha I)^{-1} Z^T Y

    with centred inputs Z, by the eigenvectors of :math:`Z^T Z`. Directions without variance get
    coefficients of 0, so ``alpha=0`` is least squares of minimal norm. Targets stay sparse;
    nothing dense but features by inputs.

    Parameters
    ----------
    n_inputs, n_targets
        Numbers of inputs and of targets.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.module import RidgeSums
    >>> sums = RidgeSums(1, 1)
    >>> sums.add(np.array([[0.0], [1]]), np.array([[1.0], [3]]))
    >>> sums.add(np.array([[2.0]]), np.array([[5.0]]))
    >>> sums.solve(alpha=0)[0].round(6)
    array([[2.]])
    """

    def __init__(self, n_inputs: int, n_targets: int):
        self.n_cells = 0
        self.total_inputs = np.zeros(n_inputs)
        self.total_targets = np.zeros(n_targets)
        self.total_squares = 0.0
        self.n_nonzero = np.zeros(n_targets)
        self.gram = np.zeros((n_inputs, n_inputs))
        self.cross = np.zeros((n_inputs, n_targets))

    def add(self, z: NDArray[np.float64], y: Values) -> None:
        """Add inputs (n_cells, n_inputs) and targets (n_cells, n_targets) of more cells."""
        self.n_cells += z.shape[0]
        self.total_inputs += z.sum(axis=0)
        self.total_targets += np.asarray(y.sum(axis=0, dtype=np.float64)).ravel()
        stored = y if isinstance(y, np.ndarray) else y.data
        self.total_squares += float(np.square(stored, dtype=np.float64).sum())
        if isinstance(y, np.ndarray):
            self.n_nonzero += np.count_nonzero(y, axis=0)
        else:
            self.n_nonzero += np.bincount(y.indices, y.data != 0, minlength=y.shape[1])
        self.gram += z.T @ z
        self.cross += (y.T @ z).T

    @property
    def center(self) -> NDArray[np.float64]:
        """Mean of the inputs, of shape (n_inputs,)."""
        return self.total_inputs / max(self.n_cells, 1)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the targets, of shape (n_targets,)."""
        return self.total_targets / max(self.n_cells, 1)

    def solve(self, *, alpha: float | None = None) -> tuple[NDArray[np.float64], float]:
        """Return coefficients of shape (n_inputs, n_targets) and the penalty.

        Parameters
        ----------
        alpha
            Penalty, as in :class:`sklearn.linear_model.Ridge`; ``None`` to choose it by
            generalised cross-validation.
        """
        gram = self.gram - self.n_cells * np.outer(self.center, self.center)
        cross = self.cross - np.outer(self.total_inputs, self.mean)
        power, directions = np.linalg.eigh(gram)
        kept = power > _RANK_TOLERANCE * max(power.max(initial=0.0), 1e-12)
        power, directions = power[kept], directions[:, kept]
        cross = directions.T @ cross
        if alpha is None:
            total = self.total_squares - self.n_cells * float(np.square(self.mean).sum())
            alpha = _choose_alpha(power, cross, total, n_cells=self.n_cells)
        return directions @ (cross / (power + alpha)[:, None]), alpha


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
    explained = np.square(cross).sum(axis=1) / power
    residual = total + ((1 - kept) ** 2 - 1) @ explained
    freedom = n_cells - 1 - kept.sum(axis=1)
    return float(alphas[np.argmin(residual / freedom**2)])
