"""Distances between measured and predicted values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal.metrics._blocks import check_pair, map_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rmse_per_feature(truth: Any, prediction: Any) -> NDArray[np.float64]:
    r"""Return the root mean squared error of every feature over cells.

    .. math:: e_j = \sqrt{\frac{1}{n} \sum_i (t_{ij} - p_{ij})^2}

    Parameters
    ----------
    truth, prediction
        Values on one scale, of shape (n_cells, n_features), dense or sparse.

    Returns
    -------
    Errors of shape (n_features,); NaN without cells.

    Raises
    ------
    ValueError
        If the shapes differ or a value is NaN or infinite.

    Examples
    --------
    >>> from scvi_xmodal.metrics import rmse_per_feature
    >>> rmse_per_feature([[0, 1], [0, 1]], [[0, 3], [0, -1]])
    array([0., 2.])
    """
    return np.sqrt(_mean_square(*check_pair(truth, prediction)))


def rmse_flat(truth: Any, prediction: Any) -> float:
    """Return the root mean squared error over all entries; NaN if there are none.

    Takes and refuses what :func:`rmse_per_feature` does.

    Examples
    --------
    >>> from scvi_xmodal.metrics import rmse_flat
    >>> rmse_flat([[0, 2], [0, 2]], [[2, 0], [2, 0]])
    2.0
    """
    square = _mean_square(*check_pair(truth, prediction))
    return float(np.sqrt(square.mean())) if square.size else float("nan")


def _mean_square(truth: Any, prediction: Any) -> NDArray[np.float64]:
    return map_columns(lambda t, p: np.square(t - p).mean(axis=1), truth, prediction)
