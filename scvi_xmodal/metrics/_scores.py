"""Which scores each kind of modality gets, as columns of a table."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal.metrics._calibration import calibration, is_probability
from scvi_xmodal.metrics._errors import rmse_flat, rmse_per_feature
from scvi_xmodal.metrics._pearson import pearson_flat, pearson_per_cell, pearson_per_feature
from scvi_xmodal.metrics._ranking import ranking_flat, ranking_per_cell, ranking_per_feature
from scvi_xmodal.metrics._spearman import spearman_flat, spearman_per_cell, spearman_per_feature

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind

    Row = dict[str, float]


def score(kind: Kind, truth: Any, prediction: Any, *, name: str, scale: str | None = None) -> Row:
    """Return the scores of one prediction by column.

    Parameters
    ----------
    kind
        What was predicted.
    truth
        Measured values on the prediction's scale, of shape (n_cells, n_features).
    prediction
        Predicted values of the same shape.
    name
        How a warning calls the prediction.
    scale
        What the prediction's values are, where it is known; TF-IDF values are no probabilities.
    """
    scores = _SCORES[kind](truth, prediction)
    if kind == "atac":
        scores |= _calibration(truth, prediction, name, scale)
    return scores


def score_features(
    kind: Kind, truth: Any, prediction: Any, mean: NDArray[np.float64] | None
) -> dict[str, NDArray[np.float64]]:
    """Return the scores of every feature by column; see :func:`score`."""
    measured = column_means(truth)
    table = {"mean_measured": measured, "mean_predicted": column_means(prediction)}
    if kind == "atac":
        ranking = ranking_per_feature(truth, prediction)
        defined = np.where(np.isnan(ranking.auroc), np.nan, measured)
        return table | {
            "auroc": ranking.auroc,
            "average_precision": ranking.average_precision,
            "average_precision_baseline": defined,
        }
    table |= {
        "pearson": pearson_per_feature(truth, prediction),
        "spearman": spearman_per_feature(truth, prediction),
        "rmse": rmse_per_feature(truth, prediction),
    }
    if mean is not None:
        table["rmse_baseline"] = rmse_per_feature(truth, np.broadcast_to(mean, truth.shape))
    return table


def column_means(matrix: Any) -> NDArray[np.float64]:
    """Return the mean of every feature, of shape (n_features,)."""
    return np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()


def mean_defined(scores: NDArray[np.float64]) -> float:
    """Return the mean of the scores that are defined; NaN if none is."""
    defined = scores[~np.isnan(scores)]
    return float(defined.mean()) if defined.size else float("nan")


def _rna(truth: Any, prediction: Any) -> Row:
    per_gene = pearson_per_feature(truth, prediction)
    return {
        "pearson_gene": mean_defined(per_gene),
        "pearson_cell": mean_defined(pearson_per_cell(truth, prediction)),
        "pearson_flat": pearson_flat(truth, prediction),
        "spearman_gene": mean_defined(spearman_per_feature(truth, prediction)),
        "spearman_cell": mean_defined(spearman_per_cell(truth, prediction)),
        "spearman_flat": spearman_flat(truth, prediction),
        "rmse": rmse_flat(truth, prediction),
        "n_features_scored": _n_defined(per_gene),
    }


def _atac(truth: Any, prediction: Any) -> Row:
    per_peak = ranking_per_feature(truth, prediction)
    per_cell = ranking_per_cell(truth, prediction)
    flat = ranking_flat(truth, prediction)
    return {
        "auroc_peak": mean_defined(per_peak.auroc),
        "auroc_cell": mean_defined(per_cell.auroc),
        "auroc_flat": flat.auroc,
        "ap_peak": mean_defined(per_peak.average_precision),
        "ap_cell": mean_defined(per_cell.average_precision),
        "ap_flat": flat.average_precision,
        "n_features_scored": _n_defined(per_peak.auroc),
    }


def _protein(truth: Any, prediction: Any) -> Row:
    per_protein = pearson_per_feature(truth, prediction)
    return {
        "pearson_protein": mean_defined(per_protein),
        "pearson_cell": mean_defined(pearson_per_cell(truth, prediction)),
        "spearman_protein": mean_defined(spearman_per_feature(truth, prediction)),
        "spearman_cell": mean_defined(spearman_per_cell(truth, prediction)),
        "rmse": rmse_flat(truth, prediction),
        "n_features_scored": _n_defined(per_protein),
    }


def _calibration(truth: Any, prediction: Any, name: str, scale: str | None) -> Row:
    weighted = scale == "tfidf"
    if weighted or not is_probability(prediction):
        reason = "holds TF-IDF values" if weighted else "leaves [0, 1]"
        warnings.warn(
            f"Prediction {name!r} {reason}, so it is no probability: its calibration is NaN.",
            stacklevel=5,
        )
        return {"calibration_error": float("nan"), "calibration_ratio": float("nan")}
    found = calibration(truth, prediction)
    return {"calibration_error": found.error, "calibration_ratio": found.ratio}


def _n_defined(scores: NDArray[np.float64]) -> int:
    return int((~np.isnan(scores)).sum())


_SCORES: dict[Kind, Callable[[Any, Any], Row]] = {"rna": _rna, "atac": _atac, "protein": _protein}
