"""The table against an independent computation of each of its numbers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse, stats
from sklearn.metrics import average_precision_score, roc_auc_score

from scvi_xmodal.baselines import Mean
from scvi_xmodal.metrics import calibration, evaluate_translation

COLUMNS = {
    "rna": [
        "pearson_gene",
        "pearson_cell",
        "pearson_flat",
        "spearman_gene",
        "spearman_cell",
        "spearman_flat",
        "rmse",
    ],
    "atac": [
        "auroc_peak",
        "auroc_cell",
        "auroc_flat",
        "ap_peak",
        "ap_cell",
        "ap_flat",
        "calibration_error",
        "calibration_ratio",
    ],
    "protein": ["pearson_protein", "pearson_cell", "spearman_protein", "spearman_cell", "rmse"],
}
CLUSTERING = ["ari", "ami", "nmi", "homogeneity"]
SIZES = ["n_cells", "n_features", "n_features_scored"]


def mean_over(function, truth, prediction, axis):
    lines = (truth.T, prediction.T) if axis == "feature" else (truth, prediction)
    scores = [function(t, p) for t, p in zip(*lines, strict=True) if np.ptp(t) > 0]
    return np.mean(scores)


def pearson(t, p):
    return stats.pearsonr(t, p)[0] if np.ptp(p) > 0 else 0


def spearman(t, p):
    return stats.spearmanr(t, p)[0] if np.ptp(p) > 0 else 0


def expected_correlations(truth, prediction, feature):
    return {
        f"pearson_{feature}": mean_over(pearson, truth, prediction, "feature"),
        "pearson_cell": mean_over(pearson, truth, prediction, "cell"),
        "pearson_flat": pearson(truth.ravel(), prediction.ravel()),
        f"spearman_{feature}": mean_over(spearman, truth, prediction, "feature"),
        "spearman_cell": mean_over(spearman, truth, prediction, "cell"),
        "spearman_flat": spearman(truth.ravel(), prediction.ravel()),
        "rmse": np.sqrt(np.mean((truth - prediction) ** 2)),
    }


def assert_row(row, expected):
    for column, value in expected.items():
        if column in row:
            assert row[column] == pytest.approx(value, rel=1e-5, abs=1e-7), column


def run(experiment, **kwargs):
    kwargs = {"reference": experiment.reference, "labels_key": "cell_type"} | kwargs
    return evaluate_translation(experiment.prediction, experiment.truth, **kwargs)


def test_rows_and_columns(experiment):
    table = run(experiment)
    assert list(table.index) == ["prediction", "mean", "measured"]
    assert list(table.columns) == COLUMNS[experiment.kind] + CLUSTERING + SIZES
    assert table.loc["measured", COLUMNS[experiment.kind]].isna().all()
    assert table.drop(index="measured").notna().all(axis=None)
    assert table.loc["measured", CLUSTERING].notna().all()
    assert (table[["n_cells", "n_features"]] == [90, 40]).all(axis=None)
    without = evaluate_translation(experiment.prediction, experiment.truth)
    assert list(without.index) == ["prediction"]
    assert list(without.columns) == COLUMNS[experiment.kind] + SIZES


def test_rna_numbers(rna):
    table = run(rna)
    counts, training = (a.X.toarray().astype(float) for a in (rna.truth, rna.reference))
    target = np.median(training.sum(axis=1))
    truth = np.log1p(counts / counts.sum(axis=1, keepdims=True) * target)
    mean = np.log1p(training / training.sum(axis=1, keepdims=True) * target).mean(axis=0)
    assert_row(
        table.loc["prediction"],
        expected_correlations(truth, rna.prediction.X.astype(float), "gene"),
    )
    assert_row(
        table.loc["mean"],
        expected_correlations(truth, np.broadcast_to(mean, truth.shape), "gene"),
    )
    assert table.loc["mean", "pearson_gene"] == table.loc["mean", "spearman_gene"] == 0
    assert table.loc["prediction", "ami"] > 0.5 > table.loc["mean", "ami"] == 0


def test_protein_numbers(protein):
    table = run(protein)
    logged, training = (
        np.log1p(a.X.toarray().astype(float)) for a in (protein.truth, protein.reference)
    )
    truth = logged - logged.mean(axis=1, keepdims=True)
    mean = (training - training.mean(axis=1, keepdims=True)).mean(axis=0)
    for name, prediction in (("prediction", protein.prediction.X.astype(float)), ("mean", mean)):
        full = np.broadcast_to(prediction, truth.shape)
        assert_row(table.loc[name], expected_correlations(truth, full, "protein"))


def test_atac_numbers(atac):
    table = run(atac)
    truth, training = (a.X.toarray() > 0 for a in (atac.truth, atac.reference))
    mean = np.broadcast_to(training.mean(axis=0), truth.shape)
    for name, prediction in (("prediction", atac.prediction.X), ("mean", mean)):
        expected = {
            "auroc_peak": mean_over(roc_auc_score, truth * 1, prediction, "feature"),
            "auroc_cell": mean_over(roc_auc_score, truth * 1, prediction, "cell"),
            "auroc_flat": roc_auc_score(truth.ravel(), prediction.ravel()),
            "ap_peak": mean_over(average_precision_score, truth * 1, prediction, "feature"),
            "ap_cell": mean_over(average_precision_score, truth * 1, prediction, "cell"),
            "ap_flat": average_precision_score(truth.ravel(), prediction.ravel()),
            "calibration_error": calibration(truth, prediction).error,
            "calibration_ratio": prediction.mean() / truth.mean(),
        }
        assert_row(table.loc[name], expected)
    assert table.loc["mean", "auroc_peak"] == 0.5
    assert table.loc["prediction", "auroc_peak"] > 0.6


def test_order_of_cells_and_features_does_not_matter(experiment):
    rng = np.random.default_rng(0)
    expected = run(experiment)
    for name in ("truth", "reference", "prediction"):
        adata = getattr(experiment, name)
        place = rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)
        setattr(experiment, name, adata[place[0]][:, place[1]].copy())
    pd.testing.assert_frame_equal(run(experiment), expected)


def test_several_predictions_in_different_order_stand_side_by_side(experiment):
    alone = run(experiment)
    shuffled = experiment.prediction[::-1, ::-1].copy()
    experiment.prediction = {"one": experiment.prediction, "two": shuffled}
    table = run(experiment)
    assert list(table.index) == ["one", "two", "mean", "measured"]
    for name in experiment.prediction:
        pd.testing.assert_series_equal(table.loc[name], alone.loc["prediction"], check_names=False)


@pytest.mark.parametrize("store", [np.asarray, sparse.csc_matrix, sparse.csr_array])
def test_storage_of_truth_and_prediction(experiment, store):
    expected = run(experiment)
    experiment.truth.X = store(experiment.truth.X.toarray())
    experiment.prediction.X = store(experiment.prediction.X)
    pd.testing.assert_frame_equal(run(experiment), expected, rtol=1e-5)


def test_backed_prediction_and_view(rna, tmp_path):
    import anndata as ad

    expected = run(rna)
    rna.prediction.write_h5ad(tmp_path / "p.h5ad")
    rna.prediction = ad.read_h5ad(tmp_path / "p.h5ad", backed="r")
    rna.truth = rna.truth[:, :]
    pd.testing.assert_frame_equal(run(rna), expected)
    rna.prediction.file.close()


def test_truth_with_further_features(rna):
    wider = AnnData(sparse.hstack([rna.truth.X, rna.truth.X[:, :1]]).tocsr(), obs=rna.truth.obs)
    wider.var_names = [*rna.truth.var_names, "further"]
    table = evaluate_translation(rna.prediction, wider)
    pd.testing.assert_frame_equal(table, evaluate_translation(rna.prediction, rna.truth))


def test_truth_in_a_mudata(experiment, as_mudata):
    expected = run(experiment)
    for key in (experiment.kind, "custom"):
        experiment.prediction.uns["scvi_xmodal"]["target"] = key
        truth, reference = (as_mudata(a, key) for a in (experiment.truth, experiment.reference))
        table = evaluate_translation(
            experiment.prediction, truth, reference=reference, labels_key="cell_type"
        )
        pd.testing.assert_frame_equal(table, expected)


def test_labels_of_the_truth_or_the_mudata(rna, as_mudata):
    expected = run(rna)
    del rna.prediction.obs["cell_type"]
    pd.testing.assert_frame_equal(run(rna), expected)
    labels = rna.truth.obs.pop("cell_type")
    rna.truth = as_mudata(rna.truth, "rna")
    rna.truth.obs["cell_type"] = labels
    pd.testing.assert_frame_equal(run(rna), expected)


def test_counts_in_a_layer(rna):
    expected = run(rna)
    for adata in (rna.truth, rna.reference):
        adata.layers["counts"] = adata.X
        adata.X = adata.X.log1p()
    pd.testing.assert_frame_equal(run(rna, layer="counts"), expected)


def test_another_prediction_may_be_clustered(atac):
    good, noise = atac.prediction, atac.prediction.copy()
    noise.X = np.random.default_rng(0).random(noise.shape)
    table = run(atac, clustering=noise)
    same = run(atac).loc["prediction", "auroc_peak"]
    assert table.loc["prediction", "auroc_peak"] == pytest.approx(same)
    assert table.loc["prediction", "ami"] < 0.2
    atac.prediction = {"good": good, "noise": noise}
    table = run(atac, clustering={"noise": good[::-1]})
    assert table.loc["noise", "ami"] == pytest.approx(table.loc["good", "ami"])
    assert table.loc["good", "ami"] > 0.5


def test_a_prediction_called_mean_takes_the_place(rna):
    rna.prediction = {"mean": rna.prediction}
    table = run(rna)
    assert list(table.index) == ["mean", "measured"]
    assert table.loc["mean", "pearson_gene"] > 0.1


@pytest.mark.parametrize("target", ["rna", "atac", "protein"])
def test_row_mean_is_the_mean_baseline(synthetic_mdata, target):
    source = "atac" if target == "rna" else "rna"
    training, test = synthetic_mdata[:200], synthetic_mdata[200:]
    baseline = Mean().fit(synthetic_mdata, indices=range(200))
    translated = baseline.translate(test[source].copy(), source=source, target=target)
    table = evaluate_translation(translated, test, reference=training)
    np.testing.assert_allclose(table.loc["prediction"], table.loc["mean"], rtol=1e-5, atol=1e-7)


def test_values_outside_probabilities_have_no_calibration(atac):
    atac.prediction.X = atac.prediction.X * 3 - 1
    with pytest.warns(UserWarning, match=r"'prediction' leaves \[0, 1\]"):
        table = run(atac)
    assert np.isnan(table.loc["prediction", "calibration_error"])
    assert table.loc["prediction", "auroc_peak"] > 0.6


def test_tfidf_values_have_no_calibration(atac):
    atac.prediction.uns["scvi_xmodal"] = {"target_kind": "atac", "scale": "tfidf"}
    with pytest.warns(UserWarning, match="'prediction' holds TF-IDF values"):
        table = run(atac)
    assert table.loc["prediction", ["calibration_error", "calibration_ratio"]].isna().all()
    assert table.loc["prediction", "auroc_peak"] > 0.6


def test_nothing_given_is_changed(experiment):
    kept = {
        name: getattr(experiment, name).copy() for name in ("truth", "reference", "prediction")
    }
    run(experiment)
    for name, before in kept.items():
        after = getattr(experiment, name)
        same = after.X != before.X
        assert not (same.nnz if sparse.issparse(same) else same.any())
        pd.testing.assert_frame_equal(after.obs, before.obs)
        assert set(after.obsm) == set(after.obsp) == set()
        assert after.uns == before.uns


@pytest.mark.parametrize(("n_cells", "n_features"), [(1, 6), (2, 6), (3, 1), (1, 1)])
def test_ugly_sizes(experiment, n_cells, n_features):
    table = evaluate_translation(
        experiment.prediction[:n_cells, :n_features].copy(),
        experiment.truth[:n_cells, :n_features].copy(),
        reference=experiment.reference,
        labels_key="cell_type",
    )
    assert (table[["n_cells", "n_features"]] == [n_cells, n_features]).all(axis=None)


def test_all_zero_truth(experiment):
    experiment.truth.X = sparse.csr_matrix(experiment.truth.shape)
    table = run(experiment)
    assert (table["n_features_scored"] == 0).all()
    assert table[COLUMNS[experiment.kind][0]].isna().all()


def test_features_that_do_not_vary_are_left_out(atac):
    truth = atac.truth.X.toarray()
    truth[:, :4] = 0
    atac.truth.X = sparse.csr_matrix(truth)
    table = run(atac)
    assert (table["n_features_scored"] == 36).all()
    rest = evaluate_translation(atac.prediction[:, 4:].copy(), atac.truth)
    assert table.loc["prediction", "auroc_peak"] == rest.loc["prediction", "auroc_peak"]


def test_neither_torch_nor_scanpy_is_imported():
    code = "import sys, scvi_xmodal.metrics; print({'torch', 'scvi', 'scanpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
