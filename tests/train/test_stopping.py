"""How long a phase waits for a better epoch."""

from __future__ import annotations

import pytest
from lightning.pytorch.callbacks import Callback

from scvi_xmodal.train import Stopping
from scvi_xmodal.train._stopping import PatientStopping


@pytest.mark.parametrize(
    ("n_steps", "n_epochs"), [(0, 60), (1, 60), (10, 60), (11, 55), (20, 30), (1000, 30)]
)
def test_short_epochs_are_waited_for_longer(n_steps, n_epochs):
    assert Stopping(patience=30, patience_steps=600).epochs_to_wait(n_steps) == n_epochs


def test_epochs_alone_count_unless_steps_are_asked_for():
    assert Stopping(patience=7).epochs_to_wait(1) == 7


class _Look(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        (own,) = (c for c in trainer.callbacks if isinstance(c, PatientStopping))
        self.patience = own.patience


@pytest.mark.parametrize(
    ("given", "n_epochs"),
    [
        # 30 training cells in minibatches of 10 are 3 steps
        ({"early_stopping_patience": 4, "early_stopping_patience_steps": 18}, 6),
        ({"early_stopping_patience": 4, "early_stopping_patience_steps": 1}, 4),
        ({"early_stopping_patience": 4}, 4),
        ({}, 60),
    ],
)
def test_training_waits_as_told(make_setting, given, n_epochs):
    model, *_, splitter = make_setting()
    look = _Look()
    options = {"batch_size": 10, "enable_progress_bar": False, "callbacks": [look]}
    model.train(1, pretrain_epochs=0, split=splitter.split(), **options, **given)
    assert look.patience == n_epochs
