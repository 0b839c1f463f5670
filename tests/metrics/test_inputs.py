"""Users' mistakes are named before anything is computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

from scvi_xmodal.metrics import evaluate_features, evaluate_translation


def evaluate(rna, **kwargs):
    return evaluate_translation(rna.prediction, rna.truth, **kwargs)


def test_cells_must_be_the_same(rna):
    rna.truth.obs_names = [f"other{i}" for i in range(90)]
    with pytest.raises(ValueError, match=r"share no cells: .*'cell0'.*'other0'"):
        evaluate(rna)


@pytest.mark.parametrize("which", ["truth", "prediction"])
def test_number_of_cells_must_be_the_same(rna, which):
    setattr(rna, which, getattr(rna, which)[:80].copy())
    with pytest.raises(ValueError, match=r"80 are the same. .*truth\[prediction.obs_names\]"):
        evaluate(rna)


def test_missing_features_are_named(rna):
    rna.truth = rna.truth[:, 2:].copy()
    with pytest.raises(ValueError, match=r"truth lacks 2 .*'feature0', 'feature1'"):
        evaluate(rna)


def test_peaks_may_be_written_otherwise(atac):
    names = [f"chr1:{start}-{start + 5}" for start in range(atac.truth.n_vars)]
    atac.prediction.var_names = atac.truth.var_names = names
    expected = evaluate_translation(atac.prediction, atac.truth)
    atac.truth = atac.truth[:, ::-1].copy()
    atac.truth.var_names = atac.truth.var_names.str.replace(":", "_")
    found = evaluate_translation(atac.prediction, atac.truth)
    pd.testing.assert_frame_equal(found, expected)


def test_missing_features_of_the_reference_are_named(rna):
    with pytest.raises(ValueError, match=r"reference lacks 39 .*'feature1'"):
        evaluate(rna, reference=rna.reference[:, :1])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_prediction_must_be_finite(rna, bad):
    rna.prediction.X[3, 5] = bad
    with pytest.raises(ValueError, match=f"X of prediction 'prediction' holds {bad}"):
        evaluate(rna)
    rna.prediction.X = sparse.csr_matrix(rna.prediction.X)
    with pytest.raises(ValueError, match=f"X of prediction 'prediction' holds {bad}"):
        evaluate_features(rna.prediction, rna.truth)


@pytest.mark.parametrize(("value", "message"), [(0.5, "0.5, which is not a whole"), (-1, "-1")])
@pytest.mark.parametrize("which", ["truth", "reference"])
def test_measured_values_must_be_counts(rna, which, value, message):
    adata = getattr(rna, which)
    adata.X.data[7] = value
    with pytest.raises(ValueError, match=rf"^{which}.X holds {message}.* layer='counts'"):
        evaluate(rna, reference=rna.reference)


def test_layer_must_exist(rna):
    rna.truth.layers["raw"] = rna.truth.X
    with pytest.raises(ValueError, match=r"truth has no layer 'counts'; it has \['raw'\]"):
        evaluate(rna, layer="counts")
    rna.truth.X = None
    with pytest.raises(ValueError, match=r"truth.X is empty"):
        evaluate(rna)


def test_labels_must_exist(rna):
    rna.truth.obs["batch"] = "one"
    with pytest.raises(ValueError, match=r"'celltype' is no column.*'cell_type'.*'batch'"):
        evaluate(rna, labels_key="celltype")
    rna.prediction.obs["empty"] = None
    with pytest.raises(ValueError, match=r"'empty': not one cell has a label"):
        evaluate(rna, labels_key="empty")


def test_kind_must_be_known(rna):
    with pytest.raises(ValueError, match=r"kind='gex' is unknown"):
        evaluate(rna, kind="gex")
    with pytest.raises(ValueError, match=r"these differ: .*'atac'.*'rna'"):
        evaluate(rna, kind="atac")
    del rna.prediction.uns["scvi_xmodal"]
    with pytest.raises(ValueError, match="give kind="):
        evaluate(rna)
    assert evaluate(rna, kind="rna").loc["prediction", "pearson_gene"] > 0


def test_recorded_kind_must_be_known(rna):
    rna.prediction.uns["scvi_xmodal"]["target_kind"] = "methylation"
    with pytest.raises(ValueError, match="'methylation' is unknown"):
        evaluate(rna)


def test_names_must_be_unique(rna):
    rna.prediction.obs_names = ["cell0"] * 90
    with pytest.raises(ValueError, match=r"cells of prediction 'prediction'.*'cell0'"):
        evaluate(rna)


def test_feature_names_must_be_unique(rna):
    rna.truth.var_names = ["feature0"] * 40
    with pytest.raises(ValueError, match=r"features of truth are not unique"):
        evaluate(rna)


def test_mudata_must_hold_the_kind(rna, as_mudata):
    truth = as_mudata(rna.truth, "custom")
    with pytest.raises(ValueError, match=r"\['something', 'custom'\], none of which is rna"):
        evaluate_translation(rna.prediction, truth)
    with pytest.raises(ValueError, match="an AnnData is needed"):
        evaluate_translation(truth, truth)
    with pytest.raises(ValueError, match="truth must be an AnnData or a MuData, got ndarray"):
        evaluate_translation(rna.prediction, np.ones((90, 40)))


@pytest.mark.parametrize("which", ["truth", "reference"])
def test_what_is_measured_must_be_of_the_predictions_kind(rna, which):
    parts = {"truth": rna.truth, "reference": rna.reference}
    parts[which] = parts[which].copy()
    parts[which].var["feature_types"] = "Antibody Capture"
    with pytest.raises(ValueError, match=f"{which} takes rna, but.* is protein"):
        evaluate_features(rna.prediction, **parts)


def test_tables_need_predictions(rna):
    with pytest.raises(ValueError, match="empty dict"):
        evaluate_translation({}, rna.truth)
    with pytest.raises(ValueError, match="nothing to score"):
        evaluate_translation(rna.prediction[:0], rna.truth)
    with pytest.raises(ValueError, match="reference has no cells"):
        evaluate(rna, reference=rna.reference[:0])


def test_predictions_of_a_table_share_cells_and_features(rna):
    for other, what in ((rna.prediction[1:], "cells"), (rna.prediction[:, 1:], "features")):
        with pytest.raises(ValueError, match=f"'one' and 'two' .* same {what}"):
            evaluate_translation({"one": rna.prediction, "two": other}, rna.truth)


def test_clustering_names_predictions(rna):
    with pytest.raises(ValueError, match=r"'two' is none of \['one'\]"):
        evaluate_translation(
            {"one": rna.prediction}, rna.truth, clustering={"two": rna.prediction}
        )
    with pytest.raises(ValueError, match="other cells than prediction 'prediction'"):
        evaluate(rna, clustering=rna.prediction[1:])
    both = {"one": rna.prediction, "two": rna.prediction}
    with pytest.raises(ValueError, match="must name predictions"):
        evaluate_translation(both, rna.truth, clustering=rna.prediction)


def _as_drawn(experiment):
    """Return the measured cells as if a model had drawn them."""
    drawn = experiment.truth.copy()
    record = experiment.prediction.uns["scvi_xmodal"]
    drawn.uns["scvi_xmodal"] = {**record, "options": {"drawn": True}}
    return drawn


def test_drawn_counts_of_rna_are_refused_until_normalised(rna):
    drawn = _as_drawn(rna)
    with pytest.raises(ValueError, match=r"drawn counts.*normalize_total\(drawn\)"):
        evaluate_translation(drawn, rna.truth, reference=rna.reference)
    sc.pp.normalize_total(drawn)
    sc.pp.log1p(drawn)
    table = evaluate_translation(drawn, rna.truth, reference=rna.reference)
    assert table.loc["prediction", "pearson_gene"] > 0.9


def test_drawn_peaks_are_scored_as_they_are(atac):
    drawn = _as_drawn(atac)
    drawn.X.data[:] = 1
    table = evaluate_translation(drawn, atac.truth)
    assert table.loc["prediction", "auroc_peak"] == pytest.approx(1)


def test_raw_counts_are_no_prediction(rna):
    # as of draws put together by anndata.concat, which drops what they recorded
    counts = rna.truth.copy()
    with pytest.raises(ValueError, match=r"X of prediction 'a' holds whole.*normalize_total"):
        evaluate_translation({"a": counts}, rna.truth, kind="rna")
    with pytest.raises(ValueError, match=r"raw counts do.*pp.clr"):
        evaluate_features(counts, rna.truth, kind="protein")


def test_responses_are_not_scored_against_the_cells_before(rna):
    rna.prediction.uns["scvi_xmodal"] |= {"source": "control", "target": "perturbed"}
    with pytest.raises(ValueError, match="'perturbed' cells that .*metrics.evaluate_perturbation"):
        evaluate(rna)


@pytest.mark.parametrize("kind", ["rna", "protein"])
def test_some_features_score_as_among_all(kind, request):
    given = request.getfixturevalue(kind)
    given.prediction.uns["scvi_xmodal"]["n_features"] = given.prediction.n_vars
    some = given.prediction[::-1, [7, 3]].copy()
    all_ = evaluate_features(given.prediction, given.truth, reference=given.reference)
    found = evaluate_features(some, given.truth, reference=given.reference)
    expected = all_.loc[["feature7", "feature3"]]
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


def test_some_features_are_warned_of_where_the_others_are_unknown(rna):
    rna.prediction.uns["scvi_xmodal"]["n_features"] = rna.prediction.n_vars
    some = rna.prediction[:, :9].copy()
    with pytest.warns(UserWarning, match="hold 9 of 40 features that their values are relative"):
        found = evaluate_features(some, rna.truth[:, :20].copy())
    del some.uns["scvi_xmodal"]["n_features"]
    pd.testing.assert_frame_equal(found, evaluate_features(some, rna.truth))
