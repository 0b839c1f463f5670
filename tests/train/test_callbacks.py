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


class TestRestoreBestWhenStopped:
    def _stopped(self, callback, values):
        """Show the callback an epoch for each value, then an error; return the weight."""
        module = nn.Linear(1, 1)
        plan = SimpleNamespace(module=module)
        trainer = SimpleNamespace(callback_metrics={}, current_epoch=0)
        with torch.no_grad():
            module.weight.fill_(-1.0)
            callback.on_fit_start(trainer, plan)
            for epoch, value in enumerate(values):
                module.weight.fill_(float(epoch))
                trainer.current_epoch = epoch
                trainer.callback_metrics = {"loss": torch.tensor(value)}
                callback.on_validation_end(trainer, plan)
                callback.on_train_epoch_end(trainer, plan)
            module.weight.fill_(float("nan"))
        callback.on_exception(trainer, plan, KeyboardInterrupt())
        return module.weight.item()

    @pytest.mark.parametrize(
        ("monitor", "values", "kept"),
        [
            ("loss", [3.0, 1.0, 2.0], 1),
            ("loss", [], -1),
            ("loss", [float("nan")], -1),
            (None, [3.0, 1.0, 2.0], 2),
            (None, [], -1),
        ],
        ids=["best", "none_finished", "no_number", "no_validation", "nothing"],
    )
    @pytest.mark.parametrize("at_end", [True, False])
    def test_what_is_put_back(self, monitor, values, kept, at_end):
        assert self._stopped(RestoreBest(monitor, at_end=at_end), values) == kept

    def test_the_last_weights_stay_without_early_stopping(self):
        assert _run(RestoreBest("loss", at_end=False), [1.0, 2.0, 3.0]) == 2.0

    def test_a_checkpoint_takes_it_up(self):
        first, second = RestoreBest("loss"), RestoreBest("loss")
        assert _run(first, [2.0, 1.0]) == 1.0
        module = nn.Linear(1, 1)
        plan, trainer = SimpleNamespace(module=module), SimpleNamespace(current_epoch=0)
        third = RestoreBest("loss")
        third.on_fit_start(trainer, plan)
        best = {name: tensor + 7 for name, tensor in module.state_dict().items()}
        second.on_fit_start(trainer, plan)
        second.load_state_dict({"best": 1.0, "best_epoch": 4, "weights": best})
        assert second.state_dict()["best_epoch"] == 4
        second.on_fit_end(trainer, plan)
        assert torch.equal(module.weight, best["weight"])


class TestStopOnNaN:
    def _end(self, *losses, epoch=4, validation=1.0, precision="32-true"):
        plan = SimpleNamespace(train_sums=LossSums())
        for loss in losses:
            output = LossOutput(torch.tensor(loss), {"a": torch.ones(2)}, n_obs_minibatch=2)
            plan.train_sums.add(output, torch.tensor(loss))
        optimizer = SimpleNamespace(param_groups=[{"lr": 1e-3}])
        trainer = SimpleNamespace(
            current_epoch=epoch,
            optimizers=[optimizer],
            precision=precision,
            callback_metrics={"validation_loss": torch.tensor(validation)},
        )
        StopOnNaN("integrative").on_train_epoch_end(trainer, plan)

    def test_numbers_pass(self):
        self._end(1.0, -3.0, 1e30)
        self._end()

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
    def test_anything_else_stops_and_names_the_minibatch(self, value):
        message = (
            rf"became {value} in epoch 4, minibatch 1 \(both from 0\) of phase 'integrative', in "
            r"loss.*too long.*'lr': 1e-04.*max_grad_norm.*put back"
        )
        with pytest.raises(ValueError, match=message):
            self._end(1.0, value, float("nan"))

    @pytest.mark.parametrize(
        ("options", "cause"),
        [({"epoch": 0}, "before the first step.*new model"), ({"precision": "16-mixed"}, "bf16")],
        ids=["first_step", "half_precision"],
    )
    def test_likely_causes(self, options, cause):
        with pytest.raises(ValueError, match=cause):
            self._end(float("nan"), **options)

    def test_validation_cells_alone(self):
        with pytest.raises(ValueError, match=r"validation loss became nan in epoch 4.*extreme"):
            self._end(1.0, validation=float("nan"))


def test_the_bar_shows_both_losses():
    bar = PhaseProgressBar("pretrain_rna")
    plan = SimpleNamespace(train_sums=LossSums())
    terms = {"rna_to_rna": torch.tensor([10.0, 14.68])}
    plan.train_sums.add(LossOutput(torch.tensor(1.0), terms, n_obs_minibatch=2), torch.tensor(1.0))
    metrics = {"reconstruction_loss_validation": torch.tensor(15.0), "other": torch.tensor(1.0)}
    trainer = SimpleNamespace(callback_metrics=metrics)
    assert bar.get_metrics(trainer, plan) == {"train": "12.3", "validation": "15.0"}
    assert bar.get_metrics(SimpleNamespace(callback_metrics={}), plan) == {"train": "12.3"}
