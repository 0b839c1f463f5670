"""A Lightning callback that times epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks._probe import Recorder


class EpochTimer(Callback):
    """Times each epoch from one end to the next: its validation and all callbacks included.

    Parameters
    ----------
    recorder
        Receives one record per fit.
    phases
        Names of the fits, in the order in which they come.
    n_train, n_cells
        Training cells, and all cells.
    """

    def __init__(self, recorder: Recorder, phases: list[str], n_train: int, n_cells: int):
        self.recorder = recorder
        self.phases: Iterator[str] = iter(phases)
        self.n_train, self.n_cells = n_train, n_cells
        self.in_setup = True

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if self.in_setup:  # everything up to the first fit: reading, registering, statistics
            self.recorder.lap()
            self.recorder.finish("setup", "call", self.n_cells)
            self.in_setup = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.recorder.start()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.recorder.lap()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.recorder.finish(next(self.phases), "epoch", self.n_train, skip=1)
