"""What watches a phase, with a trainer that only holds numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from scvi.module.base import LossOutput
from torch import nn

from scvi_xmodal.train import LossSums, PhaseProgressBar, RestoreBest, StopOnNaN


def _run(callback, values, *, monitor="loss"):
    """Show the callback an epoch for each value; the weight is the epoch's number."""
    module = nn.Linear(1, 1)
    plan = SimpleNamespace(module=module)
    for epoch, value in enumerate(values):
        with torch.no_grad():
            module.weight.fill_(float(epoch))
        metrics = {} if value is None else {monitor: torch.tensor(value)}
        trainer = SimpleNamespace(callback_metrics=metrics, current_epoch=epoch)
        callback.on_validation_end(trainer, plan)
    callback.on_fit_end(trainer, plan)
    return module.weight.item()


class TestRestoreBest:
    @pytest.mark.parametrize(
        ("values", "best"),
        [
            ([3.0, 1.0, 2.0], 1),
            ([3.0, 2.0, 1.0], 2),
            ([1.0, 2.0, 3.0], 0),
            ([2.0, 1.0, 1.0], 1),
            ([float("nan"), 2.0, float("nan")], 1),
            ([2.0, float("nan"), 3.0], 0),
            ([None, 5.0, 6.0], 1),
            ([4.0], 0),
        ],
    )
    def test_the_lowest_is_put_back(self, values, best):
        callback = RestoreBest("loss")
        assert _run(callback, values) == best
        assert callback.best_epoch == best
        assert callback.best == values[best]

    def test_nothing_is_put_back_if_nothing_was_seen(self):
        assert _run(RestoreBest("other"), [1.0, 2.0]) == 1.0

    def test_buffers_are_put_back(self):
        module = nn.BatchNorm1d(2)
        plan, callback = SimpleNamespace(module=module), RestoreBest("loss")
        for epoch, value in enumerate([1.0, 2.0]):
            module.running_mean.fill_(float(epoch))
            trainer = SimpleNamespace(
                callback_metrics={"loss": torch.tensor(value)}, current_epoch=epoch
            )
            callback.on_validation_end(trainer, plan)
        callback.on_fit_end(trainer, plan)
        assert module.running_mean.tolist() == [0.0, 0.0]


class TestStopOnNaN:
    def _end(self, *losses):
        plan = SimpleNamespace(train_sums=LossSums())
        for loss in losses:
            output = LossOutput(torch.tensor(loss), {"a": torch.ones(2)}, n_obs_minibatch=2)
            plan.train_sums.add(output, torch.tensor(loss))
        trainer = SimpleNamespace(current_epoch=4)
        StopOnNaN("integrative").on_train_epoch_end(trainer, plan)

    def test_numbers_pass(self):
        self._end(1.0, -3.0, 1e30)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_anything_else_stops(self, value):
        with pytest.raises(
            ValueError,
            match=rf"became {value} in epoch 4 of phase 'integrative'.*max_grad_norm",
        ):
            self._end(1.0, value, 2.0)


def test_the_bar_shows_both_losses():
    bar = PhaseProgressBar("pretrain_rna")
    plan = SimpleNamespace(train_sums=LossSums())
    terms = {"rna_to_rna": torch.tensor([10.0, 14.68])}
    plan.train_sums.add(LossOutput(torch.tensor(1.0), terms, n_obs_minibatch=2), torch.tensor(1.0))
    metrics = {"reconstruction_loss_validation": torch.tensor(15.0), "other": torch.tensor(1.0)}
    trainer = SimpleNamespace(callback_metrics=metrics)
    assert bar.get_metrics(trainer, plan) == {"train": "12.3", "validation": "15.0"}
    assert bar.get_metrics(SimpleNamespace(callback_metrics={}), plan) == {"train": "12.3"}
