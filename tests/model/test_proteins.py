"""Butterfly between RNA and protein, as scButterfly has it and where it differs."""

from __future__ import annotations

import numpy as np
import pytest
from mudata import MuData
from scipy import sparse

from scvi_xmodal.model import Babel, Butterfly, Polarbear
from scvi_xmodal.pp import clr


@pytest.fixture
def cite(simulate):
    mdata = simulate(n_proteins=5)
    return MuData({key: mdata[key].copy() for key in ("rna", "protein")})


@pytest.mark.parametrize("preset", ["default", "scbutterfly"])
def test_networks_and_loss_are_the_papers(cite, preset):
    """Encoder and decoder 128-128, no mask, squared errors of CLR values, weight 2."""
    Butterfly.setup_mudata(cite)
    model = Butterfly(cite, preset=preset)
    settings = model.specs["protein"].settings
    assert (settings.transform, settings.likelihood, settings.weight) == ("clr", "normal", 2.0)
    encoder, decoder = (part["protein"] for part in (model.module.encoders, model.module.decoders))
    assert encoder.mask.rate == 0
    assert encoder.hidden.linear.weight.shape == (128, 5)
    assert encoder.embedding.linear.weight.shape == (128, 128)
    assert decoder.hidden.linear.weight.shape == (128, 128)
    assert decoder.likelihood.output.weight.numel() == 5 * 128


def test_the_published_divergence_weighs_a_150th(cite):
    Butterfly.setup_mudata(cite)
    model = Butterfly(cite, preset="scbutterfly")
    weight = model._preset.kl_weight
    assert weight(model.specs, ("protein",)) == pytest.approx(1 / 150)
    assert weight(model.specs, ("rna", "protein")) == pytest.approx(20 / 18 + 1 / 150)


def test_absent_proteins_are_the_lowest_and_negative_values_stay(cite):
    """The published code codes zeros as the geometric mean and cuts predictions at 0."""
    counts = cite["protein"].X.toarray()
    counts[::3, 1] = 0
    cite["protein"].X = sparse.csr_matrix(counts)
    Butterfly.setup_mudata(cite)
    model = Butterfly(cite, n_latent=4, n_embedding=16)
    model.train(3, pretrain_epochs=2, enable_progress_bar=False)
    rows = model._query(cite, "protein", None, None).reader.sparse_rows(np.arange(60))
    x = model.module.transforms["protein"](rows).numpy()
    assert (x[::3, 1] == x[::3].min(1)).all()
    np.testing.assert_allclose(x, clr(cite["protein"].X), atol=1e-5)
    out = model.translate(cite["rna"], source="rna", target="protein")
    assert (out.X < 0).any()
    back = model.translate(cite["protein"], source="protein", target="rna")
    assert back.layers["mean"].min() >= 0


@pytest.mark.parametrize("model_class", [Babel, Butterfly, Polarbear])
def test_proteins_train_in_double_precision(cite, model_class):
    model_class.setup_mudata(cite)
    model = model_class(cite)
    short = {"translator_epochs": 1} if model_class is Polarbear else {}
    model.train(1, precision="64-true", enable_progress_bar=False, **short)
    assert np.isfinite(model.translate(source="protein", target="rna").X).all()
