"""When a phase stops by itself, and which epoch it keeps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import EarlyStopping

from scvi_xmodal._arguments import NUMBER, WHOLE, check_arguments
from scvi_xmodal.train._callbacks import RestoreBest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Callback

MONITOR = "reconstruction_loss_validation"
"""Unweighted sum of all paths' losses on validation cells: what stopping and keeping go by."""

MONITORS = (MONITOR, "validation_loss", "elbo_validation", "kl_local_validation")
"""Losses of validation cells that every phase has."""

_PREFIX = "early_stopping_"


@dataclass(frozen=True)
class Stopping:
    """When a phase stops and which epoch it keeps.

    Parameters
    ----------
    early
        Whether to stop when the validation loss no longer falls, and restore the best epoch.
    patience
        Epochs to wait for an improvement.
    patience_steps
        Steps of the optimiser to wait at least, but no longer than twice as many epochs. Where
        cells are few an epoch is a handful of steps, and its loss more noise than progress.
    min_delta
        Smallest fall of the monitored loss that counts as an improvement.
    monitor
        Loss to go by, one of :data:`MONITORS`; by default the phase's.

    Raises
    ------
    ValueError
        If the loss is none of those or a number is negative.
    """

    early: bool = True
    patience: int = 50
    patience_steps: int = 0
    min_delta: float = 0.0
    monitor: str | None = None

    def __post_init__(self) -> None:
        rules = {"patience": WHOLE, "patience_steps": WHOLE, "min_delta": NUMBER}
        check_arguments(
            {f"{_PREFIX}{name}": getattr(self, name) for name in rules},
            **{f"{_PREFIX}{name}": rule for name, rule in rules.items()},
        )
        if self.monitor is not None and self.monitor not in MONITORS:
            raise ValueError(
                f"early_stopping_monitor={self.monitor!r} is no loss of validation cells that "
                f"every phase has; there are {list(MONITORS)}."
            )
        for name in rules:
            if not getattr(self, name) >= 0:
                raise ValueError(
                    f"{_PREFIX}{name} must be at least 0, got {getattr(self, name)!r}."
                )

    def epochs_to_wait(self, n_steps: int) -> int:
        """Return the patience in epochs of ``n_steps`` steps.

        Examples
        --------
        >>> from scvi_xmodal.train import Stopping
        >>> stopping = Stopping(patience=30, patience_steps=600)
        >>> [stopping.epochs_to_wait(n_steps) for n_steps in (5, 15, 100)]
        [60, 40, 30]
        """
        by_steps = math.ceil(self.patience_steps / max(n_steps, 1))
        return max(self.patience, min(by_steps, 2 * self.patience))

    def watchers(self, monitor: str, n_validation: int) -> list[Callback]:
        """Return the callbacks that stop, if wanted, and, last, the one that keeps weights."""
        if not n_validation:
            return [RestoreBest(None, at_end=False)]
        monitor = self.monitor or monitor
        # our own, because scvi-tools' trainer switches its early stopping off under DDP
        stop = PatientStopping(monitor, self)
        return [*([stop] if self.early else []), RestoreBest(monitor, at_end=self.early)]


class PatientStopping(EarlyStopping):
    """Lightning's early stopping, which learns at the start how many steps an epoch has.

    Parameters
    ----------
    monitor
        Logged metric to minimise.
    stopping
        How long to wait.
    """

    def __init__(self, monitor: str, stopping: Stopping):
        super().__init__(monitor, patience=stopping.patience, min_delta=stopping.min_delta)
        self.stopping = stopping

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the patience."""
        self.patience = self.stopping.epochs_to_wait(int(trainer.num_training_batches))


def taken_stopping(early: bool, kwargs: Mapping[str, Any]) -> tuple[Stopping, dict[str, Any]]:
    """Return what scvi-tools' keywords of early stopping say, and the other keywords.

    Examples
    --------
    >>> from scvi_xmodal.train import taken_stopping
    >>> taken_stopping(True, {"early_stopping_patience": 3, "accelerator": "cpu"})
    ... # doctest: +NORMALIZE_WHITESPACE
    (Stopping(early=True, patience=3, patience_steps=0, min_delta=0.0, monitor=None),
     {'accelerator': 'cpu'})

    Raises
    ------
    ValueError
        If a keyword has no effect here.
    """
    own = {k.removeprefix(_PREFIX): v for k, v in kwargs.items() if k.startswith(_PREFIX)}
    if own.pop("mode", "min") != "min":
        raise ValueError("early_stopping_mode must be 'min': all monitored metrics are losses.")
    if own.pop("warmup_epochs", 0) != 0:
        raise ValueError(
            "early_stopping_warmup_epochs is not known here: set early_stopping_patience, or "
            "plan_kwargs={'n_epochs_kl_warmup': ...}."
        )
    known = ("patience", "patience_steps", "min_delta", "monitor")
    for name in own:
        if name not in known:
            raise ValueError(
                f"train() has no argument {_PREFIX + name!r}; there are "
                f"{[_PREFIX + name for name in known]}."
            )
    rest = {k: v for k, v in kwargs.items() if not k.startswith(_PREFIX)}
    return Stopping(early=early, **own), rest
