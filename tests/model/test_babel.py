from __future__ import annotations

import numpy as np
import pytest
import scvi
import torch
from mudata import MuData

import scvi_xmodal as xm
from scvi_xmodal.data import Split
from scvi_xmodal.model import Babel, Butterfly

KEYS = ("rna", "atac")
SPLIT = Split(range(40), range(40, 50), range(50, 60))


def _trained(original, epochs=3, **options):
    mdata = original.copy()
    scvi.settings.seed = 0
    Babel.setup_mudata(mdata)
    model = Babel(mdata)
    options = {"split": SPLIT, "enable_progress_bar": False, **options}
    model.train(epochs, **options)
    return model, mdata


@pytest.fixture(scope="module")
def babel(simulate):
    """A trained model and its data, which stay as they are."""
    return _trained(simulate())


@pytest.fixture
def registered(mdata):
    Babel.setup_mudata(mdata)
    return mdata


class TestTraining:
    def test_history_has_all_four_paths(self, babel):
        history = babel[0].history
        for source in KEYS:
            for target in KEYS:
                assert len(history[f"joint_{source}_to_{target}_validation"]) == 3
        terms = {
            name: history[f"joint_{name}_validation"].to_numpy().ravel()
            for name in ("rna_to_rna", "rna_to_atac", "atac_to_rna", "atac_to_atac")
        }
        loss = terms["rna_to_rna"] + terms["atac_to_rna"]
        loss += 1.33 * (terms["rna_to_atac"] + terms["atac_to_atac"])
        own = history["joint_validation_loss"].to_numpy().ravel()
        np.testing.assert_allclose(own, loss, rtol=1e-5)

    def test_the_plan_is_the_papers(self, registered, monkeypatch):
        seen = {}

        def record(model, phase, splitter, *, plan_kwargs, **options):
            seen.update(plan_kwargs, phase=phase, splitter=splitter, **options)
            return {}

        monkeypatch.setattr("scvi_xmodal.model._training.run_phase", record)
        Babel(registered).train(split=SPLIT)
        assert (seen["lr"], seen["max_grad_norm"], seen["weight_decay"]) == (0.01, 5.0, 0.0)
        assert seen["reduce_lr_on_plateau"]
        assert (seen["lr_factor"], seen["lr_patience"], seen["lr_min"]) == (0.1, 10, 1e-6)
        assert seen["stopping"].patience == 25
        assert seen["phase"].max_epochs == 500
        assert seen["phase"].monitor == "validation_loss"

    @pytest.mark.parametrize(
        ("n_cells", "expected"),
        [(1, 64), (320, 64), (1279, 64), (1280, 128), (5119, 256), (5120, 512), (10**6, 512)],
    )
    def test_minibatches_are_the_papers_but_of_small_data(self, registered, n_cells, expected):
        model = Babel(registered)
        assert model._batch_size(None, n_cells) == expected
        assert model._batch_size(100, n_cells) == 100

    def test_the_training_uses_that_size(self, registered, monkeypatch):
        sizes = []

        def record(model, phase, splitter, **options):
            sizes.append(splitter.data_loader_kwargs["batch_size"])
            return {}

        monkeypatch.setattr("scvi_xmodal.model._training.run_phase", record)
        Babel(registered).train(split=SPLIT)
        Babel(registered).train(split=SPLIT, batch_size=7)
        assert sizes == [64, 7]

    def test_gradients_are_clipped(self, simulate, monkeypatch):
        norms = []
        clip = torch.nn.utils.clip_grad_norm_

        def record(parameters, max_norm, *args, **kwargs):
            norms.append(float(max_norm))
            return clip(parameters, max_norm, *args, **kwargs)

        monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", record)
        _trained(simulate(), 2)
        assert norms == [5.0, 5.0]

    def test_the_learning_rate_falls_by_the_validation_loss(self, simulate):
        # a step so small that nothing changes: a plateau from the start
        model, _ = _trained(
            simulate(), 6, plan_kwargs={"lr": 1e-3, "lr_patience": 1, "lr_threshold": 10.0}
        )
        rate = model.trainer.lr_scheduler_configs
        assert [config.monitor for config in rate] == ["validation_loss"]
        assert rate[0].scheduler.get_last_lr()[0] < 1e-3

    def test_the_best_epoch_is_kept(self, simulate):
        model, mdata = _trained(simulate(), 30, plan_kwargs={"lr": 0.1}, early_stopping_patience=3)
        losses = model.history["joint_validation_loss"].to_numpy().ravel()
        assert losses.argmin() == len(losses) - 4 or len(losses) == 30
        assert losses.argmin() < len(losses) - 1
        module = model.module.eval()
        batch = {key: model._training_reader(key).sparse_rows(SPLIT.validation) for key in KEYS}
        with torch.no_grad():
            inference = module.inference(batch)
            output = module.loss(batch, inference, module.generative(inference["z"]))
        assert float(output.loss) == pytest.approx(losses.min(), rel=1e-5)

    def test_without_validation_cells(self, simulate):
        model, _ = _trained(simulate(), 2, split=Split(range(60)))
        assert "joint_validation_loss" not in model.history
        assert len(model.history["joint_train_loss"]) == 2

    def test_statistics_are_of_the_training_cells(self, babel):
        model, mdata = babel
        library = np.asarray(mdata["rna"].X.sum(1)).ravel()
        assert model.module.decoders["rna"].median_library == np.median(library[:40])
        x = mdata["rna"].X.toarray()[:40]
        x = np.log1p(x / library[:40, None] * np.median(library[:40]))
        own = model.module.encoders["rna"].standardize.mean.numpy()
        np.testing.assert_allclose(own, x.mean(0), rtol=1e-5)

    def test_three_modalities_have_nine_paths(self, simulate):
        model, mdata = _trained(simulate(n_proteins=5), 1)
        assert len(model.module.paths) == 9
        protein = model.translate(mdata["atac"], source="atac", target="protein")
        assert protein.shape == (60, 5)
        with pytest.raises(ValueError, match="knows RNA and no proteins"):
            model.train_protein_head(mdata)

    def test_it_learns(self, simulate):
        original = simulate(n_cells=150, rna_depth=2000, seed=1)
        split = Split(range(100), range(100, 125), range(125, 150))
        model, mdata = _trained(original, 60, split=split)
        query = mdata["atac"][split.test].copy()
        own = model.translate(query, source="atac", target="rna")
        truth, reference = (mdata["rna"][rows].copy() for rows in (split.test, split.train))
        scores = xm.metrics.evaluate_translation({"babel": own}, truth, reference=reference)
        assert scores.loc["babel", "pearson_flat"] > scores.loc["mean", "pearson_flat"]
        assert scores.loc["babel", "pearson_gene"] > 0.1


class TestTranslate:
    @pytest.mark.parametrize("source", KEYS)
    @pytest.mark.parametrize("target", KEYS)
    def test_all_four_paths(self, babel, source, target):
        model, mdata = babel
        own = model.translate(mdata[source], source=source, target=target)
        assert own.var_names.tolist() == mdata[target].var_names.tolist()
        assert np.isfinite(own.X).all()
        assert own.uns["scvi_xmodal"]["model"] == "Babel"
        if target == "rna":
            np.testing.assert_allclose(own.X, np.log1p(own.layers["mean"]), rtol=1e-6)
        else:
            assert ((own.X >= 0) & (own.X <= 1)).all()

    def test_alone_or_in_company(self, babel):
        model, mdata = babel
        together = model.translate(mdata["rna"], source="rna", target="atac")
        alone = model.translate(mdata["rna"][7].copy(), source="rna", target="atac")
        np.testing.assert_allclose(alone.X[0], together.X[7], rtol=1e-4)

    def test_order_of_the_querys_features(self, babel):
        model, mdata = babel
        shuffled = mdata["atac"][:, ::-1].copy()
        np.testing.assert_allclose(
            model.translate(shuffled, source="atac", target="rna").X,
            model.translate(mdata["atac"], source="atac", target="rna").X,
            rtol=1e-5,
        )

    def test_latent(self, babel):
        model, mdata = babel
        mean, variance = model.get_latent_representation(mdata, modality="atac", return_dist=True)
        assert mean.shape == (60, 16)
        assert not variance.any()

    def test_to_a_file(self, babel, tmp_path):
        model, mdata = babel
        path = model.translate(mdata, source="rna", target="atac", out=tmp_path / "x.h5ad")
        import anndata

        own = model.translate(mdata, source="rna", target="atac")
        np.testing.assert_allclose(anndata.read_h5ad(path).X, own.X)


class TestSaving:
    def test_without_data(self, babel, tmp_path):
        model, mdata = babel
        model.save(tmp_path / "m")
        loaded = Babel.load(tmp_path / "m", adata=False)
        for source in KEYS:
            for target in KEYS:
                np.testing.assert_array_equal(
                    loaded.translate(mdata[source], source=source, target=target).X,
                    model.translate(mdata[source], source=source, target=target).X,
                )
        with pytest.raises(ValueError, match="loaded without data"):
            loaded.train()

    def test_with_data_training_goes_on(self, babel, tmp_path):
        model, mdata = babel
        model.save(tmp_path / "m")
        loaded = Babel.load(tmp_path / "m", adata=mdata.copy())
        loaded.train(1, split=SPLIT, enable_progress_bar=False)
        assert len(loaded.history["joint_train_loss"]) == 4

    def test_of_another_class(self, babel, tmp_path):
        babel[0].save(tmp_path / "m")
        with pytest.raises(ValueError, match="a Babel, not a Butterfly"):
            Butterfly.load(tmp_path / "m", adata=False)


class TestBadInput:
    def test_batches(self, simulate):
        mdata = simulate(n_batches=2)
        Babel.setup_mudata(mdata, batch_key="batch")
        with pytest.raises(ValueError, match="knows no batches.*without batch_key"):
            Babel(mdata)

    def test_a_batch_to_translate_into(self, babel):
        with pytest.raises(ValueError, match="knows no batches: leave it out"):
            babel[0].translate(source="rna", target="atac", transform_batch="a")

    @pytest.mark.parametrize("options", [{"n_latent": 0}, {"atac_weight": float("nan")}])
    def test_sizes(self, registered, options):
        with pytest.raises(ValueError, match="n_latent must be at least|atac_weight must be"):
            Babel(registered, **options)

    @pytest.mark.parametrize("max_epochs", [0, 1.5, None])
    def test_epochs(self, registered, max_epochs):
        with pytest.raises(ValueError, match="max_epochs must be a whole number"):
            Babel(registered).train(max_epochs)

    @pytest.mark.parametrize(
        ("plan_kwargs", "message"),
        [
            ({"discriminator_lr": 0.1}, "'discriminator_lr': Babel has no discriminators"),
            ({"max_kl_weight": 0.5}, "'max_kl_weight': Babel's latent has no prior"),
            ({"n_epochs_kl_warmup": 3}, "'n_epochs_kl_warmup': Babel's latent has no prior"),
            ({"reduce_lr_on_plateau": False, "lr_factor": 0.5}, "'lr_factor'.*has no effect"),
        ],
    )
    def test_plan_before_anything_is_read(self, registered, monkeypatch, plan_kwargs, message):
        monkeypatch.setattr(Babel, "_fit_statistics", None)
        with pytest.raises(ValueError, match=message):
            Babel(registered).train(1, plan_kwargs=plan_kwargs)

    def test_unknown_keys_of_the_plan_are_listed_once_with_those_that_work(self, registered):
        with pytest.raises(ValueError, match="unknown key 'rate'; known are") as refusal:
            Babel(registered).train(1, plan_kwargs={"rate": 1})
        known = str(refusal.value).split("known are ")[1]
        assert known.count("'lr'") == known.count("'eps'") == 1
        assert "discriminator_lr" not in known
        assert "kl" not in known

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"target": "protein"}, "needs a protein head.*train_protein_head"),
            ({"target": "x"}, "target='x' is unknown"),
            ({"source": "protein", "target": "rna"}, "source='protein' is unknown"),
            ({"target": "rna", "depth": "predicted"}, "median depth only"),
            ({"target": "rna", "depth": np.ones(60)}, "median depth only"),
            ({"target": "rna", "network": {}}, "say via= instead"),
        ],
    )
    def test_translations(self, babel, options, message):
        model, mdata = babel
        with pytest.raises(ValueError, match=message):
            model.translate(mdata, **{"source": "atac", **options})

    def test_unregistered(self, mdata):
        with pytest.raises(ValueError, match="Babel.setup_mudata"):
            Babel(MuData({key: mdata[key].copy() for key in KEYS}))


@pytest.mark.filterwarnings("ignore:.*single training cell")
def test_unpaired_experiments_and_validation_pairs(mdata):
    import scvi_xmodal as xm

    parts = {"rna": mdata["rna"][:36].copy(), "atac": mdata["atac"][30:].copy()}
    for part in parts.values():
        part.obs["cell_type"] = mdata.obs["cell_type"].reindex(part.obs_names)
    model = Babel.from_unpaired(*parts.values(), "cell_type")
    split = xm.pp.split(model.adata, by="cell", n_folds=3)
    validation = xm.pairing.unpaired(model.adata, None, "cell_type", indices=split.validation)
    model.train(1, split=split, validation_pairs=validation, enable_progress_bar=False)
    assert model.translate(parts["atac"], source="atac", target="rna").n_obs == 30
