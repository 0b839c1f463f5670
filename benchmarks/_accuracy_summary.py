"""From rows to comparisons: scores of each fold, their spread, the best, and paired tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from benchmarks._accuracy_jobs import DEFAULT
from benchmarks._accuracy_models import MEASURED, MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

CLUSTERING = ("ami", "ari", "nmi", "homogeneity")
METRICS = {
    "rna": (
        *("pearson_gene", "pearson_cell", "pearson_flat"),
        *("spearman_gene", "spearman_cell", "spearman_flat", "rmse"),
        *CLUSTERING,
    ),
    "atac": (
        *("auroc_peak", "auroc_cell", "auroc_flat", "ap_peak", "ap_cell", "ap_flat"),
        *("calibration_error", "calibration_ratio"),
        *CLUSTERING,
    ),
    "protein": (
        *("pearson_protein", "pearson_cell", "spearman_protein", "spearman_cell", "rmse"),
        *CLUSTERING,
    ),
}
"""Columns of each target, the leading one first."""
LOWER = ("rmse", "calibration_error", "calibration_ratio")
PLACE = ["data", "split", "source", "target"]
OURS = "butterfly"
FEWEST = 5
"""Fewest pairs of a signed-rank test; with fewer no p can be below .1."""


def comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the models as they come, on all training cells, without failures."""
    own = (table["variant"] == DEFAULT) & (table["train_fraction"] == 1) & (table["error"] == "")
    return table[own]


def by_fold(table: pd.DataFrame, extra: Sequence[str] = ()) -> pd.DataFrame:
    """Average seeds, so that a fold is one observation.

    Parameters
    ----------
    table
        Rows of one place.
    extra
        Columns beside ``model`` that tell rows of one fold apart.

    Returns
    -------
    Scores by model, ``extra`` and fold.
    """
    scores = [name for name in _scored(table) if table[name].notna().any()]
    return table.groupby(["model", *extra, "fold"])[scores].mean()


def spread(folds: pd.DataFrame) -> pd.DataFrame:
    """Return mean, standard deviation and number of folds of each score, models in order."""
    levels = [name for name in folds.index.names if name != "fold"]
    summary = folds.groupby(level=levels).agg(["mean", "std", "count"])
    present = [name for name in MODELS if name in summary.index.get_level_values("model")]
    return summary.reindex(present, level="model") if len(levels) > 1 else summary.loc[present]


def distance(metric: str, values: pd.Series) -> pd.Series:
    """Turn scores so that more is better: a ratio by its distance from 1 in logarithms."""
    if metric == "calibration_ratio":
        return -np.log(values).abs()
    return -values if metric in LOWER else values


def best(summary: pd.DataFrame, metric: str) -> str | None:
    """Return the best model of those with most folds; the measured cells do not compete."""
    part = summary[metric].drop(index=MEASURED, errors="ignore").dropna(subset="mean")
    part = part[part["count"] == part["count"].max()]
    return None if part.empty else str(distance(metric, part["mean"]).idxmax())


def paired_tests(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Compare Butterfly with every other model on the folds that both have.

    Wilcoxon's signed-rank test, two-sided, exact where it can be; a pair is a fold of a data
    set and a split. Test folds are disjoint within a split, but training cells overlap and the
    three splits reuse cells, so p is smaller than independent data would give.

    Parameters
    ----------
    table
        Rows of one direction, of any data sets and splits.
    metric
        Score to compare.

    Returns
    -------
    For each model the number of pairs ``n``, of them those that Butterfly wins, ``wins``, the
    ``median`` difference (positive where Butterfly is better) and ``p``, none with fewer than
    five pairs.
    """
    scores = table.groupby(["data", "split", "fold", "model"])[metric].mean().unstack("model")
    if OURS not in scores:
        return pd.DataFrame(columns=["n", "wins", "median", "p"])
    scores = scores.apply(lambda column: distance(metric, column))
    rows = {}
    for name in [name for name in MODELS if name in scores and name not in (OURS, MEASURED)]:
        gain = (scores[OURS] - scores[name]).dropna()
        if gain.size:
            tested = gain.size >= FEWEST and (gain != 0).any()
            p = float(wilcoxon(gain).pvalue) if tested else float("nan")
            rows[name] = (gain.size, int((gain > 0).sum()), float(gain.median()), p)
    return pd.DataFrame.from_dict(rows, orient="index", columns=["n", "wins", "median", "p"])


def _scored(table: pd.DataFrame) -> list[str]:
    known = dict.fromkeys(name for names in METRICS.values() for name in names)
    costs = ("fit_cpu_seconds", "fit_seconds", "fit_peak_rss_mb", "translate_cpu_seconds")
    return [name for name in (*known, *costs) if name in table]
