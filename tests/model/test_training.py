"""Training: reproducible, phase by phase, on one split, and refused before it starts."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from lightning.pytorch.callbacks import Callback

from scvi_xmodal.data import Pairs, Split
from scvi_xmodal.model import Butterfly

SPLIT = Split(range(40), range(40, 50), range(50, 60))
PHASES = ("pretrain_rna", "pretrain_atac", "integrative")
PATHS = ("rna_to_rna", "rna_to_atac", "atac_to_rna", "atac_to_atac")


@pytest.fixture
def model(mdata):
    Butterfly.setup_mudata(mdata)
    return Butterfly(mdata, n_latent=6, n_embedding=16)


def _weights(model):
    return {name: tensor.clone() for name, tensor in model.module.state_dict().items()}


class Watch(Callback):
    """Records what a phase's module looks like in each training step."""

    def __init__(self):
        self.phases = []

    def on_fit_start(self, trainer, pl_module):
        module = pl_module.module
        self.phases.append(
            {
                "modes": [],
                "kl_weight": [],
                "lr": [],
                "before": {name: p.detach().clone() for name, p in module.named_parameters()},
                "free": {name for name, p in module.named_parameters() if p.requires_grad},
            }
        )

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        modules = list(pl_module.module.modules())
        self.phases[-1]["modes"].append(all(module.training for module in modules))

    def on_train_epoch_start(self, trainer, pl_module):
        self.phases[-1]["kl_weight"].append(float(pl_module.kl_weight))
        self.phases[-1]["lr"].append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_end(self, trainer, pl_module):
        before = self.phases[-1].pop("before")
        self.phases[-1]["moved"] = {
            name
            for name, p in pl_module.module.named_parameters()
            if not torch.equal(p, before[name])
        }


class TestReproducible:
    def _losses(self, simulate, seed, **options):
        scvi.settings.seed = seed
        mdata = simulate()
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, n_latent=6)
        model.train(2, pretrain_epochs=1, enable_progress_bar=False, **options)
        return model

    @pytest.mark.parametrize("options", [{}, {"split": SPLIT}], ids=["drawn", "given"])
    def test_one_seed_gives_one_model(self, simulate, options):
        first = self._losses(simulate, 3, **options)
        second = self._losses(simulate, 3, **options)
        other = self._losses(simulate, 4, **options)
        name = "integrative_train_loss"
        pd.testing.assert_frame_equal(first.history[name], second.history[name])
        assert not np.allclose(first.history[name], other.history[name])
        for (key, one), two in zip(
            _weights(first).items(), _weights(second).values(), strict=True
        ):
            assert torch.equal(one, two), key
        np.testing.assert_array_equal(first.train_indices, second.train_indices)

    def test_training_goes_on_from_the_users_random_state(self, simulate):
        """It draws from the global generator, and does not set it."""
        model = self._losses(simulate, 0)
        first = torch.rand(3)
        model.train(1, pretrain_epochs=0, enable_progress_bar=False)
        second = torch.rand(3)
        assert not torch.equal(first, second)


class TestHistory:
    def test_names_begin_with_the_phase(self, model):
        model.train(3, pretrain_epochs=2, split=SPLIT, enable_progress_bar=False)
        names = set(model.history)
        for phase in PHASES:
            for name in (
                "train_loss",
                "validation_loss",
                "reconstruction_loss_train",
                "reconstruction_loss_validation",
                "kl_local_train",
                "elbo_validation",
            ):
                assert f"{phase}_{name}" in names
        assert all(name.startswith(PHASES) for name in names)
        for path in PATHS:
            assert f"integrative_{path}_train" in names
            assert f"integrative_{path}_validation" in names
        assert "pretrain_rna_rna_to_rna_train" in names
        assert "pretrain_rna_atac_to_atac_train" not in names
        assert "integrative_discriminator_loss_train" in names

    def test_one_number_for_each_epoch(self, model):
        model.train(3, pretrain_epochs=2, split=SPLIT, enable_progress_bar=False)
        for name, values in model.history.items():
            assert values.shape == (3 if name.startswith("integrative") else 2, 1), name
            assert values.dtypes.iloc[0] == np.float64
            assert np.isfinite(values.to_numpy()).all(), name
            assert values.index.tolist() == list(range(len(values)))

    def test_reconstruction_is_the_sum_of_the_paths(self, model):
        model.train(2, pretrain_epochs=0, split=SPLIT, enable_progress_bar=False)
        for mode in ("train", "validation"):
            paths = sum(model.history[f"integrative_{path}_{mode}"].to_numpy() for path in PATHS)
            total = model.history[f"integrative_reconstruction_loss_{mode}"]
            np.testing.assert_allclose(paths, total, rtol=1e-5)

    def test_a_second_training_appends(self, model):
        model.train(2, pretrain_epochs=1, split=SPLIT, enable_progress_bar=False)
        first = {name: values.copy() for name, values in model.history.items()}
        model.train(3, pretrain_epochs=0, split=SPLIT, enable_progress_bar=False)
        for name, values in model.history.items():
            n_before = len(first[name])
            n_new = 3 if name.startswith("integrative") else 0
            assert values.index.tolist() == list(range(n_before + n_new)), name
            pd.testing.assert_frame_equal(values.iloc[:n_before], first[name])

    def test_losses_fall(self, model):
        model.train(15, pretrain_epochs=10, split=SPLIT, enable_progress_bar=False)
        for phase in PHASES:
            losses = model.history[f"{phase}_reconstruction_loss_train"].to_numpy().ravel()
            assert losses[-3:].mean() < losses[:3].mean(), phase


class TestPhases:
    def test_no_pretraining(self, model):
        watch = Watch()
        model.train(1, pretrain_epochs=0, enable_progress_bar=False, callbacks=[watch])
        assert len(watch.phases) == 1
        assert all(name.startswith("integrative_") for name in model.history)

    def test_pretraining_alone_is_refused_for_the_translator_would_know_nothing(self, model):
        with pytest.raises(ValueError, match="max_epochs must be .* of at least 1, got 0"):
            model.train(0, pretrain_epochs=1, enable_progress_bar=False)
        assert not model.is_trained

    @pytest.mark.parametrize("again", [False, True], ids=["first", "second"])
    def test_modules_train_in_every_phase(self, model, quick, again):
        if again:
            model.train(**quick)
        watch = Watch()
        model.train(**quick, callbacks=[watch])
        assert len(watch.phases) == 3
        assert all(all(phase["modes"]) and phase["modes"] for phase in watch.phases)
        assert not model.module.training

    def test_only_a_phases_own_parameters_move(self, model, quick):
        watch = Watch()
        model.train(**quick, callbacks=[watch])
        for phase, own, other in zip(watch.phases, ("rna", "atac"), ("atac", "rna"), strict=False):
            assert phase["moved"]
            for part in ("encoders", "decoders", "pretraining_translators", "transforms"):
                assert not any(name.startswith(f"{part}.{other}.") for name in phase["moved"])
            assert any(name.startswith(f"encoders.{own}.") for name in phase["moved"])
            assert any(name.startswith(f"decoders.{own}.") for name in phase["moved"])
            assert not any(
                name.startswith(("translator.", "discriminators.")) for name in phase["moved"]
            )
        moved = watch.phases[2]["moved"]
        for part in ("encoders.rna", "encoders.atac", "decoders.rna", "decoders.atac"):
            assert any(name.startswith(part) for name in moved)
        assert any(name.startswith("translator.") for name in moved)
        assert any(name.startswith("discriminators.") for name in moved)
        assert not any(name.startswith("pretraining_translators.") for name in moved)

    def test_all_parameters_are_free_afterwards(self, model, quick):
        model.train(**quick)
        assert all(parameter.requires_grad for parameter in model.module.parameters())

    def test_parameters_are_free_after_a_failure(self, model, quick):
        class Fail(Callback):
            def on_train_batch_end(self, *args):
                raise RuntimeError("stopped by a test")

        with pytest.raises(RuntimeError, match="stopped by a test"):
            model.train(**quick, callbacks=[Fail()])
        assert all(parameter.requires_grad for parameter in model.module.parameters())
        assert not model.is_trained

    def test_no_rate_for_discriminators_that_are_not_trained(self, mdata, quick):
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, adversarial_weight=0.0)
        with pytest.raises(ValueError, match="'discriminator_lr': with adversarial_weight=0"):
            model.train(**quick, plan_kwargs={"discriminator_lr": 0.1})

    def test_no_discriminators_without_their_weight(self, mdata, quick):
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, adversarial_weight=0.0)
        watch = Watch()
        model.train(**quick, callbacks=[watch])
        assert "integrative_discriminator_loss_train" not in model.history
        assert not any(name.startswith("discriminators.") for name in watch.phases[2]["moved"])

    def test_kl_weight_rises_anew_in_every_phase(self, model):
        watch = Watch()
        model.train(
            4,
            pretrain_epochs=3,
            enable_progress_bar=False,
            callbacks=[watch],
            plan_kwargs={"n_epochs_kl_warmup": 2, "max_kl_weight": 0.6},
        )
        weights = [phase["kl_weight"] for phase in watch.phases]
        np.testing.assert_allclose(weights[0], [0, 0.3, 0.6])
        np.testing.assert_allclose(weights[1], [0, 0.3, 0.6])
        np.testing.assert_allclose(weights[2], [0, 0.3, 0.6, 0.6])

    def test_published_kl_weight(self, mdata):
        """20 / number of features, added up in the integrative phase (scButterfly 0.0.9)."""
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, preset="scbutterfly")
        watch = Watch()
        model.train(
            1,
            pretrain_epochs=1,
            enable_progress_bar=False,
            callbacks=[watch],
            plan_kwargs={"n_epochs_kl_warmup": None},
        )
        weights = [phase["kl_weight"][0] for phase in watch.phases]
        np.testing.assert_allclose(weights, [20 / 18, 20 / 36, 20 / 18 + 20 / 36], rtol=1e-6)


class TestPlan:
    def test_learning_rate_and_decay(self, model, quick):
        seen = []

        class Look(Callback):
            def on_train_start(self, trainer, pl_module):
                seen.append([optimizer.param_groups[0] for optimizer in trainer.optimizers])

        model.train(
            **quick,
            callbacks=[Look()],
            plan_kwargs={"lr": 2e-4, "weight_decay": 0.1, "discriminator_lr": 0.02},
        )
        assert [len(groups) for groups in seen] == [1, 1, 2]
        for groups in seen:
            assert groups[0]["lr"] == 2e-4
            assert groups[0]["weight_decay"] == 0.1
            assert groups[0]["eps"] == 1e-8
        assert seen[2][1]["lr"] == 0.02

    def test_gradients_are_clipped(self, model, quick):
        norms = []

        class Look(Callback):
            def on_before_optimizer_step(self, trainer, pl_module, optimizer):
                if isinstance(optimizer, torch.optim.Adam):
                    parameters = [
                        p for p in optimizer.param_groups[0]["params"] if p.grad is not None
                    ]
                    norms.append(float(torch.stack([p.grad.norm() for p in parameters]).norm()))

        model.train(**quick, callbacks=[Look()])
        assert max(norms) > 0.1
        norms.clear()
        model.train(**quick, plan_kwargs={"max_grad_norm": 1e-2}, callbacks=[Look()])
        pretraining = norms[:2]  # in the integrative phase the plan clips just before the step
        assert max(pretraining) <= 1e-2 * (1 + 1e-4) or min(norms) <= 1e-2 * (1 + 1e-4)

    def test_no_learning_without_a_rate(self, model, quick):
        before = {name: p.detach().clone() for name, p in model.module.named_parameters()}
        model.train(**quick, split=SPLIT, plan_kwargs={"lr": 0.0, "discriminator_lr": 0.0})
        for name, parameter in model.module.named_parameters():
            if not name.endswith("likelihood.output.bias"):  # set from the data
                assert torch.equal(parameter, before[name]), name

    def test_plateau_lowers_the_rate_in_every_phase(self, model):
        watch = Watch()
        model.train(
            6,
            pretrain_epochs=6,
            split=SPLIT,
            enable_progress_bar=False,
            callbacks=[watch],
            early_stopping=False,
            plan_kwargs={
                "reduce_lr_on_plateau": True,
                "lr_patience": 0,
                "lr_factor": 0.5,
                "lr_threshold": 1e6,  # nothing counts as an improvement
                "lr_scheduler_metric": "reconstruction_loss_validation",
            },
        )
        for phase in watch.phases:
            assert phase["lr"][0] == 1e-3
            assert phase["lr"][-1] < 1e-3

    def test_unknown_keywords_are_refused(self, model, quick):
        with pytest.raises(ValueError, match=r"plan_kwargs .*'learning_rate'.*'lr'"):
            model.train(**quick, plan_kwargs={"learning_rate": 1e-5})
        assert not model.is_trained


class TestSplit:
    @pytest.mark.parametrize(("share", "n_train"), [(0.5, 30), (0.25, 45), (0.05, 54)])
    def test_validation_cells_leave_the_others_to_train(self, model, quick, share, n_train):
        model.train(**quick, validation_size=share)
        assert len(model.train_indices) == n_train
        assert len(model.validation_indices) == int(60 * share)

    def test_sizes(self, model, quick):
        model.train(**quick, train_size=0.5, validation_size=0.2)
        parts = model.train_indices, model.validation_indices, model.test_indices
        assert [len(part) for part in parts] == [30, 12, 18]
        assert sorted(np.concatenate(parts)) == list(range(60))

    def test_default_sizes(self, model, quick):
        model.train(**quick)
        assert (len(model.train_indices), len(model.validation_indices)) == (54, 6)

    def test_given_rows(self, model, quick):
        model.train(**quick, split=SPLIT)
        np.testing.assert_array_equal(model.train_indices, SPLIT.train)
        np.testing.assert_array_equal(model.validation_indices, SPLIT.validation)
        np.testing.assert_array_equal(model.test_indices, SPLIT.test)

    def test_all_phases_share_one_split(self, model, quick):
        seen = []

        class Look(Callback):
            def on_train_start(self, trainer, pl_module):
                seen.append(sorted(trainer.datamodule.train_idx))

        model.train(**quick, callbacks=[Look()])
        assert len(seen) == 3
        assert seen[0] == seen[1] == seen[2]

    def test_held_out_cells_do_not_matter(self, simulate, quick):
        """Neither statistics nor weights know the test cells."""
        results = []
        for spoil in (False, True):
            mdata = simulate()
            if spoil:
                for adata in mdata.mod.values():
                    x = adata.X.toarray()
                    x[SPLIT.test] = x[SPLIT.test][::-1] * 7 + 1
                    adata.X = type(adata.X)(x)
            scvi.settings.seed = 0
            Butterfly.setup_mudata(mdata)
            model = Butterfly(mdata, n_latent=6)
            model.train(**quick, split=SPLIT)
            results.append(_weights(model))
        for name, tensor in results[0].items():
            assert torch.equal(tensor, results[1][name]), name

    def test_statistics_are_the_training_cells(self, model, mdata, quick):
        model.train(**quick, split=SPLIT)
        rna, atac = (mdata[key].X.toarray()[SPLIT.train] for key in ("rna", "atac"))
        module = model.module
        assert float(module.transforms["rna"].median_library) == np.median(rna.sum(1))
        depth = (atac > 0).sum(1)
        assert float(module.decoders["atac"].likelihood.median_total) == np.median(depth)
        idf = np.log1p(40 / np.maximum((atac > 0).sum(0), 1)) * ((atac > 0).sum(0) > 0)
        tfidf = (atac > 0) / np.maximum(depth, 1)[:, None] * idf
        wanted = (idf / tfidf[atac > 0].mean())[model.specs["atac"].order]
        np.testing.assert_allclose(module.transforms["atac"].idf, wanted, rtol=1e-5)

    def test_statistics_are_of_the_training_that_succeeded(self, model, mdata, quick):
        class Fail(Callback):
            def on_train_start(self, *args):
                raise RuntimeError("stopped by a test")

        with pytest.raises(RuntimeError, match="stopped by a test"):
            model.train(**quick, split=Split(range(20, 60)), callbacks=[Fail()])
        model.train(**quick, split=SPLIT)
        library = mdata["rna"].X.toarray()[SPLIT.train].sum(1)
        assert float(model.module.transforms["rna"].median_library) == np.median(library)

    def test_statistics_stay_in_a_second_training(self, model, quick):
        model.train(**quick, split=SPLIT)
        before = float(model.module.transforms["rna"].median_library)
        model.train(**quick, split=Split(range(20, 60)))
        assert float(model.module.transforms["rna"].median_library) == before

    def test_no_validation_cells(self, model, quick):
        model.train(**quick, split=Split(range(50)))
        assert not any("validation" in name for name in model.history)
        assert len(model.validation_indices) == 0
        assert np.isfinite(model.translate(source="rna", target="atac").X).all()

    def test_train_size_1(self, model, quick):
        model.train(**quick, train_size=1.0)
        assert len(model.train_indices) == 60

    @pytest.mark.parametrize("batch_size", [13, 39, 40, 64, 1000])
    @pytest.mark.parametrize("preset", ["default", "scbutterfly"])
    def test_a_last_minibatch_of_one(self, mdata, quick, batch_size, preset):
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, preset=preset)
        split = Split(range(40), [45])  # 40 = 3 * 13 + 1; one validation cell
        model.train(**quick, split=split, batch_size=batch_size)
        assert np.isfinite(model.history["integrative_validation_loss"].to_numpy()).all()

    def test_datasplitter_keywords(self, model, quick):
        model.train(**quick, train_size=0.5, datasplitter_kwargs={"shuffle_set_split": False})
        assert model.validation_indices.max() < model.train_indices.min()

    def test_external_indexing_as_in_scvi_tools(self, model, quick):
        parts = [np.arange(30), np.arange(30, 45), np.arange(45, 60)]
        model.train(**quick, datasplitter_kwargs={"external_indexing": parts})
        np.testing.assert_array_equal(model.train_indices, parts[0])
        np.testing.assert_array_equal(model.validation_indices, parts[1])


class TestEarlyStopping:
    def _validation_loss(self, model):
        """Return the mean over validation cells of all paths' losses, computed anew."""
        readers = {key: model._training_reader(key) for key in model.specs}
        rows = SPLIT.validation
        tensors = {key: reader.sparse_rows(rows) for key, reader in readers.items()}
        module = model.module.eval()
        total = 0.0
        with torch.no_grad():
            for source, target in module.paths:
                x = module.transforms[source](tensors[source])
                z = module.translator.posterior(source, module.encoders[source](x)).mean
                decoder = module.decoders[target]
                hidden = decoder(module.translator.decode(target, z), None)
                own = module.transforms[target](tensors[target])
                total += float(decoder.likelihood.nll(hidden, tensors[target], own).mean())
        return total

    @pytest.mark.parametrize("early_stopping", [True, False])
    def test_the_best_weights_are_restored_or_the_last_kept(self, model, early_stopping):
        class Spoil(Callback):
            """Make the weights worse in each epoch from the second on."""

            @torch.no_grad()
            def on_train_epoch_start(self, trainer, pl_module):
                if trainer.current_epoch >= 1:
                    for parameter in pl_module.module.decoders.parameters():
                        parameter.add_(0.2 * torch.rand_like(parameter))

        model.train(
            4,
            pretrain_epochs=0,
            split=SPLIT,
            enable_progress_bar=False,
            early_stopping=early_stopping,
            callbacks=[Spoil()],
            check_val_every_n_epoch=1,
        )
        losses = model.history["integrative_reconstruction_loss_validation"].to_numpy().ravel()
        assert losses[1:].min() > 1.01 * losses[0]
        kept = losses[0] if early_stopping else losses[-1]
        assert self._validation_loss(model) == pytest.approx(kept, rel=1e-4)

    def test_it_stops(self, model):
        model.train(
            200,
            pretrain_epochs=0,
            split=SPLIT,
            enable_progress_bar=False,
            early_stopping_patience=2,
            plan_kwargs={"lr": 0.05},
        )
        losses = model.history["integrative_reconstruction_loss_validation"].to_numpy().ravel()
        assert len(losses) < 200
        assert losses.argmin() == len(losses) - 3

    def test_an_improvement_may_be_asked_to_be_large(self, model):
        model.train(
            9,
            pretrain_epochs=0,
            split=SPLIT,
            enable_progress_bar=False,
            early_stopping_patience=2,
            early_stopping_min_delta=1e6,
        )
        assert len(model.history["integrative_train_loss"]) == 3

    def test_another_loss_may_be_watched(self, model):
        keepers = []

        class Look(Callback):
            def on_fit_start(self, trainer, pl_module):
                keepers.extend(c for c in trainer.callbacks if hasattr(c, "monitor"))

        name = "kl_local_validation"
        model.train(
            3,
            pretrain_epochs=0,
            split=SPLIT,
            enable_progress_bar=False,
            early_stopping_monitor=name,
            callbacks=[Look()],
        )
        losses = model.history[f"integrative_{name}"].to_numpy().ravel()
        assert [keeper.monitor for keeper in keepers] == [name, name]
        assert keepers[-1].best_epoch == losses.argmin()

    def test_every_phase_has_its_own_patience(self, model):
        model.train(
            60,
            pretrain_epochs=60,
            split=SPLIT,
            enable_progress_bar=False,
            early_stopping_patience=1,
            plan_kwargs={"lr": 0.05},
        )
        for phase in PHASES:
            losses = model.history[f"{phase}_reconstruction_loss_validation"].to_numpy().ravel()
            assert len(losses) < 60
            assert losses.argmin() == len(losses) - 2


class TestPairs:
    def test_measured_pairs_are_the_default(self, simulate, quick):
        weights = []
        for pairs in (None, Pairs.measured(["rna", "atac"], SPLIT.train)):
            mdata = simulate()
            scvi.settings.seed = 0
            Butterfly.setup_mudata(mdata)
            model = Butterfly(mdata, n_latent=6)
            model.train(**quick, split=SPLIT, pairs=pairs)
            weights.append(_weights(model))
        for name, tensor in weights[0].items():
            assert torch.equal(tensor, weights[1][name]), name

    @pytest.mark.parametrize(
        ("rows", "updated", "message"),
        [
            (slice(None, None, -1), False, "disagree about cells"),
            (slice(None, None, -1), True, "'atac' stand in another order than the MuData's"),
            (slice(0, 50), False, "disagree about cells"),
            (slice(0, 50), True, "cells are not paired.*'atac' has 50"),
        ],
    )
    def test_a_modality_that_changed_since_setup(
        self, model, mdata, quick, rows, updated, message
    ):
        """Cells of a row would be paired that are not the same."""
        mdata.mod["atac"] = mdata["atac"][rows].copy()
        if updated:
            mdata.update()
        with pytest.raises(ValueError, match=message):
            model.train(**quick)

    def test_rows_are_read_as_the_table_says(self, model, mdata, rng):
        rows = {"rna": rng.permutation(40), "atac": rng.integers(0, 40, 40)}
        wanted = {
            (mdata["rna"].X[a].toarray().tobytes(), mdata["atac"].X[b].toarray().tobytes())
            for a, b in zip(rows["rna"], rows["atac"], strict=True)
        }
        seen = set()

        class Look(Callback):
            def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
                rna, atac = (
                    batch[key].to_dense()[:, model.specs[key].position].numpy()
                    for key in ("rna", "atac")
                )
                seen.update(
                    (own.tobytes(), other.tobytes()) for own, other in zip(rna, atac, strict=True)
                )

        model.train(
            1,
            pretrain_epochs=0,
            split=SPLIT,
            pairs=Pairs(rows),
            enable_progress_bar=False,
            callbacks=[Look()],
        )
        assert seen == wanted

    def test_more_pairs_than_cells(self, model, quick, rng):
        rows = {key: rng.integers(0, 40, 150) for key in ("rna", "atac")}
        model.train(**quick, split=SPLIT, pairs=Pairs(rows))
        assert np.isfinite(model.history["integrative_train_loss"].to_numpy()).all()

    def test_each_modality_brings_its_own_batch(self, simulate, quick, rng):
        mdata = simulate(n_batches=2)
        Butterfly.setup_mudata(mdata, batch_key="batch")
        model = Butterfly(mdata)
        rows = {key: rng.permutation(40) for key in ("rna", "atac")}
        codes = mdata.obs["batch"].cat.codes.to_numpy()
        wanted = sorted(zip(codes[rows["rna"]], codes[rows["atac"]], strict=True))
        seen = []

        class Look(Callback):
            def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
                if "rna" in batch and "atac" in batch:
                    pairs = zip(batch["rna_batch"], batch["atac_batch"], strict=True)
                    seen.extend((int(a), int(b)) for a, b in pairs)

        model.train(**quick, split=SPLIT, pairs=Pairs(rows), callbacks=[Look()])
        assert sorted(seen) == wanted

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ({"rna": range(41), "atac": range(41)}, "1 of the pairs' 'rna' rows.*first is 40"),
            ({"rna": [0, 1], "atac": [0, 60]}, "row 60 of 'atac', but there are 60 cells"),
            ({"rna": [0, 1], "protein": [0, 1]}, r"no rows for \['atac'\]"),
            ({"rna": [], "atac": []}, "0 pairs are too few"),
        ],
        ids=["leak", "range", "modality", "none"],
    )
    def test_impossible_pairs(self, model, quick, rows, message):
        with pytest.raises(ValueError, match=message):
            model.train(**quick, split=SPLIT, pairs=Pairs(rows))
        assert not model.is_trained

    def test_pairs_of_a_drawn_split_leak(self, model, quick):
        with pytest.raises(ValueError, match=r"validation or test cells.*split\.train"):
            model.train(**quick, pairs=Pairs.measured(["rna", "atac"], range(60)))

    def test_what_is_no_table(self, model, quick):
        with pytest.raises(ValueError, match=r"pairs must be a Pairs, got dict"):
            model.train(**quick, split=SPLIT, pairs={"rna": [0, 1], "atac": [1, 0]})


class TestNaN:
    class Poison(Callback):
        """Spoil a weight when the phase of the given number begins."""

        def __init__(self, number):
            self.number = number

        @torch.no_grad()
        def on_train_start(self, trainer, pl_module):
            self.number -= 1
            if self.number < 0:
                for parameter in pl_module.module.decoders.parameters():
                    parameter.fill_(float("nan"))

    @pytest.mark.parametrize("phase", PHASES)
    def test_training_stops_and_names_the_phase(self, model, quick, phase):
        message = (
            rf"nan in epoch 0, minibatch 0 \(both from 0\) of phase '{phase}'.*before the first "
            r"step.*new model.*lr.*max_grad_norm.*put back"
        )
        with pytest.raises(ValueError, match=message):
            model.train(**quick, split=SPLIT, callbacks=[self.Poison(PHASES.index(phase))])
        assert model.is_trained == (phase != PHASES[0])
        assert all(torch.isfinite(p).all() for p in model.module.parameters())

    def test_the_best_epoch_is_kept(self, model):
        class Diverge(Callback):
            def on_train_epoch_start(self, trainer, pl_module):
                if trainer.current_epoch == 2:
                    trainer.optimizers[0].param_groups[0]["lr"] = float("inf")

        with pytest.raises(ValueError, match=r"nan in epoch 2, minibatch 1.*'integrative'"):
            model.train(
                5,
                pretrain_epochs=0,
                split=SPLIT,
                batch_size=16,
                enable_progress_bar=False,
                callbacks=[Diverge()],
            )
        assert model.is_trained
        assert len(model.history["integrative_train_loss"]) == 2
        translated = model.translate(source="rna", target="atac")
        assert np.isfinite(translated.X).all()

    def test_a_learning_rate_beyond_reason(self, model):
        with pytest.raises(ValueError, match=r"(nan|inf) in epoch \d, .* of phase 'integrative'"):
            model.train(
                2,
                pretrain_epochs=0,
                split=Split(range(50)),
                batch_size=8,
                enable_progress_bar=False,
                plan_kwargs={"lr": 1e25},
            )


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"max_epochs": -1}, "max_epochs must be a whole number of at least 1, got -1"),
            ({"max_epochs": 2.5}, "max_epochs must be a whole number of at least 1, got 2.5"),
            ({"max_epochs": "5"}, "max_epochs must be a whole number"),
            ({"pretrain_epochs": -2}, "pretrain_epochs must be .* got -2"),
            ({"max_epochs": 0, "pretrain_epochs": 0}, "max_epochs must .* at least 1, got 0"),
            ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
            ({"batch_size": 0}, "batch_size must be at least 2, got 0"),
            ({"batch_size": -8}, "batch_size must be at least 2, got -8"),
            ({"split": Split(range(9))}, "9 training cells are too few; at least 10"),
            ({"split": Split(range(40), [60])}, "validation rows go up to 60, .* 60 cells"),
            ({"split": Split(range(61))}, "train rows go up to 60, but the data have 60 cells"),
            ({"split": SPLIT, "train_size": 0.5}, "either split= or train_size="),
            ({"split": SPLIT, "validation_size": 0.1}, "either split= or train_size="),
            (
                {"split": SPLIT, "datasplitter_kwargs": {"external_indexing": []}},
                "either split= or",
            ),
            ({"split": (range(40), range(40, 60))}, "split must be a Split, got tuple"),
            (
                {"early_stopping_monitor": "loss"},
                "early_stopping_monitor='loss' is no loss of val",
            ),
            ({"early_stopping_mode": "max"}, "early_stopping_mode must be 'min'"),
            ({"early_stopping_warmup_epochs": 3}, "early_stopping_warmup_epochs is not known"),
            (
                {"early_stopping_patience_steps": -1},
                "early_stopping_patience_steps must be at least 0",
            ),
            ({"early_stopping_min_delta": -1}, "early_stopping_min_delta must be at least 0"),
            (
                {"max_epoch": 2},
                r"no argument 'max_epoch': did you mean max_epochs\? It takes max_epochs, "
                "pretrain_epochs, .*resume; and what lightning",
            ),
            ({"acelerator": "cpu"}, r"'acelerator': did you mean accelerator\? It takes max_e"),
            ({"early_stoping": True}, r"did you mean early_stopping\?"),
            ({"zebra": 1}, r"no argument 'zebra'\. It takes max_epochs"),
            ({"lr": 1e-3}, r"no argument 'lr': the training plan .* plan_kwargs=\{'lr': 0\.001\}"),
            ({"weight_decay": 0}, r"takes it, plan_kwargs=\{'weight_decay': 0\}\.$"),
            ({"learning_rate": 0.1}, r"plan_kwargs=\{'lr': 0\.1\}\.$"),
            ({"weight_decai": 0}, r"did you mean plan_kwargs=\{'weight_decay': \.\.\.\}\?"),
            ({"early_stopping_patients": 3}, "no argument 'early_stopping_patients'; there are"),
            ({"datasplitter_kwargs": {"drop_last": True}}, "drop_last=True is not known here"),
            ({"plan_kwargs": {"optimizer": "AdamW"}}, "cannot set 'optimizer': it is Adam"),
            ({"plan_kwargs": {"update_only_decoder": True}}, "each phase trains all of its"),
            ({"plan_kwargs": {"on_step": True}}, "logged once an epoch"),
            ({"plan_kwargs": {"n_steps_kl_warmup": 9}}, "by epochs, set n_epochs_kl_warmup"),
            ({"plan_kwargs": {"compile": True}}, "cannot set 'compile'"),
            ({"plan_kwargs": {"lr_factor": 0.5}}, "'lr_factor'.*add 'reduce_lr_on_plateau': True"),
            (
                {"plan_kwargs": {"lr_patience": 3, "reduce_lr_on_plateau": False}},
                "'lr_patience'.*=3 has no effect",
            ),
            ({"accumulate_grad_batches": 2}, "accumulate_grad_batches=2: .*batch_size="),
            ({"gradient_clip_val": 1.0}, "gradient_clip_val=1.0: .*'max_grad_norm'"),
            ({"gradient_clip_algorithm": "norm"}, "'max_grad_norm'"),
            ({"limit_val_batches": 0}, "limit_val_batches=0: .*train_size=1.0"),
            ({"overfit_batches": 2}, "overfit_batches=2: .*split="),
            ({"max_steps": 3}, "max_steps=3: .*max_epochs="),
            ({"callbacks": [None]}, "callbacks of lightning.pytorch, got None"),
            ({"callbacks": [print]}, "callbacks of lightning.pytorch, got <built-in"),
            ({"datasplitter_kwargs": {"shuffle": False}}, "unknown key 'shuffle'; known are"),
            ({"datasplitter_kwargs": {"load_sparse_tensor": True}}, "key 'load_sparse_tensor'"),
            ({"datasplitter_kwargs": {"prefetch_factor": 2}}, "=2 .*add 'num_workers'"),
            ({"train_size": 0.1}, "6 training cells are too few"),
            ({"train_size": 1.5}, "train_size"),
            ({"train_size": 0.8, "validation_size": 0.5}, "at most 1, got 0.8 \\+ 0.5"),
        ],
        ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
    )
    def test_before_anything_is_trained(self, model, options, message):
        before = _weights(model)
        with pytest.raises(ValueError, match=message):
            model.train(**{"max_epochs": 1, "pretrain_epochs": 1, **options})
        assert not model.is_trained
        assert model.history is None
        for name, tensor in model.module.state_dict().items():
            assert torch.equal(tensor, before[name]), name

    def test_counts_that_were_normalised_after_registration(self, model, mdata, quick):
        mdata["rna"].X = mdata["rna"].X.log1p()
        with pytest.raises(ValueError, match=r"^rna\.X holds .*not a whole number"):
            model.train(**quick)

    def test_too_few_cells(self, simulate, quick):
        mdata = simulate(n_cells=9, n_genes=4, n_peaks=6, atac_density=0.6)
        Butterfly.setup_mudata(mdata)
        with pytest.raises(ValueError, match=r"training cells are too few; at least 10"):
            Butterfly(mdata).train(**quick)

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"max_epoch": 3}, ValueError),
            ({"plan_kwargs": {"rate": 1}}, ValueError),
            ({"split": Split(range(5))}, ValueError),
        ],
        ids=["trainer", "plan", "split"],
    )
    def test_a_refusal_does_not_undo_an_earlier_training(self, model, quick, options, error):
        model.train(**quick)
        history, before = dict(model.history), model.translate(source="rna", target="atac")
        with pytest.raises(error):
            model.train(**quick, **options)
        assert model.is_trained
        assert model.history.keys() == history.keys()
        np.testing.assert_array_equal(model.translate(source="rna", target="atac").X, before.X)


class TestChoices:
    @pytest.mark.parametrize("options", [
        {"preset": "scbutterfly"},
        {"gene_likelihood": "normal"},
        {"atac_target": "tfidf"},
        {"gene_likelihood": "normal", "atac_target": "tfidf", "output_batch_norm": True},
        {"adversarial_weight": 0.0},
        {"reduction": "mean", "stack_sources": False, "n_discriminator_layers": 1},
        {"mask_rate": {"rna": 0.0, "atac": 0.0}, "dropout_rate": 0.0},
    ], ids=str)  # fmt: skip
    def test_every_choice_trains_and_translates(self, mdata, quick, options):
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, **options)
        model.train(**quick)
        rna = model.translate(source="atac", target="rna")
        atac = model.translate(source="rna", target="atac")
        assert (rna.X >= 0).all()
        assert np.isfinite(rna.layers["mean"]).all()
        assert ((atac.X > 0) & (atac.X < 1)).all()

    def test_published_schedule(self, mdata):
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, preset="scbutterfly")
        phases = model._phases(None, None)
        assert [phase.max_epochs for phase in phases] == [100, 100, 200]
        assert [phase.adversarial for phase in phases] == [False, False, True]

    def test_three_modalities_train_all_nine_paths(self, with_protein):
        history = with_protein.model.history
        keys = ("rna", "atac", "protein")
        for source in keys:
            for target in keys:
                assert f"integrative_{source}_to_{target}_train" in history
        assert "pretrain_protein_train_loss" in history

    def test_one_gene_and_one_peak(self, simulate, quick):
        mdata = simulate(n_genes=1, n_peaks=1, n_chromosomes=1, atac_density=0.7)
        with pytest.warns(UserWarning, match="no counts at all"):
            Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata)
        model.train(**quick)
        assert model.translate(source="rna", target="atac").shape == (60, 1)


@pytest.mark.parametrize("preset", ["default", "scbutterfly"])
def test_mixed_precision_ends_near_full_precision(mdata, preset):
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        scvi.settings.seed = 0
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, preset=preset)
        model.train(4, pretrain_epochs=2, enable_progress_bar=False, precision=precision)
        history = model.history["integrative_reconstruction_loss_validation"]
        losses[precision] = float(history.iloc[-1, 0])
        assert {p.dtype for p in model.module.parameters()} == {torch.float32}
        translated = model.translate(mdata["atac"], source="atac", target="rna")
        assert translated.X.dtype == np.float32
        assert np.isfinite(translated.X).all()
    assert losses["bf16-mixed"] == pytest.approx(losses["32-true"], rel=0.02)


class TestFailedAgain:
    """A second training that fails leaves other weights, and what is said is of these."""

    @pytest.fixture
    def failed(self, simulate):
        mdata = simulate()
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, n_latent=6)
        model.train(2, pretrain_epochs=0, split=SPLIT, enable_progress_bar=False)
        before = copy.deepcopy(model.trust_)

        class Fail(Callback):
            def on_train_epoch_start(self, trainer, pl_module):
                if trainer.current_epoch == 2:
                    raise RuntimeError("no more")

        with pytest.raises(RuntimeError, match="no more"):
            model.train(
                5,
                pretrain_epochs=0,
                split=SPLIT,
                enable_progress_bar=False,
                callbacks=[Fail()],
                plan_kwargs={"lr": 0.01},
            )
        return model, before

    def test_it_is_judged_anew(self, failed):
        model, before = failed
        assert model.is_trained
        scores = [own["scores"]["rna"]["atac"]["score"] for own in (before, model.trust_)]
        assert not np.array_equal(*scores, equal_nan=True)
        known = model.familiarity(source="rna", indices=SPLIT.validation)["familiarity"]
        assert known.mean() == pytest.approx(0.5, abs=0.1)

    def test_one_that_never_began_changes_nothing(self, simulate):
        mdata = simulate()
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, n_latent=6)
        model.train(1, pretrain_epochs=0, split=SPLIT, enable_progress_bar=False)
        before = model.trust_
        with pytest.raises(ValueError, match="no argument"):
            model.train(1, split=SPLIT, acelerator="cpu")
        assert model.trust_ is before


def test_cells_trained_with_before_are_no_test_cells(simulate):
    mdata = simulate()
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=6)
    options = {"pretrain_epochs": 0, "enable_progress_bar": False}
    model.train(1, split=SPLIT, **options)
    model.train(1, split=SPLIT, **options)  # the same cells once more
    other = Split(range(20, 60), range(10, 20), range(10))
    with pytest.warns(UserWarning, match="10 of the 10 test cells were trained with"):
        model.train(1, split=other, **options)
