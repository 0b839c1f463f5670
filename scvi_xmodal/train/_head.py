"""Training of a small network on latents that stay as they are."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pandas as pd
import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from scvi_xmodal.data import Split

HeadLoss = Literal["mse", "l1"]
HEAD_LOSSES = {"mse": F.mse_loss, "l1": F.l1_loss}


@dataclass(frozen=True)
class HeadPlan:
    """How a head is trained.

    BABEL's paper gives no numbers for its protein decoder; these are its published code's, but
    for the learning rate (there 1e-4, on 33,287 cells) and the validation cells' loss, not the
    training cells', that the schedule goes by.

    Parameters
    ----------
    lr
        Learning rate of Adam.
    batch_size
        Cells in a minibatch.
    max_epochs
        Longest duration.
    patience
        Epochs without improvement on the validation cells after which training stops.
    lr_patience
        Epochs without improvement after which the learning rate falls to a tenth.
    max_grad_norm
        Largest L2 norm of the gradient.

    Raises
    ------
    ValueError
        If minibatches are of fewer than two cells, which are not trained on.
    """

    lr: float = 3e-3
    batch_size: int = 512
    max_epochs: int = 600
    patience: int = 15
    lr_patience: int = 5
    max_grad_norm: float = 5.0

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise ValueError(
                f"batch_size must be at least 2, got {self.batch_size!r}: batch norm needs "
                "several cells."
            )


def fit_head(
    head: nn.Module,
    z: torch.Tensor,
    y: torch.Tensor,
    split: Split,
    *,
    loss: HeadLoss = "mse",
    plan: HeadPlan | None = None,
) -> pd.DataFrame:
    """Train a network to predict targets from latents; the best validation epoch is kept.

    A plain loop: for some thousand weights, a trainer's own work would take most of the time.

    Parameters
    ----------
    head
        Network from (n_cells, n_latent) to (n_cells, n_targets); trained in place.
    z
        Latents of shape (n_cells, n_latent).
    y
        Targets of shape (n_cells, n_targets).
    split
        Rows to train on and to validate with; without validation cells all epochs are run and
        the last one is kept.
    loss
        ``"mse"`` or ``"l1"``.
    plan
        Learning rate, durations and so on.

    Returns
    -------
    Mean losses of each epoch over the cells: ``train_loss`` and ``validation_loss``. A last
    minibatch of one cell is left out of its epoch.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.data import Split
    >>> from scvi_xmodal.train import HeadPlan, fit_head
    >>> z = torch.randn(40, 3)
    >>> plan = HeadPlan(max_epochs=2)
    >>> fit_head(
    ...     torch.nn.Linear(3, 2), z, z[:, :2], Split(range(30), range(30, 40)), plan=plan
    ... ).shape
    (2, 2)
    """
    plan = plan or HeadPlan()
    measure = HEAD_LOSSES[loss]
    train, validation = (torch.from_numpy(rows) for rows in (split.train, split.validation))
    optimizer = torch.optim.Adam(head.parameters(), lr=plan.lr)
    schedule = ReduceLROnPlateau(optimizer, factor=0.1, patience=plan.lr_patience)
    best, best_epoch, weights = math.inf, -1, copy.deepcopy(head.state_dict())
    history = []
    for epoch in range(plan.max_epochs):
        head.train()
        total, n_cells = z.new_zeros(()), 0
        for rows in _minibatches(train, plan.batch_size):
            value = measure(head(z[rows]), y[rows])
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(head.parameters(), plan.max_grad_norm)
            optimizer.step()
            total += value.detach() * len(rows)
            n_cells += len(rows)
        held_out = _held_out(head, z[validation], y[validation], measure)
        history.append((float(total) / n_cells, held_out))
        if not len(validation):
            continue
        schedule.step(held_out)
        if held_out < best:
            best, best_epoch, weights = held_out, epoch, copy.deepcopy(head.state_dict())
        elif epoch - best_epoch >= plan.patience:
            break
    if len(validation):
        head.load_state_dict(weights)
    head.eval()
    index = pd.RangeIndex(len(history), name="epoch")
    return pd.DataFrame(history, columns=["train_loss", "validation_loss"], index=index)


def _minibatches(rows: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    shuffled = rows[torch.randperm(len(rows))]
    for part in shuffled.split(size):
        if len(part) > 1 or len(rows) == 1:  # batch norm knows nothing of one cell
            yield part


@torch.no_grad()
def _held_out(head: nn.Module, z: torch.Tensor, y: torch.Tensor, measure: object) -> float:
    head.eval()
    return float(measure(head(z), y)) if len(z) else math.nan  # type: ignore[operator]
