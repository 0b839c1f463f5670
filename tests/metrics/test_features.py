"""The table of features against the functions on arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scvi_xmodal.metrics import (
    auroc_per_feature,
    average_precision_per_feature,
    evaluate_features,
    evaluate_translation,
    pearson_per_feature,
    rmse_per_feature,
    spearman_per_feature,
)


def test_rna(rna):
    table = evaluate_features(rna.prediction, rna.truth, reference=rna.reference)
    counts, training = (a.X.toarray().astype(float) for a in (rna.truth, rna.reference))
    target = np.median(training.sum(axis=1))
    truth = np.log1p(counts / counts.sum(axis=1, keepdims=True) * target)
    mean = np.log1p(training / training.sum(axis=1, keepdims=True) * target).mean(axis=0)
    expected = pd.DataFrame(
        {
            "mean_measured": truth.mean(axis=0),
            "mean_predicted": rna.prediction.X.mean(axis=0, dtype=float),
            "pearson": pearson_per_feature(truth, rna.prediction.X),
            "spearman": spearman_per_feature(truth, rna.prediction.X),
            "rmse": rmse_per_feature(truth, rna.prediction.X),
            "rmse_baseline": np.sqrt(np.mean((truth - mean) ** 2, axis=0)),
        },
        index=rna.truth.var_names.rename("feature"),
    )
    pd.testing.assert_frame_equal(table, expected, rtol=1e-4)


def test_atac(atac):
    atac.truth.X = atac.truth.X.multiply(np.arange(40) > 0).tocsr()
    table = evaluate_features(atac.prediction, atac.truth)
    truth = atac.truth.X.toarray() > 0
    np.testing.assert_allclose(table["mean_measured"], truth.mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(table["auroc"], auroc_per_feature(truth, atac.prediction.X))
    np.testing.assert_array_equal(
        table["average_precision"], average_precision_per_feature(truth, atac.prediction.X)
    )
    constant = average_precision_per_feature(truth, np.ones(truth.shape))
    np.testing.assert_allclose(table["average_precision_baseline"], constant, rtol=1e-6)
    assert table.iloc[0][["auroc", "average_precision"]].isna().all()


def test_means_are_those_of_the_main_table(experiment):
    features = evaluate_features(experiment.prediction, experiment.truth)
    whole = evaluate_translation(experiment.prediction, experiment.truth).iloc[0]
    first = "auroc" if experiment.kind == "atac" else "pearson"
    assert features[first].mean() == whole.iloc[0]
    assert features[first].notna().sum() == whole["n_features_scored"]


def test_several_predictions_and_the_shortcut(experiment):
    shuffled = experiment.prediction[::-1, ::-1].copy()
    both = {"one": experiment.prediction, "two": shuffled}
    table = evaluate_features(both, experiment.truth, reference=experiment.reference)
    assert table.index.names == ["prediction", "feature"]
    pd.testing.assert_frame_equal(table.loc["one"], table.loc["two"][::-1])
    same = evaluate_translation(
        both, experiment.truth, reference=experiment.reference, per_feature=True
    )
    pd.testing.assert_frame_equal(table, same)
