"""Figures of scores: per feature, calibration, confusion."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scvi_xmodal import metrics, pl


def _table(rng, names=("model", "baseline", "Mean"), score="auroc"):
    index = pd.MultiIndex.from_product([names, [f"peak{j}" for j in range(200)]])
    values = np.concatenate([rng.normal(0.6, 0.1, 200), rng.normal(0.5, 0.1, 200), [0.5] * 200])
    return pd.DataFrame({score: values[: len(index)], "mean_measured": 0.1}, index=index)


def _counts(ax):
    """Return how many features each drawn outline counts."""
    polygons = [p for p in ax.patches if not p.get_fill()]
    return [len(p.get_xy()) for p in polygons]


def test_scores_have_a_curve_for_each_prediction_and_the_line_of_nothing(rng):
    table = _table(rng)
    (ax,) = pl.feature_scores(table)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    medians = table["auroc"].groupby(level=0, sort=False).median()
    assert labels == [f"{name} (median {value:.2f})" for name, value in medians.items()]
    assert ax.lines[0].get_xdata()[0] == 0.5
    assert len(_counts(ax)) == 3
    assert ax.get_xlabel() == "auroc"


def test_a_constant_baseline_does_not_flatten_the_others(rng):
    (ax,) = pl.feature_scores(_table(rng))
    assert ax.get_ylim()[1] < 60
    (alone,) = pl.feature_scores(_table(rng)[400:])
    assert alone.get_ylim()[1] >= 200


def test_one_prediction_several_scores_and_missing_values(rng):
    table = _table(rng, ("model",), "pearson").droplevel(0)
    table["spearman"] = table["pearson"] / 2
    table.loc["peak3", "pearson"] = np.nan
    axes = pl.feature_scores(table, scores=["pearson", "spearman"])
    assert [ax.get_xlabel() for ax in axes] == ["pearson", "spearman"]
    with pytest.raises(ValueError, match="scores names 'auroc'"):
        pl.feature_scores(table, scores="auroc")
    with pytest.raises(ValueError, match="No feature has a value of 'pearson'"):
        pl.feature_scores(table.assign(pearson=np.nan))
    with pytest.raises(ValueError, match="name its scores"):
        pl.feature_scores(table[["mean_measured"]])


def test_calibration_draws_the_bins(rng):
    prediction = rng.uniform(0.01, 0.3, (50, 40))
    curve = metrics.calibration(rng.random((50, 40)) < prediction, prediction)
    ax = pl.calibration({"model": curve, "again": curve})
    drawn = [line for line in ax.lines if line.get_marker() != "None"]
    np.testing.assert_array_equal(drawn[0].get_xdata(), curve.mean_predicted)
    np.testing.assert_array_equal(drawn[0].get_ydata(), curve.open_fraction)
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        f"{name} (ratio {curve.ratio:.2f})" for name in ("model", "again")
    ]
    assert len({line.get_marker() for line in drawn}) == 2


def test_calibration_of_closed_peaks_needs_linear_axes():
    closed = metrics.calibration([[0, 0]], [[0.1, 0.2]])
    with pytest.raises(ValueError, match="give log=False"):
        pl.calibration(closed)
    _, given = plt.subplots()
    assert pl.calibration(closed, log=False, ax=given) is given
    empty = metrics.calibration(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="no curve to draw"):
        pl.calibration(empty)


def test_confusion_counts_cells():
    true = pd.Series(["B", "B", "T", "T", "T", None], name="label")
    given = pd.Series(["B", "T", "T", "T", None, "B"], name="label")
    ax = pl.confusion(true, given, normalize=False)
    np.testing.assert_array_equal(ax.images[0].get_array(), [[1, 1, 0], [0, 2, 1]])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["B", "T", "unsure"]
    fractions = pl.confusion(true, given).images[0].get_array()
    np.testing.assert_allclose(fractions, [[0.5, 0.5, 0], [0, 2 / 3, 1 / 3]])
    assert {text.get_text() for text in ax.texts} == {"1", "2"}


def test_confusion_of_labels_that_only_one_side_has():
    _, given_ax = plt.subplots()
    ax = pl.confusion(["a", "b"], ["z", "b"], ax=given_ax)
    assert ax is given_ax
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b", "z"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    many = pl.confusion([f"t{i}" for i in range(40)], [f"t{i}" for i in range(40)])
    assert not many.texts
    with pytest.raises(ValueError, match="2 true labels were given for 1"):
        pl.confusion(["a", "b"], ["a"])


@pytest.mark.filterwarnings("error")
def test_long_labels_leave_room_for_the_fields():
    labels = ["CD4+ memory T cells, activated (blood)", "CD14+ monocytes, inflammatory state"]
    ax = pl.confusion(labels, labels)
    figure = ax.figure
    figure.draw_without_rendering()
    assert ax.get_window_extent().width / figure.dpi > 0.4
    for text in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        extent = text.get_window_extent()
        assert extent.x0 >= 0
        assert extent.y0 >= 0
