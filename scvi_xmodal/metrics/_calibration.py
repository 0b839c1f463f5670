"""Whether predicted probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._blocks import check_pair, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of a float32 in [0, 1], keeping exponent and 11 bits of mantissa tells .05 % apart.
_DROPPED_BITS = 12
_N_CELLS = (0x3F800000 >> _DROPPED_BITS) + 1


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predicted probabilities against the fractions of entries that are open.

    Parameters
    ----------
    mean_predicted
        Mean predicted probability of each bin, ascending, of shape (n_bins,).
    open_fraction
        Fraction of the bin's entries that are open, of shape (n_bins,).
    n_entries
        Number of entries of each bin, of shape (n_bins,).
    error
        Expected calibration error, between 0 and 1.
    ratio
        Mean predicted probability over the open fraction of all entries; above 1, the model
        promises too much. NaN if nothing is open.
    brier
        Mean squared difference between probability and outcome.
    """

    mean_predicted: NDArray[np.float64]
    open_fraction: NDArray[np.float64]
    n_entries: NDArray[np.int64]
    error: float
    ratio: float
    brier: float

    def to_frame(self) -> pd.DataFrame:
        """Return the bins as a table, one row a bin, ready to plot."""
        return pd.DataFrame(
            {
                "mean_predicted": self.mean_predicted,
                "open_fraction": self.open_fraction,
                "n_entries": self.n_entries,
            }
        )


def calibration(truth: Any, prediction: Any, *, n_bins: int = 20) -> Calibration:
    r"""Compare predicted probabilities with the fractions of entries that are open.

    Entries of cells x features are sorted by prediction into bins of equal count. The expected
    calibration error (Naeini et al., AAAI 2015) is

    .. math:: E = \sum_b \frac{n_b}{n} \left|\bar p_b - \bar y_b\right|

    with the bins' mean prediction and open fraction. Most predictions are near 0, where bins
    of equal width would put nearly all entries into the first. Predictions that agree to .05 %
    are never separated, so counts differ a little, and bins are fewer when values are few. One
    pass over blocks of rows; no copy, and the order of cells does not matter.

    Parameters
    ----------
    truth
        Measured values of shape (n_cells, n_features), dense or sparse; open where above 0.
    prediction
        Probabilities of shape (n_cells, n_features), dense or sparse.
    n_bins
        Largest number of bins.

    Raises
    ------
    ValueError
        If the shapes differ, or a prediction is no probability.

    Examples
    --------
    >>> from scvi_xmodal.metrics import calibration
    >>> result = calibration([[0, 1, 0, 1]], [[0.1, 0.1, 0.7, 0.7]], n_bins=2)
    >>> result.open_fraction.tolist(), round(result.error, 3), round(result.ratio, 3)
    ([0.5, 0.5], 0.3, 0.8)
    """
    check_arguments(locals(), truth=None, prediction=None)
    if n_bins < 1:
        raise ValueError(f"n_bins={n_bins}: at least one bin is needed.")
    truth, prediction = check_pair(truth, prediction)
    _check_probabilities(prediction)
    sums, brier_sum = _histogram(truth, prediction)
    bins = _merge(sums, n_bins)
    count, predicted, observed = bins
    n = max(count.sum(), 1)
    nan = float("nan")
    return Calibration(
        mean_predicted=predicted / count,
        open_fraction=observed / count,
        n_entries=count.astype(np.int64),
        error=float(np.abs(predicted - observed).sum() / n) if count.size else nan,
        ratio=float(predicted.sum() / observed.sum()) if observed.sum() else nan,
        brier=brier_sum / n if count.size else nan,
    )


def is_probability(prediction: Any) -> bool:
    """Tell whether all values are between 0 and 1."""
    if 0 in prediction.shape:
        return True
    return bool(prediction.min() >= 0 and prediction.max() <= 1)


def _check_probabilities(prediction: Any) -> None:
    if not is_probability(prediction):
        raise ValueError(
            f"The predictions range from {prediction.min()} to {prediction.max()}, but "
            "calibration is about probabilities between 0 and 1."
        )


def _histogram(truth: Any, prediction: Any) -> tuple[NDArray[np.float64], float]:
    """Return sums over fine cells of the unit interval, and the sum of squared differences.

    The sums, of shape (3, n_fine_cells), are the number of entries, their predictions, and how
    many are open.
    """
    sums, brier = np.zeros((3, _N_CELLS)), 0.0
    for observed, predicted in row_blocks(truth > 0, prediction, np.float32):
        predicted += 0.0  # -0.0 has other bits than 0.0
        cell = (predicted.ravel().view(np.uint32) >> _DROPPED_BITS).astype(np.intp)
        for row, weights in zip(sums, (None, predicted.ravel(), observed.ravel()), strict=True):
            row += np.bincount(cell, weights, minlength=_N_CELLS)
        brier += float(np.square(observed - predicted).sum(dtype=np.float64))
    return sums, brier


def _merge(sums: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Merge neighbouring fine cells into at most ``n_bins`` bins of about equal count."""
    sums = sums[:, sums[0] > 0]
    if sums.shape[1] == 0:
        return sums
    middle = sums[0].cumsum() - sums[0] / 2
    which = np.floor(middle / sums[0].sum() * n_bins)
    starts = np.flatnonzero(np.r_[True, which[1:] != which[:-1]])
    return np.add.reduceat(sums, starts, axis=1)
