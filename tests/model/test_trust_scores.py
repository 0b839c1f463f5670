"""Each feature's score of the validation cells: right, kept, and in every translation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from scvi_xmodal.data import Split
from scvi_xmodal.model import Babel, Butterfly
from scvi_xmodal.model._cells import TrainingCells
from scvi_xmodal.model._held_out import HeldOut
from scvi_xmodal.model._validation import way_to_scores

OLD = Path(__file__).parents[1] / "fixtures" / "models" / "0.1.0" / "rna_atac" / "model"


def _validation(trained, key):
    return trained.original[key][trained.split.validation]


def test_peaks_have_the_auroc_of_the_validation_cells(trained):
    table = trained.model.trust_scores("rna", "atac")
    predicted = trained.model.translate(_validation(trained, "rna"), source="rna", target="atac")
    truth = _validation(trained, "atac").X.toarray() > 0
    varying = (truth.mean(0) > 0) & (truth.mean(0) < 1)
    expected = [roc_auc_score(truth[:, j], predicted.X[:, j]) for j in np.flatnonzero(varying)]
    found = table["validation_auroc"].to_numpy()
    np.testing.assert_allclose(found[varying], expected, rtol=1e-6)
    assert np.isnan(found[~varying]).all()
    np.testing.assert_array_equal(table["n_detected"], truth.sum(0))
    assert (table["n_cells"] == 10).all()


@pytest.mark.parametrize("source", ["rna", "atac"])
def test_genes_have_their_correlation(trained, source):
    found = trained.model.trust_scores(source, "rna")["validation_pearson"]
    query = _validation(trained, source)
    predicted = trained.model.translate(query, source=source, target="rna").X
    counts = trained.original["rna"].X.toarray()
    median = np.median(counts[trained.split.train].sum(1))
    measured = np.log1p(counts / counts.sum(1, keepdims=True) * median)[trained.split.validation]
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(measured.T, predicted.T, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_every_translation_carries_them(with_protein, tmp_path):
    model = with_protein.model
    names = with_protein.original["protein"].var_names[[3, 0]]
    query = {"source": "atac", "target": "protein", "features": names}
    scores = model.trust_scores("atac", "protein").loc[names, "validation_pearson"]
    translated = model.translate(with_protein.original["atac"], **query)
    np.testing.assert_array_equal(translated.var["validation_pearson"], scores)
    out = model.translate(with_protein.original["atac"], **query, out=tmp_path / "x.h5ad")
    read = __import__("anndata").read_h5ad(out)
    np.testing.assert_array_equal(read.var["validation_pearson"], scores)


def test_they_are_saved(batched, tmp_path):
    batched.model.save(tmp_path / "model")
    loaded = Butterfly.load(tmp_path / "model", adata=False)
    for path in (("rna", "atac"), ("atac", "rna")):
        pd.testing.assert_frame_equal(
            loaded.trust_scores(*path), batched.model.trust_scores(*path)
        )


def test_babel_has_them_too(mdata):
    Babel.setup_mudata(mdata)
    model = Babel(mdata)
    model.train(2, batch_size=20, enable_progress_bar=False)
    assert model.trust_scores("rna", "atac")["validation_auroc"].between(0, 1).any()


def test_a_model_without_validation_cells_has_none(mdata, quick):
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=4, n_embedding=8)
    model.train(split=Split(range(60)), **quick)
    with pytest.raises(ValueError, match="split that has validation cells"):
        model.trust_scores("rna", "atac")
    translated = model.translate(source="rna", target="atac", indices=[0])
    assert "validation_auroc" not in translated.var


def test_cells_that_are_not_paired_score_only_themselves(mdata, quick):
    parts = [mdata["rna"][:30].copy(), mdata["atac"][30:].copy()]
    for part in parts:
        part.obs["label"] = "a"
    model = Butterfly.from_unpaired(*parts, "label", n_latent=4, n_embedding=8)
    model.train(split=Split(range(0, 60, 2), range(1, 60, 2)), **quick)
    assert model.trust_scores("rna", "rna")["n_cells"].iloc[0] == 15
    with pytest.raises(ValueError, match="'rna' to 'atac'.*no training gives .*evaluate_transl"):
        model.trust_scores("rna", "atac")


@pytest.mark.parametrize(
    ("setup", "path", "way"),
    [
        ({"pairing": "measured"}, ("rna", "atac"), "a split that has validation cells"),
        ({}, ("rna", "atac"), "a split that has validation cells"),
        ({"pairing": "unpaired"}, ("rna", "rna"), "a split that has validation cells"),
        ({"pairing": "mosaic"}, ("rna", "atac"), "validation cells were measured in 'atac' too"),
        ({"pairing": "unpaired"}, ("rna", "atac"), "metrics.evaluate_translation"),
        ({"condition_key": "x"}, ("control", "perturbed"), "metrics.evaluate_perturbation"),
    ],
)
def test_what_gives_scores_depends_on_the_cells(setup, path, way):
    assert way in way_to_scores(setup, *path)


def test_a_model_of_an_older_version_has_none():
    model = Butterfly.load(OLD, adata=False)
    with pytest.raises(ValueError, match="older version"):
        model.trust_scores("rna", "atac")


def test_unknown_modalities_are_refused(trained):
    with pytest.raises(ValueError, match="source='protein' is unknown"):
        trained.model.trust_scores("protein", "atac")


@pytest.mark.parametrize(("n_values", "expected"), [(1, 2000), (16_777, 1000), (10**6, 200)])
def test_many_cells_are_thinned(n_values, expected):
    own = {"rna": np.arange(5000)}
    cells = TrainingCells(own, {"rna": 5000}, Split(range(10), range(10, 5000)), paired=True)
    rows = HeldOut(cells, {}, None, None).rows("rna", "validation", n_values=n_values)
    assert rows.size == np.unique(rows).size == expected
    assert rows.min() >= 10
