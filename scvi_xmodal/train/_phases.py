"""Phases of training: which paths, how long, against whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import EarlyStopping

from scvi_xmodal._compat import TrainRunner
from scvi_xmodal.train._adversarial import AdversarialPathsPlan
from scvi_xmodal.train._callbacks import PhaseProgressBar, RestoreBest, StopOnNaN
from scvi_xmodal.train._paths import PathsPlan
from scvi_xmodal.train._quiet import quiet_lightning

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from scvi.model.base import BaseModelClass

    from scvi_xmodal.data import PairedDataSplitter

MONITOR = "reconstruction_loss_validation"
"""Unweighted sum of all paths' losses on validation cells: what stopping and keeping go by."""


@dataclass(frozen=True)
class Phase:
    """One phase of training.

    Parameters
    ----------
    name
        Prefix of the phase's history.
    paths
        Pairs of source and target to train.
    max_epochs
        Longest duration.
    adversarial
        Whether discriminators take part.
    monitor
        Metric of the validation cells that early stopping, the kept epoch and a plateau
        schedule go by.
    """

    name: str
    paths: tuple[tuple[str, str], ...]
    max_epochs: int
    adversarial: bool = False
    monitor: str = MONITOR

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the modalities to load."""
        return tuple(dict.fromkeys(key for path in self.paths for key in path))


def run_phase(
    model: BaseModelClass,
    phase: Phase,
    splitter: PairedDataSplitter,
    *,
    plan_kwargs: Mapping[str, Any],
    early_stopping: bool = True,
    early_stopping_patience: int = 50,
    enable_progress_bar: bool = True,
    callbacks: list[Any] | None = None,
    **trainer_kwargs: Any,
) -> dict[str, pd.DataFrame]:
    """Train one phase with scvi-tools' runner and return its history.

    Parameters
    ----------
    model
        The model whose ``module`` is trained.
    phase
        What to train.
    splitter
        Loads the phase's modalities.
    plan_kwargs
        Keywords of the training plan.
    early_stopping
        Whether to stop when the validation loss no longer falls, and restore the best epoch.
    early_stopping_patience
        Epochs to wait for an improvement.
    enable_progress_bar
        Whether to show a bar.
    callbacks
        Further Lightning callbacks.
    **trainer_kwargs
        Keywords of :class:`scvi.train.Trainer`.

    Returns
    -------
    History by metric, each name prefixed with the phase's.
    """
    plan_class = AdversarialPathsPlan if phase.adversarial else PathsPlan
    plan_kwargs = {"lr_scheduler_metric": phase.monitor, **plan_kwargs}
    if not splitter.n_val:
        plan_kwargs["reduce_lr_on_plateau"] = False  # no plateau is seen without them
    plan = plan_class(model.module, paths=phase.paths, **plan_kwargs)
    watchers = [*(callbacks or []), StopOnNaN(phase.name)]
    if enable_progress_bar:
        watchers.append(PhaseProgressBar(phase.name))
    if early_stopping and splitter.n_val > 0:
        # our own, because scvi-tools' trainer switches its early stopping off under DDP
        watchers.append(EarlyStopping(phase.monitor, patience=early_stopping_patience))
        watchers.append(RestoreBest(phase.monitor))
    # scvi-tools leaves the module in eval mode after each fit, and Lightning would keep it so
    model.module.train()
    options = {
        "check_val_every_n_epoch": 1 if splitter.n_val else None,
        **trainer_kwargs,
    }
    with quiet_lightning():
        runner = TrainRunner(
            model,
            plan,
            splitter,
            max_epochs=phase.max_epochs,
            early_stopping=False,
            use_distributed_sampler=False,
            callbacks=watchers,
            enable_progress_bar=enable_progress_bar,
            simple_progress_bar=False,
            **options,
        )
        # not before: a mistyped keyword of the trainer must not undo an earlier training
        model.is_trained_, model.history_ = False, None
        try:
            runner()
        finally:
            # Adam's moments and the gradients would wait for the next phase's to join them
            runner.trainer.optimizers = []
            for parameter in model.module.parameters():
                parameter.grad = None
                parameter.requires_grad_(True)
    history = model.history_ or {}
    # scvi-tools' logger leaves tensors in the table
    return {f"{phase.name}_{name}": v.astype(float) for name, v in history.items()}
