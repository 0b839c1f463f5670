"""Ctrl-C leaves a model that can be used, and a process that can be stopped again."""

from __future__ import annotations

import os
import signal

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.trainer.states import TrainerStatus

from scvi_xmodal.data import Split
from scvi_xmodal.model import Butterfly

SPLIT = Split(range(40), range(40, 50), range(50, 60))
PHASES = ("pretrain_rna", "pretrain_atac", "integrative")


@pytest.fixture
def model(mdata):
    Butterfly.setup_mudata(mdata)
    return Butterfly(mdata, n_latent=6, n_embedding=16)


@pytest.fixture(autouse=True)
def _signals_arrive():
    """A shell starts background jobs with Ctrl-C ignored, and Python then installs no handler."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


class Interrupt(Callback):
    """Presses Ctrl-C in the second minibatch of an epoch of a phase."""

    def __init__(self, phase, epoch):
        self.phase = PHASES.index(phase)
        self.epoch = epoch
        self.kept = None

    def on_fit_start(self, trainer, pl_module):
        self.phase -= 1

    def on_validation_end(self, trainer, pl_module):
        if self.phase == -1:
            self.kept = pl_module.module.state_dict()["encoders.rna.embedding.linear.bias"].clone()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if self.phase == -1 and trainer.current_epoch == self.epoch and batch_idx == 1:
            os.kill(os.getpid(), signal.SIGINT)


def _train(model, callback, **options):
    model.train(
        4,
        pretrain_epochs=3,
        split=SPLIT,
        batch_size=16,
        enable_progress_bar=False,
        callbacks=[callback],
        **options,
    )


@pytest.mark.parametrize(
    ("phase", "epoch"),
    [(PHASES[0], 0), (PHASES[0], 2), (PHASES[1], 2), (PHASES[2], 0), (PHASES[2], 2)],
)
def test_the_best_epoch_is_kept_and_can_be_used(model, phase, epoch, capsys):
    handler = signal.getsignal(signal.SIGINT)
    held = r"epoch \d, the best so far" if epoch else "began with, because no epoch was finished"
    message = rf"interrupted in epoch {epoch} \(from 0\) of phase '{phase}'\..*{held}"
    with pytest.warns(UserWarning, match=message):
        _train(model, Interrupt(phase, epoch))
    assert signal.getsignal(signal.SIGINT) is handler
    assert capsys.readouterr().out == ""
    if phase == PHASES[0] and epoch == 0:
        assert not model.is_trained
        return
    assert model.is_trained
    assert not model.module.training
    n_epochs = [len(model.history.get(f"{name}_train_loss", ())) for name in PHASES]
    number = PHASES.index(phase)
    assert n_epochs == [3] * number + [epoch] + [0] * (2 - number)
    assert np.isfinite(model.translate(source="rna", target="atac").X).all()
    assert all(parameter.requires_grad for parameter in model.module.parameters())


def test_the_weights_are_those_of_the_best_epoch(model):
    seen = {}

    class Look(Callback):
        def on_validation_end(self, trainer, pl_module):
            state = pl_module.module.state_dict()
            seen[trainer.current_epoch] = {name: value.clone() for name, value in state.items()}

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.current_epoch == 3:
                raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted in epoch 3"):
        model.train(
            9, pretrain_epochs=0, split=SPLIT, enable_progress_bar=False, callbacks=[Look()]
        )
    losses = model.history["integrative_reconstruction_loss_validation"].to_numpy().ravel()
    best = seen[int(losses.argmin())]
    for name, tensor in model.module.state_dict().items():
        if not name.startswith(("linear_paths", "projections")):  # fitted when training ends
            assert torch.equal(tensor, best[name]), name


def test_training_goes_on_afterwards(model):
    with pytest.warns(UserWarning, match="interrupted"):
        _train(model, Interrupt("integrative", 1))
    model.train(2, pretrain_epochs=0, split=SPLIT, enable_progress_bar=False)
    assert len(model.history["integrative_train_loss"]) == 3


def test_a_checkpoint_goes_on_where_it_was_interrupted(model, mdata, tmp_path):
    with pytest.warns(UserWarning, match="interrupted"):
        _train(model, Interrupt("pretrain_atac", 1), checkpoint_dir=tmp_path)
    again = Butterfly(mdata, n_latent=6, n_embedding=16)
    _train(again, Callback(), checkpoint_dir=tmp_path, resume=True)
    assert [len(again.history[f"{name}_train_loss"]) for name in PHASES] == [3, 3, 4]


@pytest.mark.parametrize("way", ["swallowed", "raised"])
def test_as_other_versions_of_lightning_do(model, monkeypatch, way):
    """Older ones return from ``fit`` after Ctrl-C, others may raise it."""
    real = pl.Trainer.fit

    def fit(trainer, *args, **kwargs):
        try:
            return real(trainer, *args, **kwargs)
        except SystemExit as stop:
            assert trainer.state.status == TrainerStatus.INTERRUPTED
            if way == "raised":
                raise KeyboardInterrupt from stop

    monkeypatch.setattr(pl.Trainer, "fit", fit)
    with pytest.warns(UserWarning, match="interrupted in epoch 1"):
        _train(model, Interrupt("integrative", 1))
    assert model.is_trained


def test_leaving_the_process_is_no_interrupt(model):
    class Leave(Callback):
        def on_train_batch_start(self, *args):
            raise SystemExit(3)

    with pytest.raises(SystemExit) as stop:
        _train(model, Leave())
    assert stop.value.code == 3


def test_a_full_gpu_names_a_batch_size(model):
    class Full(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.current_epoch == 1:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    with pytest.raises(
        torch.cuda.OutOfMemoryError, match=r"for 16 cells at a time: train\(batch_size=8\).*9 GiB"
    ):
        _train(model, Full())
    assert model.is_trained
