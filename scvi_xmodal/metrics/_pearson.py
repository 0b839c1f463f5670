"""Linear correlation per feature, per cell, and over all entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal.metrics._blocks import check_pair, map_columns, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray


def pearson_per_feature(truth: Any, prediction: Any) -> NDArray[np.float64]:
    r"""Return Pearson's correlation of every feature over cells.

    .. math::
        r_j = \frac{\sum_i (t_{ij} - \bar t_j)(p_{ij} - \bar p_j)}
        {\sqrt{\sum_i (t_{ij} - \bar t_j)^2} \sqrt{\sum_i (p_{ij} - \bar p_j)^2}}

    with truth t and prediction p. SciPy returns NaN where either is constant; here a constant
    prediction, which orders nothing, scores 0, so that guessing the mean cannot hide.

    Parameters
    ----------
    truth
        Measured values of shape (n_cells, n_features), dense or sparse, on the prediction's
        scale; densified a block of columns at a time.
    prediction
        Predicted values of shape (n_cells, n_features), dense or sparse.

    Returns
    -------
    Correlations of shape (n_features,); NaN where the truth is constant, 0 where only the
    prediction is.

    Raises
    ------
    ValueError
        If the shapes differ or a value is NaN or infinite.

    Examples
    --------
    >>> from scvi_xmodal.metrics import pearson_per_feature
    >>> pearson_per_feature([[0, 1, 5], [1, 2, 5]], [[3, 1, 1], [7, 1, 2]])
    array([ 1.,  0., nan])
    """
    return map_columns(pearson_lines, *check_pair(truth, prediction))


def pearson_per_cell(truth: Any, prediction: Any) -> NDArray[np.float64]:
    """Return Pearson's correlation of every cell over features, of shape (n_cells,).

    Features differ in their means, which every model knows: this score flatters. Arguments,
    formula, special cases and errors are those of :func:`pearson_per_feature`.

    Examples
    --------
    >>> from scvi_xmodal.metrics import pearson_per_cell
    >>> pearson_per_cell([[0, 1, 2], [1, 1, 1]], [[0, 2, 4], [1, 2, 3]])
    array([ 1., nan])
    """
    truth, prediction = check_pair(truth, prediction)
    return map_columns(pearson_lines, truth.T, prediction.T)


def pearson_flat(truth: Any, prediction: Any) -> float:
    """Return Pearson's correlation over all entries of cells x features.

    BABEL reports this one. The features' means alone reach a high value, so read it beside
    :func:`pearson_per_feature`, whose arguments, special cases and errors it shares. Two passes
    over blocks of rows; nothing is copied.

    Examples
    --------
    >>> from scvi_xmodal.metrics import pearson_flat
    >>> pearson_flat([[0, 1], [0, 3]], [[1, 3], [1, 7]])
    1.0
    """
    truth, prediction = check_pair(truth, prediction)
    n_entries = truth.shape[0] * truth.shape[1]
    if n_entries == 0 or _is_constant(truth):
        return float("nan")
    if _is_constant(prediction):
        return 0.0
    truth_mean, predicted_mean = (m.sum(dtype=np.float64) / n_entries for m in (truth, prediction))
    moments = np.zeros(3)
    for t, p in row_blocks(truth, prediction):
        t -= truth_mean
        p -= predicted_mean
        moments += np.vdot(t, p), np.vdot(t, t), np.vdot(p, p)
    return float(correlation(*moments))


def pearson_lines(truth: NDArray[Any], prediction: NDArray[Any]) -> NDArray[np.float64]:
    """Correlate each row of two dense arrays of shape (n_lines, length), length above 0."""
    t = truth - truth.mean(axis=1, keepdims=True)
    p = prediction - prediction.mean(axis=1, keepdims=True)
    scores = correlation((t * p).sum(axis=1), (t * t).sum(axis=1), (p * p).sum(axis=1))
    # Compared exactly: centring a constant may leave rounding errors, which would correlate.
    scores[np.ptp(prediction, axis=1) == 0] = 0
    scores[np.ptp(truth, axis=1) == 0] = np.nan
    return scores


def correlation(cross: Any, truth_square: Any, predicted_square: Any) -> Any:
    """Return the correlation from centred sums of products; 0 where the denominator is 0."""
    norm = np.sqrt(truth_square) * np.sqrt(predicted_square)
    defined = norm > 0
    return np.clip(np.where(defined, cross / np.where(defined, norm, 1), 0.0), -1, 1)


def _is_constant(matrix: Any) -> bool:
    return bool(matrix.max() == matrix.min())
