"""The constructor's choices, and what it refuses."""

from __future__ import annotations

import pytest

from scvi_xmodal.model import Butterfly
from scvi_xmodal.module import PUBLISHED, Architecture


@pytest.fixture
def registered(mdata):
    Butterfly.setup_mudata(mdata)
    return mdata


def test_defaults(registered):
    model = Butterfly(registered)
    assert model.module.architecture == Architecture()
    rna, atac = model.specs["rna"].settings, model.specs["atac"].settings
    assert (rna.likelihood, rna.transform) == ("nb", "log_normalize")
    assert (atac.likelihood, atac.transform) == ("bernoulli", "tfidf")
    assert not model.is_trained


def test_published_preset(registered):
    model = Butterfly(registered, preset="scbutterfly")
    assert model.module.architecture == PUBLISHED
    rna, atac = model.specs["rna"].settings, model.specs["atac"].settings
    assert rna.likelihood == "normal"
    assert (atac.likelihood, atac.transform) == ("tfidf", "tfidf_max")


def test_choices_beside_a_preset(registered):
    model = Butterfly(
        registered,
        preset="scbutterfly",
        gene_likelihood="nb",
        atac_target="binary",
        mask_rate={"rna": 0.1},
        loss_weight={"atac": 5},
        n_latent=7,
    )
    rna, atac = model.specs["rna"].settings, model.specs["atac"].settings
    assert (rna.likelihood, rna.mask_rate) == ("nb", 0.1)
    assert (atac.likelihood, atac.transform, atac.weight) == ("bernoulli", "tfidf", 5.0)
    assert model.module.architecture.n_latent == 7
    assert model.module.architecture.head_activation
    assert Butterfly(registered).specs["rna"].settings.mask_rate != 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"preset": "babel"},
            r"preset='babel' is unknown; .*'default', 'scbutterfly'",
        ),
        ({"gene_likelihood": "zinb"}, r"gene_likelihood='zinb' is unknown; .*'nb', 'normal'"),
        ({"atac_target": "poisson"}, r"atac_target='poisson' is unknown; .*'binary', 'tfidf'"),
        ({"n_latents": 3}, r"no argument 'n_latents'; its architecture has .*'n_latent'"),
        ({"mask_rate": {"gene": 0.5}}, r"mask_rate names 'gene'; the kinds are \['rna', 'atac'"),
        ({"loss_weight": {"peaks": 1}}, r"loss_weight names 'peaks'; the kinds are"),
    ],
    ids=["preset", "likelihood", "target", "argument", "mask", "weight"],
)
def test_unknown_choices(registered, options, message):
    with pytest.raises(ValueError, match=message):
        Butterfly(registered, **options)


@pytest.mark.parametrize(
    ("keys", "setup", "options", "message"),
    [
        (("rna", "protein"), {}, {"atac_target": "tfidf"}, r"kinds \['protein', 'rna'\]"),
        (
            ("rna", "protein"),
            {},
            {"mask_rate": {"atac": 0.3}},
            r"mask_rate=\{'atac': 0.3\} has no",
        ),
        (("rna", "protein"), {}, {"loss_weight": {"atac": 3}}, "loss_weight=.* has no effect"),
        (("atac", "protein"), {}, {"gene_likelihood": "nb"}, "gene_likelihood='nb' has no effect"),
        (
            ("rna", "atac"),
            {},
            {"adversarial_weight": 0, "adversarial_gate": 1.0},
            "adversarial_gate=1.0 .*adversarial_weight=0",
        ),
        (
            ("rna", "atac"),
            {},
            {"adversarial_weight": 0, "n_discriminator_layers": 1},
            "n_discriminator_layers=1 .*adversarial_weight=0",
        ),
        (("rna", "atac"), {"batch_key": "batch"}, {"n_components": 50}, "=50 .*batch_key="),
        (("rna", "atac"), {}, {"preset": "scbutterfly", "n_components": 5}, "=5 .*batch norm"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict | tuple) else "",
)
def test_choices_that_cannot_act(simulate, keys, setup, options, message):
    mdata = simulate(n_proteins=5, n_batches=2)
    mdata = type(mdata)({key: mdata[key] for key in keys})
    mdata.obs["batch"] = mdata[keys[0]].obs["batch"]
    Butterfly.setup_mudata(mdata, **setup)
    with pytest.raises(ValueError, match=message):
        Butterfly(mdata, **options)


def test_choices_for_several_experiments_may_name_what_one_lacks(simulate):
    mdata = simulate(n_proteins=5)
    mdata = type(mdata)({key: mdata[key] for key in ("rna", "protein")})
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, mask_rate={"rna": 0.1, "atac": 0.2}, n_components=0)
    assert model.specs["rna"].settings.mask_rate == 0.1


def test_models_saved_with_choices_that_did_not_act_load(registered, tmp_path, monkeypatch):
    choices = {"adversarial_weight": 0.0, "adversarial_gate": 1.0}
    with monkeypatch.context() as patch:
        patch.setattr("scvi_xmodal.model._butterfly.check_acting", lambda *_: None)
        Butterfly(registered, **choices).save(tmp_path / "model")
    for adata in (False, registered):
        loaded = Butterfly.load(tmp_path / "model", adata=adata)
        assert loaded.module.architecture.adversarial_gate == 1.0


def test_data_that_were_not_registered(mdata):
    with pytest.raises(ValueError, match=r"not registered: call Butterfly\.setup_mudata"):
        Butterfly(mdata)


@pytest.mark.parametrize("method", ["translate", "get_latent_representation"])
def test_an_untrained_model_does_not_translate(registered, method):
    model = Butterfly(registered)
    options = {"source": "rna", "target": "atac"} if method == "translate" else {"modality": "rna"}
    with pytest.raises(ValueError, match=r"not trained yet: call train\(\) first"):
        getattr(model, method)(**options)
