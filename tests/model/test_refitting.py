"""A refit learns from all but the test cells, and keeps what the validation cells said."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from lightning.pytorch.callbacks import Callback

from scvi_xmodal.data import Split
from scvi_xmodal.model import Butterfly
from scvi_xmodal.pairing import by_label
from scvi_xmodal.train import CHECKPOINT

SPLIT = Split(range(35), range(35, 55), range(55, 60))
EVERY = Split(range(55), (), range(55, 60))
OPTIONS = {
    "max_epochs": 4,
    "pretrain_epochs": 1,
    "batch_size": 16,
    "plan_kwargs": {"lr": 0.02},  # high, so that the best epoch is not the last
    "enable_progress_bar": False,
}
N_FIRST = 3 * (2 + 4)  # minibatches of 35 cells by 16: pretraining of two modalities, and the rest


@pytest.fixture(scope="module")
def fresh(simulate):
    """Return a function that makes the same untrained model from the same data."""

    def make(seed=0, **options):
        mdata = simulate()
        scvi.settings.seed = seed
        Butterfly.setup_mudata(mdata)
        return Butterfly(mdata, **{"n_latent": 6, "n_embedding": 16, **options})

    return make


@pytest.fixture(scope="module")
def first(fresh):
    """Return a model that was not refitted."""
    model = fresh()
    model.train(split=SPLIT, **OPTIONS)
    return model


@pytest.fixture(scope="module")
def refitted(fresh):
    """Return its refitted twin, and the random state that the refit began with."""
    model, make, states = fresh(), Butterfly._new_module, []

    def new_module(self):
        states.append(torch.get_rng_state())
        return make(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Butterfly, "_new_module", new_module)
        model.train(split=SPLIT, refit=True, **OPTIONS)
    return model, states[0]


class Stop(Callback):
    """Stops training after some minibatches."""

    def __init__(self, n_batches, error):
        self.n_batches, self.error = n_batches, error

    def on_train_batch_end(self, *args):
        self.n_batches -= 1
        if self.n_batches == 0:
            raise self.error


def _same_weights(model, other):
    for name, tensor in model.module.state_dict().items():
        assert torch.equal(tensor, other.module.state_dict()[name]), name


def _translated(model):
    return model.translate(model.adata["rna"], source="rna", target="atac").X


def test_every_cell_but_the_test_cells_trains(refitted):
    model, _ = refitted
    np.testing.assert_array_equal(np.sort(model.train_indices), np.arange(55))
    assert len(model.validation_indices) == 0
    np.testing.assert_array_equal(model.test_indices, np.arange(55, 60))


def test_phases_last_as_long_as_the_first_fit_was_best(first, refitted):
    losses = first.history["integrative_reconstruction_loss_validation"].iloc[:, 0]
    best = 1 + int(np.argmin(losses.to_numpy()))
    assert best < OPTIONS["max_epochs"]
    history = refitted[0].history
    assert len(history["refit_integrative_reconstruction_loss_train"]) == best
    assert len(history["refit_pretrain_rna_reconstruction_loss_train"]) == 1
    assert "refit_integrative_reconstruction_loss_validation" not in history
    for name, values in first.history.items():
        pd.testing.assert_frame_equal(values, history[name], check_exact=True)


def test_its_network_is_one_trained_on_these_cells_from_the_start(fresh, refitted):
    model, state = refitted
    n_epochs = len(model.history["refit_integrative_reconstruction_loss_train"])
    other = fresh(seed=3)
    torch.set_rng_state(state)
    other.module = other._new_module()
    options = {**OPTIONS, "max_epochs": n_epochs, "early_stopping": False}
    other.train(split=EVERY, **options)
    own, others = model.module.state_dict(), other.module.state_dict()
    # how far predictions go is of the validation cells, which the other has none of
    weighed = ("share", "weight", "scale")
    validated = [name for name in own if name.split(".")[0] in ("shrinkages", "linear_paths")]
    for name in own:
        if name in validated and name.endswith(weighed):
            continue
        assert torch.equal(own[name], others[name]), name


def test_what_the_validation_cells_said_is_kept(first, refitted):
    model, _ = refitted
    for source, target in (("rna", "atac"), ("atac", "rna")):
        pd.testing.assert_frame_equal(
            model.trust_scores(source, target), first.trust_scores(source, target)
        )
        name = f"{source}_to_{target}"
        for part, values in (("linear_paths", ("weight", "scale")), ("shrinkages", ("share",))):
            own, others = (getattr(m.module, part)[name] for m in (model, first))
            for value in values:
                assert getattr(own, value).item() == getattr(others, value).item()
    query = model.adata["atac"]
    layers = model.translate(query, source="atac", target="rna", quantiles=(0.1, 0.9)).layers
    assert (layers["q10"] <= layers["q90"]).all()


def test_familiarity_compares_with_misfits_of_unseen_cells(first, refitted):
    model, _ = refitted
    own, others = (m.trust_["familiarity"]["rna"] for m in (model, first))
    np.testing.assert_allclose(own["misfit"], others["misfit"])
    assert own["latent"].shape == (35, 6)
    assert not np.array_equal(own["latent"], others["latent"])


def test_saved_and_loaded_it_predicts_the_same(refitted, tmp_path):
    model, _ = refitted
    model.save(tmp_path / "model")
    loaded = Butterfly.load(tmp_path / "model", model.adata)
    np.testing.assert_array_equal(_translated(loaded), _translated(model))
    np.testing.assert_array_equal(np.sort(loaded.train_indices), np.arange(55))


def test_without_early_stopping_it_lasts_as_long(fresh):
    model = fresh()
    model.train(split=SPLIT, refit=True, early_stopping=False, **OPTIONS)
    assert len(model.history["refit_integrative_train_loss"]) == OPTIONS["max_epochs"]


def test_without_validation_cells_it_does_not_matter_how_often_they_are_looked_at(fresh):
    model = fresh()
    model.train(split=EVERY, check_val_every_n_epoch=2, **OPTIONS)
    assert len(model.history["integrative_train_loss"]) == OPTIONS["max_epochs"]


def test_a_phase_that_was_never_validated_lasts_as_long(fresh):
    model = fresh()
    model.train(split=SPLIT, refit=True, check_val_every_n_epoch=2, **OPTIONS)
    assert "pretrain_rna_reconstruction_loss_validation" not in model.history
    assert len(model.history["refit_pretrain_rna_reconstruction_loss_train"]) == 1
    losses = model.history["integrative_reconstruction_loss_validation"].iloc[:, 0]
    assert list(losses.index) == [1, 3]
    assert len(model.history["refit_integrative_train_loss"]) == 1 + losses.idxmin()


def test_without_validation_cells_there_is_no_sanity_check_of_them(fresh):
    model = fresh()
    model.train(split=EVERY, num_sanity_val_steps=1, **OPTIONS)
    assert len(model.history["integrative_train_loss"]) == OPTIONS["max_epochs"]


def test_drawn_cells_and_stopping_of_ones_own(fresh):
    model = fresh()
    model.train(
        train_size=0.6,
        validation_size=0.3,
        refit=True,
        early_stopping_patience=1,
        early_stopping_monitor="elbo_validation",
        datasplitter_kwargs={"shuffle_set_split": False},
        **OPTIONS,
    )
    best = 1 + int(model.history["integrative_elbo_validation"].iloc[:, 0].to_numpy().argmin())
    assert len(model.history["refit_integrative_train_loss"]) == best
    assert len(model.train_indices) == 54


@pytest.mark.parametrize("redraw", [False, True])
def test_pairs_of_training_cells_stay_and_validation_cells_join_by_themselves(
    fresh, monkeypatch, redraw
):
    model, given = fresh(), []
    pairs = by_label(model.adata, "cell_type", SPLIT.train, redraw=redraw)
    run = Butterfly._run_phases

    def spy(self, run_, phases, options):
        given.append(phases[-1][1].pairs)
        return run(self, run_, phases, options)

    monkeypatch.setattr(Butterfly, "_run_phases", spy)
    model.train(split=SPLIT, pairs=pairs, refit=True, **OPTIONS)
    first, again = given
    for epoch in (0, 1):
        drawn, joined = (table.draw(epoch).to_dataframe() for table in (first, again))
        pd.testing.assert_frame_equal(joined.iloc[: len(drawn)], drawn)
        added = joined.iloc[len(drawn) :]
        np.testing.assert_array_equal(added["rna"], SPLIT.validation)
        np.testing.assert_array_equal(added["atac"], SPLIT.validation)


def test_stopped_by_an_error_it_is_what_it_was(fresh, first):
    model = fresh()
    with pytest.raises(RuntimeError, match="by a test"):
        model.train(
            split=SPLIT,
            refit=True,
            callbacks=[Stop(N_FIRST + 5, RuntimeError("by a test"))],
            **OPTIONS,
        )
    _same_weights(model, first)
    assert model.is_trained_
    assert len(model.validation_indices) == 20
    assert set(model.history) == set(first.history)
    np.testing.assert_array_equal(_translated(model), _translated(first))


def test_interrupted_it_is_what_it_was(fresh, first):
    model = fresh()
    callbacks = [Stop(N_FIRST + 5, KeyboardInterrupt())]
    with pytest.warns(UserWarning, match="refit was not finished and is dropped"):
        model.train(split=SPLIT, refit=True, callbacks=callbacks, **OPTIONS)
    _same_weights(model, first)
    assert len(model.validation_indices) == 20


def test_interrupted_before_it_is_not_begun(fresh):
    model = fresh()
    with pytest.warns(UserWarning, match="interrupted") as warned:
        model.train(split=SPLIT, refit=True, callbacks=[Stop(8, KeyboardInterrupt())], **OPTIONS)
    assert not any("refit" in str(warning.message) for warning in warned)
    assert len(model.validation_indices) == 20


@pytest.mark.parametrize("n_batches", [4, N_FIRST + 6])
def test_killed_it_goes_on_to_what_it_would_have_become(fresh, tmp_path, n_batches):
    options = {**OPTIONS, "split": SPLIT, "refit": True, "checkpoint_dir": tmp_path}
    whole = fresh()
    whole.train(**{**options, "checkpoint_dir": tmp_path / "whole"})
    stopped = fresh()
    with pytest.raises(RuntimeError, match="by a test"):
        stopped.train(**options, callbacks=[Stop(n_batches, RuntimeError("by a test"))])
    resumed = fresh(seed=7)
    resumed.train(**options, resume=True)
    _same_weights(resumed, whole)
    assert set(resumed.history) == set(whole.history)
    np.testing.assert_array_equal(_translated(resumed), _translated(whole))


def test_a_checkpoint_in_the_way_is_found_before_training(fresh, tmp_path):
    (tmp_path / "refit").mkdir()
    (tmp_path / "refit" / CHECKPOINT).write_bytes(b"of another training")
    model = fresh()
    with pytest.raises(ValueError, match="is there already"):
        model.train(split=SPLIT, refit=True, checkpoint_dir=tmp_path, **OPTIONS)
    assert not model.is_trained_


def test_the_published_preset_can_be_refitted(fresh):
    model = fresh(preset="scbutterfly", n_latent=4, n_embedding=8)
    model.train(split=SPLIT, refit=True, **{**OPTIONS, "plan_kwargs": None})
    assert "refit_integrative_train_loss" in model.history
    assert np.isfinite(_translated(model)).all()


def test_unpaired_cells_are_paired_anew(simulate):
    mdata = simulate()
    Butterfly.setup_mudata(mdata, pairing="unpaired", labels_key="cell_type")
    scvi.settings.seed = 0
    model = Butterfly(mdata, n_latent=6, n_embedding=16)
    model.train(split=SPLIT, refit=True, **OPTIONS)
    np.testing.assert_array_equal(np.sort(model.train_indices), np.arange(55))


def test_nothing_is_warned_of(fresh):
    model = fresh()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning, message=".*(trained|cells).*")
        model.train(split=SPLIT, refit=True, **OPTIONS)
