from __future__ import annotations

import math

import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

from scvi_xmodal.metrics import evaluate_annotation


@pytest.fixture
def labels(rng):
    true = pd.Series(rng.choice(["B", "T", "NK"], 60, p=[0.6, 0.3, 0.1]))
    given = true.where(rng.random(60) < 0.7, rng.choice(["B", "T", "NK", "HSC"], 60))
    return true, given


def test_equals_scikit_learn(labels):
    true, given = labels
    scores = evaluate_annotation(true, given)
    assert scores.accuracy == accuracy_score(true, given)
    assert scores.kappa == pytest.approx(cohen_kappa_score(true, given))
    known = ["B", "NK", "T"]  # a label that no cell has is no row of the table
    for average in ("macro", "weighted"):
        expected = f1_score(true, given, labels=known, average=average, zero_division=0)
        assert getattr(scores, f"f1_{average}") == pytest.approx(expected)
    assert scores.unsure_fraction == 0
    assert scores.accuracy_of_sure == scores.accuracy


def test_f1_by_hand():
    scores = evaluate_annotation(["a", "a", "a", "b"], ["a", "a", "b", "b"])
    # a: precision 1, recall 2/3; b: precision 1/2, recall 1
    assert scores.f1_macro == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores.f1_weighted == pytest.approx((3 * 0.8 + 2 / 3) / 4)


def test_unsure_cells_are_wrong_and_counted():
    scores = evaluate_annotation(["a", "b", "b", "b"], ["a", "b", None, "unsure"])
    assert (scores.accuracy, scores.accuracy_of_sure, scores.unsure_fraction) == (0.5, 1, 0.5)
    nobody = evaluate_annotation(["a", "b"], ["unsure", "unsure"])
    assert nobody.accuracy == 0
    assert math.isnan(nobody.accuracy_of_sure)


def test_series_are_matched_by_name_and_cells_without_truth_left_out(labels):
    true, given = labels
    true = true.astype("category")
    shuffled = given.sample(frac=1, random_state=0)
    assert evaluate_annotation(true, shuffled) == evaluate_annotation(true, given)
    true[:5] = None
    scores = evaluate_annotation(true, given)
    assert scores.n_cells == 55
    assert scores == evaluate_annotation(true[5:].reset_index(drop=True), list(given[5:]))


def test_numbers_are_the_same_labels_with_and_without_gaps():
    given = ["1", "2", "unsure"]
    for true in (
        pd.Series([1, 2, None], dtype="Int64"),
        pd.Series([1, 2, None], dtype=float),
        pd.Series([1, 2, None], dtype="category"),
    ):
        assert evaluate_annotation(true, given).accuracy == 1


def test_one_label_and_one_cell():
    scores = evaluate_annotation(["a"], ["a"])
    assert scores.accuracy == scores.f1_macro == 1
    assert math.isnan(scores.kappa)


def test_users_mistakes_are_named(labels):
    true, given = labels
    with pytest.raises(ValueError, match="60 true labels were given for 59"):
        evaluate_annotation(true, given[1:])
    with pytest.raises(ValueError, match="cannot be matched by name"):
        evaluate_annotation(true, given.set_axis([f"c{i}" for i in range(60)]))
    with pytest.raises(ValueError, match="Not one cell has a true label"):
        evaluate_annotation([None, None], ["a", "b"])
    table = pd.DataFrame({"label": given, "share": 1.0})
    with pytest.raises(ValueError, match=r"annotated must be .*\(60, 2\).*\['label'\]"):
        evaluate_annotation(true, table)
    with pytest.raises(ValueError, match="truth must be one label for each cell"):
        evaluate_annotation(table, given)
    with pytest.raises(ValueError, match="'unsure' .* is the true label of 1 of 2 cells.*unsure="):
        evaluate_annotation(["a", "unsure"], ["a", "unsure"])
    named = evaluate_annotation(["a", "unsure"], ["a", "unsure"], unsure="nothing")
    assert named.accuracy == 1
