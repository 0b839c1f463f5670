from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

import scvi_xmodal as xm
from scvi_xmodal.metrics import _blocks
from scvi_xmodal.metrics._translated import Translated
from scvi_xmodal.tl import annotate


def test_equals_scikit_learn_on_standardised_values(rna, measured):
    found = annotate(rna, measured, "cell_type", seed=3)
    read = Translated.read(rna)
    x = read.scaled(read.read_measured(measured, None, name="reference"), rna.var_names).toarray()
    center, spread = x.mean(axis=0), x.std(axis=0)
    y = (rna.X - rna.X.mean(axis=0)) / rna.X.std(axis=0)
    model = LinearSVC(C=0.01, random_state=3)
    # a shift of all cells moves the intercept only, which LinearSVC penalises a little
    model.fit(x / spread, measured.obs["cell_type"].astype(str))
    expected = model.predict(y + center / spread)
    np.testing.assert_array_equal(found["label"], expected)
    scores = np.sort(model.decision_function(y + center / spread), axis=1)
    np.testing.assert_allclose(found["margin"], scores[:, -1] - scores[:, -2], atol=1e-4)
    assert xm.metrics.evaluate_annotation(rna.obs["cell_type"], found["label"]).accuracy > 0.9


def test_standardising_mends_what_shrinks(rna, measured):
    """A translation with the right order of cells, but little spread; one type is frequent."""
    shrunk = rna.copy()
    center = rna.X.mean(axis=0)
    shrunk.X = center + 0.02 * (rna.X - center)
    is_rare = (measured.obs["cell_type"] != "T").to_numpy()
    measured = measured[~is_rare | (np.arange(measured.n_obs) < 18)].copy()
    kappas = [
        xm.metrics.evaluate_annotation(
            rna.obs["cell_type"], annotate(shrunk, measured, "cell_type", standardize=s)["label"]
        ).kappa
        for s in (True, False)
    ]
    assert kappas[0] > 0.8 > 0.3 > kappas[1]


@pytest.mark.parametrize("name", ["cortex_snareseq", "bmmc_multiome"])
def test_standardising_helps_on_real_cells(name):
    """Pairs without labels train the translation, other cells' labelled RNA the classifier."""
    mdata = getattr(xm.datasets, name)()
    split = xm.pp.split(mdata, seed=0)
    pairs, labelled = np.array_split(np.random.default_rng(0).permutation(split.train), 2)
    ridge = xm.baselines.Ridge().fit(mdata, indices=pairs)
    rna = ridge.translate(mdata["atac"][split.test], source="atac", target="rna")
    reference = MuData({"rna": mdata["rna"][labelled].copy()})
    reference["rna"].obs["cell_type"] = mdata.obs["cell_type"].iloc[labelled].to_numpy()
    truth = mdata.obs["cell_type"].iloc[split.test]
    kappas = [
        xm.metrics.evaluate_annotation(
            truth, annotate(rna, reference, "cell_type", standardize=standardize)["label"]
        ).kappa
        for standardize in (True, False)
    ]
    assert kappas[0] > 0.05
    assert kappas[1] < 0.01


def test_without_standardising_a_cell_alone_is_labelled_the_same(rna, measured):
    together = annotate(rna, measured, "cell_type", standardize=False)
    part = annotate(rna[:30], measured, "cell_type", standardize=False)
    # the scale of the reference follows the cells' mean expression, closely alike here
    assert (part["label"] == together["label"].iloc[:30]).mean() > 0.9


def test_unsure_where_the_lead_is_small(rna, measured):
    all_labels = annotate(rna, measured, "cell_type")
    threshold = float(all_labels["margin"].median())
    found = annotate(rna, measured, "cell_type", margin=threshold)
    unsure = found["label"] == "unsure"
    assert unsure.sum() == 30
    assert (unsure == (all_labels["margin"] < threshold)).all()
    assert found["best"].equals(all_labels["label"].rename("best"))


@pytest.mark.parametrize(
    "classifier",
    [LogisticRegression(max_iter=1000), BernoulliNB(binarize=1.0), KNeighborsClassifier()],
    ids=repr,
)
def test_any_classifier_is_cloned_and_used(classifier, rna, measured):
    found = annotate(rna, measured, "cell_type", classifier=classifier)
    assert xm.metrics.evaluate_annotation(rna.obs["cell_type"], found["label"]).accuracy > 0.5
    assert found["margin"].between(0, 30).all()
    assert not hasattr(classifier, "classes_")


def test_probabilities_and_two_labels(rna, measured):
    measured.obs["is_b"] = np.where(measured.obs["cell_type"] == "B", "yes", "no")
    found = annotate(rna, measured, "is_b")
    truth = np.where(rna.obs["cell_type"] == "B", "yes", "no")
    assert (found["label"] == truth).mean() > 0.9
    assert (found["margin"] >= 0).all()


def test_unlabelled_cells_mudata_and_blocks(rna, measured, monkeypatch):
    whole = annotate(rna, measured[9:].copy(), "cell_type")
    measured.obs["cell_type"] = measured.obs["cell_type"].astype(object)
    measured.obs.iloc[:9, 0] = None
    monkeypatch.setattr(_blocks.slices, "__kwdefaults__", {"n_values": 70})
    pd.testing.assert_frame_equal(
        annotate(rna, MuData({"rna": measured}), "cell_type")[["label"]],
        whole[["label"]],
        check_dtype=False,
    )


def test_sparse_predictions(rna, measured):
    dense = annotate(rna, measured, "cell_type")
    rna.X = sparse.csr_matrix(rna.X)
    pd.testing.assert_frame_equal(annotate(rna, measured, "cell_type"), dense, rtol=1e-3)


def test_users_mistakes_are_named(rna, measured):
    cases = [
        ({"labels_key": "leiden"}, "'leiden' is no column of reference.obs"),
        ({"margin": -1}, "margin=-1"),
        ({"margin": 0.1, "classifier": _NoScores()}, "needs scores of labels"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            annotate(rna, measured, **{"labels_key": "cell_type", **options})
    with pytest.raises(ValueError, match="9 cells are too few to standardise"):
        annotate(rna[:9], measured, "cell_type")
    one = measured[measured.obs["cell_type"] == "B"].copy()
    with pytest.raises(ValueError, match="the label 'B' only"):
        annotate(rna, one, "cell_type")
    with pytest.raises(ValueError, match="share 5 features"):
        annotate(rna, measured[:, :5].copy(), "cell_type")


class _NoScores:
    """A classifier that only predicts."""

    def get_params(self, deep=True):
        return {}

    def fit(self, x, y):
        return self

    def predict(self, x):
        return np.zeros(len(x))


def test_raw_counts_are_no_prediction(measured):
    with pytest.raises(ValueError, match="prediction.X holds whole numbers up to"):
        annotate(measured, measured, "cell_type", kind="rna")
