"""What the model is for: it must beat what needs no model."""

from __future__ import annotations

import numpy as np
import pytest
import scvi

from scvi_xmodal import baselines, datasets, metrics, pp
from scvi_xmodal.model import Butterfly

BASELINES = (baselines.Mean, baselines.DepthOnly, baselines.KNN, baselines.Ridge)
LEADING = {"rna": "pearson_gene", "atac": "auroc_peak"}


def _scores(mdata, split, model, source, target, rivals=BASELINES):
    query = mdata[source][split.test].copy()
    reference = mdata[target][split.train].copy()
    options = {"source": source, "target": target}
    depth = {"depth": "predicted"} if target == "atac" else {}
    predictions = {"Butterfly": model.translate(query, **options, **depth)}
    for rival in rivals:
        fitted = rival().fit(mdata, indices=split.train)
        predictions[rival.__name__] = fitted.translate(query, **options)
    truth = mdata[target][split.test].copy()
    return metrics.evaluate_translation(predictions, truth, reference=reference)


@pytest.mark.parametrize(("source", "target"), [("atac", "rna"), ("rna", "atac")])
class TestSimulated:
    """A non-linear latent state, known to the simulator only."""

    @pytest.fixture(scope="class")
    def trained(self):
        mdata = datasets.synthetic(
            n_cells=700, n_genes=100, n_peaks=300, atac_density=0.15, n_latent=4, seed=5
        )
        split = pp.split(mdata, by="cell", n_folds=5, fold=0, seed=0)
        scvi.settings.seed = 0
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, n_latent=16, dropout_rate=0.1)
        model.train(split=split, max_epochs=70, pretrain_epochs=15, enable_progress_bar=False)
        return mdata, split, model

    def test_beats_every_baseline(self, trained, source, target):
        scores = _scores(*trained, source, target)[LEADING[target]]
        assert scores.drop(index="Butterfly").max() < scores["Butterfly"]

    def test_comes_closer_to_the_noise_free_profile(self, trained, source, target):
        mdata, split, model = trained
        query = mdata[source][split.test].copy()
        options = {"source": source, "target": target}
        truth = datasets.true_mean(mdata, target, rows=split.test)
        own = model.translate(query, **options)
        own = own.layers["mean"] if target == "rna" else own.X
        mean = baselines.Mean().fit(mdata, indices=split.train).translate(query, **options)
        mean = mean.layers["mean"] if target == "rna" else mean.X
        assert np.abs(own - truth).mean() < 0.8 * np.abs(mean - truth).mean()


def test_beats_the_mean_on_real_cells():
    mdata = datasets.cortex_snareseq()
    split = pp.split(mdata, by="cell", n_folds=5, fold=0, seed=0)
    mdata = pp.select_features(mdata, indices=split.train)
    scvi.settings.seed = 0
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata)
    model.train(split=split, max_epochs=12, pretrain_epochs=4, enable_progress_bar=False)
    for source, target in (("atac", "rna"), ("rna", "atac")):
        scores = _scores(mdata, split, model, source, target, (baselines.Mean,))
        column = scores[LEADING[target]]
        assert column["Butterfly"] > column["Mean"] + 0.02
