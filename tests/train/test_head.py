from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from scvi_xmodal.data import Split
from scvi_xmodal.train import HeadPlan, fit_head

SPLIT = Split(range(60), range(60, 80))


@pytest.fixture
def problem():
    z = torch.randn(80, 3)
    return z, z @ torch.randn(3, 2) + 1


def test_finds_a_linear_map(problem):
    z, y = problem
    head = nn.Linear(3, 2)
    fit_head(head, z, y, SPLIT, plan=HeadPlan(lr=0.05, batch_size=20, patience=100))
    assert (head(z) - y).square().mean() < 1e-3


@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_the_best_epoch_is_kept_and_training_stops(problem, loss):
    z, _ = problem
    noise = torch.randn(80, 2)  # nothing to learn: validation gets worse
    head = nn.Sequential(nn.Linear(3, 64), nn.Tanh(), nn.Linear(64, 2))
    plan = HeadPlan(lr=0.05, patience=4, max_epochs=100, lr_patience=50)
    history = fit_head(head, z, noise, SPLIT, loss=loss, plan=plan)
    losses = history["validation_loss"].to_numpy()
    assert len(losses) == losses.argmin() + 5
    measure = {"mse": nn.functional.mse_loss, "l1": nn.functional.l1_loss}[loss]
    with torch.no_grad():
        assert float(measure(head(z[60:]), noise[60:])) == pytest.approx(losses.min(), rel=1e-5)
    assert not head.training


def test_without_validation_cells_all_epochs_run(problem):
    history = fit_head(nn.Linear(3, 2), *problem, Split(range(80)), plan=HeadPlan(max_epochs=3))
    assert len(history) == 3
    assert math.isnan(history["validation_loss"].iloc[0])


def test_a_minibatch_of_one_cell_is_left_out(problem):
    z, y = problem
    head = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    plan = HeadPlan(batch_size=20, max_epochs=2)
    history = fit_head(head, z, y, Split(range(61), range(61, 80)), plan=plan)
    assert np.isfinite(history.to_numpy()).all()


def test_the_mean_is_over_the_cells_that_trained(problem):
    z, y = problem
    plan = HeadPlan(lr=0.0, batch_size=20, max_epochs=1)
    head = nn.Linear(3, 2)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(1)
    history = fit_head(head, z, 0 * y, Split(range(41)), plan=plan)
    assert history["train_loss"].tolist() == pytest.approx([1])


def test_minibatches_of_one_cell_would_train_nothing():
    with pytest.raises(ValueError, match="batch_size must be at least 2, got 1: batch norm"):
        HeadPlan(batch_size=1)


def test_gradients_are_clipped(problem):
    z, y = problem
    head = nn.Linear(3, 2)
    before = head.weight.detach().clone()
    plan = HeadPlan(max_grad_norm=0.0, max_epochs=1)
    fit_head(head, z, 1e6 * y, Split(range(80)), plan=plan)
    torch.testing.assert_close(head.weight, before)
