"""How well predictions rank open before closed entries: AUROC and average precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._blocks import check_pair, thin_cells
from scvi_xmodal.metrics._counting import count_columns, count_flat
from scvi_xmodal.metrics._spearman import MAX_FLAT_ENTRIES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Ranking:
    """AUROC and average precision, which share all of their work.

    Parameters
    ----------
    auroc
        Area under the receiver operating characteristic: a float, or one per feature or cell.
    average_precision
        Average precision, of the same shape.
    """

    auroc: Any
    average_precision: Any


def ranking_per_feature(truth: Any, prediction: Any) -> Ranking:
    r"""Return AUROC and average precision of every feature over cells.

    .. math::
        A = \frac{1}{n_+ n_-} \sum_{i \in +} \Big(\#\{k \in -: p_k < p_i\} +
        \tfrac{1}{2} \#\{k \in -: p_k = p_i\}\Big), \qquad
        P = \frac{1}{n_+} \sum_{i \in +}
        \frac{\#\{k \in +: p_k \ge p_i\}}{\#\{k: p_k \ge p_i\}}

    Ties count as in scikit-learn, whose ``roc_auc_score`` and ``average_precision_score`` give
    the same numbers. All columns of a block are sorted at once and only the open entries are
    looked up, so the cost is one sort of the predictions.

    Parameters
    ----------
    truth
        Measured values of shape (n_cells, n_features), dense or sparse; open where above 0.
    prediction
        Scores of shape (n_cells, n_features), dense or sparse, higher where more likely open.

    Returns
    -------
    Two arrays of shape (n_features,); NaN for features that are open in no cell or in all.

    Raises
    ------
    ValueError
        If the shapes differ or a value is NaN or infinite.

    Examples
    --------
    >>> from scvi_xmodal.metrics import ranking_per_feature
    >>> ranking_per_feature([[0], [1], [0], [1]], [[0.1], [0.4], [0.6], [0.8]])
    Ranking(auroc=array([0.75]), average_precision=array([0.83333333]))
    """
    return Ranking(*count_columns(*check_pair(truth, prediction)))


def ranking_per_cell(truth: Any, prediction: Any) -> Ranking:
    """Return AUROC and average precision of every cell over features, of shape (n_cells,).

    Arguments, formula, special cases and errors are those of :func:`ranking_per_feature`.

    Examples
    --------
    >>> from scvi_xmodal.metrics import ranking_per_cell
    >>> ranking_per_cell([[0, 1, 0, 1]], [[0.1, 0.4, 0.6, 0.8]]).auroc
    array([0.75])
    """
    truth, prediction = check_pair(truth, prediction)
    return Ranking(*count_columns(truth.T, prediction.T))


def ranking_flat(
    truth: Any, prediction: Any, *, max_entries: int | None = MAX_FLAT_ENTRIES
) -> Ranking:
    """Return AUROC and average precision over all entries of cells x features, exactly.

    A constant guess per peak scores well above .5: read it beside
    :func:`ranking_per_feature`, whose formula and special cases it shares. Predictions are
    sorted a block of rows at a time and the open entries counted into them. Memory: some 60
    bytes per open entry and 64 MB; no copy of the predictions.

    Parameters
    ----------
    truth, prediction
        As in :func:`ranking_per_feature`.
    max_entries
        With more entries than this, every k-th cell in the given order is looked at, with the
        smallest k that suffices; ``None`` looks at all.

    Returns
    -------
    Two floats; NaN where nothing or everything is open.

    Raises
    ------
    ValueError
        If the shapes differ, a value is NaN or infinite, or ``max_entries`` is below 1.

    Examples
    --------
    >>> from scvi_xmodal.metrics import ranking_flat
    >>> ranking_flat([[0, 1], [0, 1]], [[0.1, 0.4], [0.6, 0.8]]).auroc
    0.75
    """
    check_arguments(locals(), truth=None, prediction=None)
    truth, prediction = thin_cells(*check_pair(truth, prediction), max_entries)
    auroc, precision = count_flat(truth, prediction)
    return Ranking(float(auroc[0]), float(precision[0]))


def auroc_per_feature(truth: Any, prediction: Any) -> NDArray[np.float64]:
    """Return the AUROC of every feature over cells, of shape (n_features,).

    Arguments, special cases and errors are those of :func:`ranking_per_feature`.

    Examples
    --------
    >>> from scvi_xmodal.metrics import auroc_per_feature
    >>> auroc_per_feature([[0, 0], [1, 0]], [[0.5, 0.1], [0.5, 0.2]])
    array([0.5, nan])
    """
    return ranking_per_feature(truth, prediction).auroc


def auroc_per_cell(truth: Any, prediction: Any) -> NDArray[np.float64]:
    """Return the AUROC of every cell over features, of shape (n_cells,).

    Arguments, special cases and errors are those of :func:`ranking_per_cell`.

    Examples
    --------
    >>> from scvi_xmodal.metrics import auroc_per_cell
    >>> auroc_per_cell([[0, 1, 0, 1]], [[0.1, 0.4, 0.6, 0.8]])
    array([0.75])
    """
    return ranking_per_cell(truth, prediction).auroc


def auroc_flat(
    truth: Any, prediction: Any, *, max_entries: int | None = MAX_FLAT_ENTRIES
) -> float:
    """Return the AUROC over all entries of cells x features.

    Arguments, special cases and errors are those of :func:`ranking_flat`.

    Examples
    --------
    >>> from scvi_xmodal.metrics import auroc_flat
    >>> auroc_flat([[0, 1], [0, 1]], [[0.1, 0.4], [0.6, 0.8]])
    0.75
    """
    check_arguments(locals(), truth=None, prediction=None)
    return ranking_flat(truth, prediction, max_entries=max_entries).auroc


def average_precision_per_feature(truth: Any, prediction: Any) -> NDArray[np.float64]:
    """Return the average precision of every feature over cells, of shape (n_features,).

    Arguments, special cases and errors are those of :func:`ranking_per_feature`. A constant
    prediction scores the feature's open fraction.

    Examples
    --------
    >>> from scvi_xmodal.metrics import average_precision_per_feature
    >>> average_precision_per_feature([[0], [1], [0], [0]], [[0.5], [0.5], [0.5], [0.5]])
    array([0.25])
    """
    return ranking_per_feature(truth, prediction).average_precision


def average_precision_per_cell(truth: Any, prediction: Any) -> NDArray[np.float64]:
    """Return the average precision of every cell over features, of shape (n_cells,).

    Arguments, special cases and errors are those of :func:`ranking_per_cell`.

    Examples
    --------
    >>> from scvi_xmodal.metrics import average_precision_per_cell
    >>> average_precision_per_cell([[0, 1, 0, 0]], [[0.5, 0.9, 0.5, 0.5]])
    array([1.])
    """
    return ranking_per_cell(truth, prediction).average_precision


def average_precision_flat(
    truth: Any, prediction: Any, *, max_entries: int | None = MAX_FLAT_ENTRIES
) -> float:
    """Return the average precision over all entries of cells x features.

    Arguments, special cases and errors are those of :func:`ranking_flat`.

    Examples
    --------
    >>> from scvi_xmodal.metrics import average_precision_flat
    >>> average_precision_flat([[0, 1], [0, 0]], [[0.5, 0.5], [0.5, 0.5]])
    0.25
    """
    check_arguments(locals(), truth=None, prediction=None)
    return ranking_flat(truth, prediction, max_entries=max_entries).average_precision
