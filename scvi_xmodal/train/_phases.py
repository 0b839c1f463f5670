"""Phases of training: which paths, how long, against whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from scvi_xmodal._memory import memory_advice
from scvi_xmodal.train._adversarial import AdversarialPathsPlan
from scvi_xmodal.train._callbacks import PhaseProgressBar, StopOnNaN
from scvi_xmodal.train._interrupt import InterruptibleRunner
from scvi_xmodal.train._paths import PathsPlan
from scvi_xmodal.train._quiet import quiet_lightning
from scvi_xmodal.train._stopping import MONITOR, Stopping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from lightning.pytorch.callbacks import Callback
    from scvi.model.base import BaseModelClass

    from scvi_xmodal.data import PairedDataSplitter


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
    plan
        Class of the training plan; by default that of paths, adversarial or not.
    """

    name: str
    paths: tuple[tuple[str, str], ...]
    max_epochs: int
    adversarial: bool = False
    monitor: str = MONITOR
    plan: type[Any] | None = field(default=None, repr=False)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Return the modalities to load."""
        return tuple(dict.fromkeys(key for path in self.paths for key in path))


class Interrupted(KeyboardInterrupt):
    """Ctrl-C stopped a phase; the model holds its best epoch so far, the message says which."""


def run_phase(
    model: BaseModelClass,
    phase: Phase,
    splitter: PairedDataSplitter,
    *,
    plan_kwargs: Mapping[str, Any],
    stopping: Stopping | None = None,
    enable_progress_bar: bool = True,
    callbacks: list[Any] | None = None,
    checkpoints: Callable[[Sequence[Callback]], Callback] | None = None,
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
    stopping
        When to stop; by default early, with a patience of 50 epochs.
    enable_progress_bar
        Whether to show a bar.
    callbacks
        Further Lightning callbacks.
    checkpoints
        Makes the callback that writes checkpoints, given those whose state it must keep.
    **trainer_kwargs
        Keywords of :class:`scvi.train.Trainer`.

    Returns
    -------
    History by metric, each name prefixed with the phase's.

    Raises
    ------
    Interrupted
        At Ctrl-C. The weights are those of the best epoch so far.
    """
    plan_class = phase.plan or (AdversarialPathsPlan if phase.adversarial else PathsPlan)
    plan_kwargs = {"lr_scheduler_metric": phase.monitor, **plan_kwargs}
    if not splitter.n_val:
        plan_kwargs["reduce_lr_on_plateau"] = False  # no plateau is seen without them
    plan = plan_class(model.module, paths=phase.paths, **plan_kwargs)
    keepers = (stopping or Stopping()).watchers(phase.monitor, splitter.n_val)
    watchers = [*(callbacks or []), StopOnNaN(phase.name)]
    if checkpoints is not None:
        # first, so that what other callbacks do at the start of an epoch comes after it
        watchers.insert(0, checkpoints(keepers))
    if enable_progress_bar:
        watchers.append(PhaseProgressBar(phase.name))
    # scvi-tools leaves the module in eval mode after each fit, and Lightning would keep it so
    model.module.train()
    options = {"check_val_every_n_epoch": 1, **trainer_kwargs}
    if not splitter.n_val:  # however often they were to be looked at, as in a refit
        options |= {"check_val_every_n_epoch": None, "num_sanity_val_steps": 0}
        options.pop("val_check_interval", None)
    with quiet_lightning():
        try:
            runner = InterruptibleRunner(
                model,
                plan,
                splitter,
                max_epochs=phase.max_epochs,
                early_stopping=False,
                use_distributed_sampler=False,
                callbacks=[*watchers, *keepers],
                enable_progress_bar=enable_progress_bar,
                simple_progress_bar=False,
                **options,
            )
        except (AttributeError, TypeError, ValueError, MisconfigurationException) as error:
            raise ValueError(f"The trainer refuses {trainer_kwargs}: {error}") from error
        # not before: a mistyped keyword of the trainer must not undo an earlier training
        model.is_trained_, model.history_ = False, None
        try:
            with memory_advice("train", splitter.data_loader_kwargs["batch_size"]):
                runner()
        finally:
            # Adam's moments and the gradients would wait for the next phase's to join them
            runner.trainer.optimizers = []
            for parameter in model.module.parameters():
                parameter.grad = None
                parameter.requires_grad_(True)
    if runner.trainer.interrupted:
        raise Interrupted(_interrupted(phase, runner.trainer.current_epoch, keepers[-1]))
    return phase_history(model, phase)


def phase_history(model: BaseModelClass, phase: Phase) -> dict[str, pd.DataFrame]:
    """Return the history that scvi-tools' runner left, named after the phase."""
    # scvi-tools' logger leaves tensors in the table
    return {f"{phase.name}_{name}": v.astype(float) for name, v in (model.history_ or {}).items()}


def _interrupted(phase: Phase, epoch: int, keeper: Any) -> str:
    kept = (
        "the weights that the phase began with, because no epoch was finished"
        if keeper.best_epoch is None
        else f"the weights of its epoch {keeper.best_epoch}, the best so far"
    )
    return (
        f"Training was interrupted in epoch {epoch} (from 0) of phase {phase.name!r}. The model "
        f"holds {kept}; phases after it were not trained."
    )
