"""A phase by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scvi_xmodal.train import MONITOR, Phase, Stopping, run_phase


def _run(setting, phase, **options):
    return run_phase(
        setting.model,
        phase,
        setting.splitter,
        **{"plan_kwargs": {}, "enable_progress_bar": False, **options},
    )


def test_modalities_of_a_phase():
    assert Phase("a", (("rna", "rna"),), 1).modalities == ("rna",)
    paths = (("rna", "atac"), ("atac", "protein"), ("rna", "rna"))
    assert Phase("b", paths, 1).modalities == ("rna", "atac", "protein")


@pytest.mark.parametrize("adversarial", [False, True])
def test_history_carries_the_name(setting, adversarial):
    phase = Phase("some", setting.module.paths, 2, adversarial)
    history = _run(setting, phase)
    assert f"some_{MONITOR}" in history
    assert all(name.startswith("some_") for name in history)
    assert all(values.shape == (2, 1) for values in history.values())
    assert ("some_discriminator_loss_train" in history) == adversarial
    assert setting.model.is_trained_
    assert not setting.module.training


def test_a_phase_of_one_path_leaves_the_rest_alone(setting):
    before = {name: p.detach().clone() for name, p in setting.module.named_parameters()}
    _run(setting, Phase("pretrain_rna", (("rna", "rna"),), 1))
    for name, parameter in setting.module.named_parameters():
        own = name.startswith(("encoders.rna", "decoders.rna", "pretraining_translators.rna"))
        assert torch.equal(parameter, before[name]) != own, name
        assert parameter.requires_grad


def test_given_callbacks_stay_the_users(setting):
    from lightning.pytorch.callbacks import Callback

    callbacks = [Callback()]
    for _ in range(2):
        _run(setting, Phase("x", (("rna", "rna"),), 1), callbacks=callbacks)
    assert len(callbacks) == 1


def test_trainer_keywords_reach_the_trainer(setting):
    history = _run(
        setting, Phase("x", (("rna", "rna"),), 4), check_val_every_n_epoch=2, accelerator="cpu"
    )
    assert len(history["x_train_loss"]) == 4
    assert len(history["x_validation_loss"]) == 2


def test_patience(setting):
    history = _run(
        setting,
        Phase("x", (("rna", "rna"),), 30),
        stopping=Stopping(patience=1),
        plan_kwargs={"lr": 0.0},
    )
    # batch norm's running statistics still move, so the loss may fall for some epochs
    losses = history[f"x_{MONITOR}"].to_numpy().ravel()
    if len(losses) < 30:
        assert losses.argmin() == len(losses) - 2
    assert np.isfinite(losses).all()


def test_the_bar_names_the_phase(setting, capfd):
    _run(setting, Phase("pretrain_rna", (("rna", "rna"),), 2), enable_progress_bar=True)
    shown = capfd.readouterr()
    assert "pretrain_rna epoch 2/2" in shown.out + shown.err


def test_nothing_else_is_said(setting, capfd, recwarn):
    _run(setting, Phase("x", setting.module.paths, 1, adversarial=True))
    shown = capfd.readouterr()
    assert shown.out + shown.err == ""
    assert [str(warning.message) for warning in recwarn] == []
