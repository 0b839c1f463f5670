"""Checkpoints of training: all that decides how it goes on, written once an epoch."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from scvi_xmodal._aside import written_aside
from scvi_xmodal._plain import load_plain
from scvi_xmodal.train._history import history_from_plain, plain_history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lightning.pytorch import LightningModule, Trainer

CHECKPOINT = "training.ckpt"
"""Name of the file in ``checkpoint_dir``."""

_FORMAT = 1


@dataclass(frozen=True)
class CheckpointFile:
    """The file that a training run keeps its state in; replaced as a whole or not at all.

    It holds tensors, numbers, strings, lists and dicts only, and is read as such: no code in it
    is run.

    Parameters
    ----------
    path
        Path of the file.
    identity
        Digests of what makes the run: ``{"model": ..., "data": ..., ...}``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from scvi_xmodal.train import CheckpointFile
    >>> file = CheckpointFile(Path(tempfile.mkdtemp()) / "training.ckpt", {"data": "a1"})
    >>> file.write({"phase": 2})
    >>> file.read()["phase"]
    2
    """

    path: Path
    identity: Mapping[str, str]

    def write(self, state: Mapping[str, Any]) -> None:
        """Put a state in the place of the last one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(self.path) as aside:
            torch.save({"format": _FORMAT, "identity": dict(self.identity), **state}, aside)

    def read(self) -> dict[str, Any]:
        """Return the last state.

        Raises
        ------
        ValueError
            If the file is no checkpoint, or of a run of other data, model or settings.
        """
        state = read_checkpoint(self.path)
        other = [key for key, own in self.identity.items() if state["identity"].get(key) != own]
        if other:
            raise ValueError(
                f"{str(self.path)!r} is the checkpoint of a training with another "
                f"{' and another '.join(other)}: repeat that one, with the same arguments, or "
                "give an empty checkpoint_dir."
            )
        return state


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds, whatever run it is of.

    Raises
    ------
    ValueError
        If the file is no checkpoint of this version.
    """
    try:
        state = load_plain(path)
        if state.get("format", _FORMAT + 1) > _FORMAT:
            raise ValueError("a newer scvi-xmodal wrote it")
    except ValueError as error:
        raise ValueError(
            f"{str(path)!r} is no checkpoint that can be resumed ({error}): delete it, or give "
            "another checkpoint_dir."
        ) from error
    return state


class EpochCheckpoints(Callback):
    """Writes a checkpoint before each epoch but the first, and takes one up again.

    At that time all of the epoch before is done: schedules have stepped, metrics are logged and
    nothing is drawn of the next. Lightning's own checkpoints are written earlier, keep no random
    states, and skip a step of plateau schedules when they are resumed.

    Parameters
    ----------
    file
        Where to write.
    run
        What else each checkpoint holds: phase, split, history of earlier phases.
    watchers
        Callbacks whose state is kept.
    resumed
        State of the epoch to begin with, as this callback wrote it.
    """

    def __init__(
        self,
        file: CheckpointFile,
        run: Mapping[str, Any],
        watchers: Sequence[Callback],
        resumed: Mapping[str, Any] | None = None,
    ):
        self.file = file
        self.run = run
        self.watchers = watchers
        self.resumed = resumed

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put everything back but random states, which set-up still draws from."""
        if self.resumed is None:
            return
        for optimizer, state in zip(trainer.optimizers, self.resumed["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        schedules = zip(trainer.lr_scheduler_configs, self.resumed["schedules"], strict=True)
        for config, state in schedules:
            config.scheduler.load_state_dict(state)
        for watcher, state in zip(self.watchers, self.resumed["watchers"], strict=True):
            watcher.load_state_dict(state)
        trainer.callback_metrics.update(self.resumed["metrics"])
        if hasattr(trainer.logger, "history"):
            trainer.logger.history.update(history_from_plain(self.resumed["history"]))
        _set_progress(trainer, self.resumed)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write a checkpoint, or restore the random states of the one that was taken up."""
        if self.resumed is not None:
            set_random_state(self.resumed["random"])
            for place in (trainer.train_dataloader.sampler, trainer.train_dataloader.dataset):
                if hasattr(place, "epoch"):  # pairs that are drawn anew count epochs themselves
                    place.epoch = self.resumed["number"]
            self.resumed = None
        elif trainer.current_epoch > 0 and trainer.is_global_zero:
            module = pl_module.module.state_dict()
            self.file.write({**self.run, "module": module, "epoch": self._epoch(trainer)})

    def _epoch(self, trainer: Trainer) -> dict[str, Any]:
        loop = trainer.fit_loop.epoch_loop
        return {
            "number": trainer.current_epoch,
            "random": random_state(),
            "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "schedules": [c.scheduler.state_dict() for c in trainer.lr_scheduler_configs],
            "watchers": [watcher.state_dict() for watcher in self.watchers],
            "metrics": dict(trainer.callback_metrics),
            "history": plain_history(getattr(trainer.logger, "history", {})),
            "loop": loop.on_save_checkpoint(),
            "batches": loop.batch_progress.state_dict(),
            "automatic": loop.automatic_optimization.optim_progress.state_dict(),
            "manual": loop.manual_optimization.optim_step_progress.state_dict(),
        }


def _set_progress(trainer: Trainer, epoch: Mapping[str, Any]) -> None:
    """Let Lightning count epochs and steps on from where they were."""
    for progress in (
        trainer.fit_loop.epoch_progress.current,
        trainer.fit_loop.epoch_progress.total,
    ):
        for name in ("ready", "started", "processed", "completed"):
            setattr(progress, name, epoch["number"])
    loop = trainer.fit_loop.epoch_loop
    loop.on_load_checkpoint(epoch["loop"])
    loop.batch_progress.load_state_dict(epoch["batches"])
    loop.automatic_optimization.optim_progress.load_state_dict(epoch["automatic"])
    loop.manual_optimization.optim_step_progress.load_state_dict(epoch["manual"])


def random_state() -> dict[str, Any]:
    """Return the states of Python's, numpy's and torch's generators as plain values."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    version, internal, following = random.getstate()
    return {
        "python": [version, list(internal), following],
        "numpy": [kind, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put generators back to where :func:`random_state` saw them."""
    version, internal, following = state["python"]
    random.setstate((version, tuple(internal), following))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
