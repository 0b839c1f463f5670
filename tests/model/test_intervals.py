"""Quantiles in translations: they cover what they say, and depend on nothing but the cell."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
import scvi

import scvi_xmodal as xm
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import Split
from scvi_xmodal.model import Babel, Butterfly
from scvi_xmodal.model._quantiles import count_quantiles

OLD = Path(__file__).parents[1] / "fixtures" / "models" / "0.1.0"
BOTH = (0.05, 0.95)
SPLIT = Split(range(200), range(200, 350), range(350, 500))


@pytest.fixture(scope="module")
def simulated():
    return xm.datasets.synthetic(
        n_cells=500, n_genes=40, n_peaks=40, n_proteins=10, atac_density=0.3, rna_depth=300
    )


@pytest.fixture(scope="module", params=["butterfly", "published", "babel"])
def model(request, simulated):
    scvi.settings.seed = 0
    model_class = Babel if request.param == "babel" else Butterfly
    mdata = simulated.copy()
    model_class.setup_mudata(mdata)
    options = {"preset": "scbutterfly"} if request.param == "published" else {}
    model = model_class(mdata, **options)
    schedule = {"batch_size": 50} if request.param == "babel" else {"pretrain_epochs": 2}
    model.train(12, split=SPLIT, enable_progress_bar=False, **schedule)
    return model


def _coverage(truth, translated):
    low, high = (translated.layers[name] for name in ("q05", "q95"))
    return ((truth >= low) & (truth <= high)).mean()


def _log_normalized(counts):
    library = counts.sum(1, keepdims=True)
    return counts / library * np.median(counts[SPLIT.train].sum(1))


@pytest.mark.parametrize("source", ["rna", "atac"])
def test_proteins_are_covered(model, simulated, source):
    found = model.translate(
        simulated, source=source, target="protein", indices=SPLIT.test, quantiles=BOTH
    )
    logged = np.log1p(simulated["protein"].X[SPLIT.test].toarray())
    truth = logged - logged.mean(1, keepdims=True)
    assert _coverage(truth, found) == pytest.approx(0.9, abs=0.04)


def test_genes_are_covered(model, simulated):
    counts = simulated["rna"].X.toarray()
    options = {"source": "atac", "target": "rna", "indices": SPLIT.test, "quantiles": BOTH}
    if isinstance(model, Babel):  # at the median depth, as its translations are
        counts = _log_normalized(counts)
    elif model.specs["rna"].settings.likelihood == "normal":
        counts = np.log1p(_log_normalized(counts))
    else:
        options["depth"] = counts[SPLIT.test].sum(1)
    found = model.translate(simulated, **options)
    # an interval of whole numbers holds its ends, and so more than it says
    assert 0.86 < _coverage(counts[SPLIT.test], found) < 0.97


def test_probabilities_lie_between_their_quantiles(model, simulated):
    found = model.translate(simulated, source="rna", target="atac", quantiles=(*BOTH, 0.5))
    low, middle, high = (found.layers[name] for name in ("q05", "q50", "q95"))
    assert ((low >= 0) & (low <= middle) & (middle <= high) & (high <= 1)).all()


def test_neither_blocks_nor_company_matter(model, simulated, tmp_path):
    options = {"source": "atac", "target": "rna", "quantiles": BOTH}
    features = simulated["rna"].var_names[[7, 2, 30]]
    whole = model.translate(simulated, **options)
    parts = model.translate(simulated, **options, batch_size=61, features=features)
    alone = model.translate(simulated["atac"][[9]].copy(), **options)
    path = model.translate(simulated, **options, out=tmp_path / "out.h5ad", batch_size=99)
    read = anndata.read_h5ad(path)
    for name in ("q05", "q95"):
        np.testing.assert_allclose(parts.layers[name], whole[:, features].layers[name], atol=1e-3)
        np.testing.assert_allclose(alone.layers[name][0], whole.layers[name][9], atol=1e-3)
        np.testing.assert_allclose(read.layers[name], whole.layers[name], atol=1e-3)
    assert read.uns["scvi_xmodal"]["options"]["calibrated"]
    assert list(read.uns["scvi_xmodal"]["options"]["quantiles"]) == list(BOTH)


def test_they_are_saved_and_follow_the_seed(model, simulated, tmp_path):
    if "atac_to_protein" in getattr(
        model.module, "linear_paths", {}
    ):  # a linear path alone would know no latent to draw
        model.module.linear_paths["atac_to_protein"].weigh(0.5)
    model.save(tmp_path / "model")
    loaded = type(model).load(tmp_path / "model", adata=False)
    options = {"source": "atac", "target": "protein", "quantiles": BOTH, "n_samples": 4}
    first = model.translate(simulated, **options).layers["q95"]
    np.testing.assert_array_equal(loaded.translate(simulated, **options).layers["q95"], first)
    scvi.settings.seed = 1
    other = model.translate(simulated, **options).layers["q95"]
    assert isinstance(model, Babel) == np.array_equal(other, first)


def test_counts_are_quantiles_of_the_moments(trained):
    model, query = trained.model, trained.original["atac"]
    model_trust, model.trust_ = model.trust_, None
    found = model.translate(query, source="atac", target="rna", quantiles=(0.5, 0.9))
    model.trust_ = model_trust
    assert not found.uns["scvi_xmodal"]["options"]["calibrated"]
    # most of the spread is that of one latent, the mean's; the samples shift that mean a little
    theta = model.module.decoders["rna"].likelihood.log_theta.detach().exp().numpy()
    mean = found.layers["mean"].astype(float)
    least = count_quantiles(
        mean.ravel(), (mean + mean**2 / theta).ravel(), np.full((1, mean.size), 0.9)
    ).reshape(mean.shape)
    assert (found.layers["q90"] >= 0.95 * least - 2).mean() > 0.99
    assert (found.layers["q50"] <= found.layers["q90"]).all()


def test_too_few_values_are_not_called_calibrated():
    mdata = xm.datasets.synthetic(
        n_cells=60, n_genes=300, n_peaks=30, n_proteins=5, atac_density=0.3
    )
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=4)
    split = Split(range(40), range(40, 52), range(52, 60))
    model.train(1, pretrain_epochs=1, split=split, enable_progress_bar=False)
    for target, is_calibrated in (("protein", False), ("rna", True)):  # 60 and 3,600 values
        found = model.translate(mdata, source="atac", target=target, quantiles=BOTH)
        assert found.uns["scvi_xmodal"]["options"]["calibrated"] == is_calibrated


def test_none_are_made_unasked(trained):
    assert layer_names(trained.model.translate(source="atac", target="rna")) == ["mean"]


def test_what_cannot_be_answered_is_refused(trained, mdata, quick):
    with pytest.raises(ValueError, match="quantiles=0 must be"):
        trained.model.translate(source="rna", target="atac", quantiles=0)
    with pytest.raises(ValueError, match="n_samples must be"):
        trained.model.translate(source="rna", target="atac", quantiles=BOTH, n_samples=1)
    old = Butterfly.load(OLD / "rna_protein" / "model", adata=False)
    query = xm.datasets.synthetic(n_cells=60, n_genes=10, n_peaks=16)["rna"]
    query.obs["batch"] = "batch_0"
    with pytest.raises(ValueError, match="older version"):
        old.translate(query, source="rna", target="protein", quantiles=BOTH)
