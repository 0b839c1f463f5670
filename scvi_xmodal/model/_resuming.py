"""A training run that can be killed and taken up again."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only

from scvi_xmodal._aside import check_folder
from scvi_xmodal.data import Split
from scvi_xmodal.train import (
    CHECKPOINT,
    CheckpointFile,
    EpochCheckpoints,
    history_from_plain,
    plain_history,
    random_state,
    read_checkpoint,
    set_random_state,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lightning.pytorch.callbacks import Callback
    from numpy.typing import NDArray

    from scvi_xmodal.data import RowReader

_logger = logging.getLogger("scvi_xmodal")
_N_SAMPLED_ROWS = 256
_PARTS = ("train", "validation", "test")


class Run:
    """The phases of one call of ``train``, and the file that it can be resumed from.

    Parameters
    ----------
    directory
        Where to keep the checkpoint; ``None`` keeps none.
    resume
        Whether to go on from the checkpoint that is there. If there is none, training starts
        anew, so that one script can be submitted again and again.

    Raises
    ------
    ValueError
        If there is a checkpoint and ``resume`` is not set, or ``resume`` without a directory.
    """

    def __init__(self, directory: str | Path | None, *, resume: bool):
        if resume and directory is None:
            raise ValueError("resume=True needs the checkpoint_dir= to resume from.")
        if directory is not None:
            check_folder(directory, "checkpoint_dir")
        self.path = None if directory is None else Path(directory) / CHECKPOINT
        self._file: CheckpointFile | None = None
        self._epoch: dict[str, Any] | None = None
        self._state: dict[str, Any] = {}
        there = self.path is not None and self.path.exists()
        # other processes of a distributed run begin when the first has written already
        self._writes = rank_zero_only.rank == 0
        if there and not resume and self._writes:
            raise ValueError(
                f"{str(self.path)!r} is there already: resume=True goes on from it. To start "
                "anew, delete it or give another checkpoint_dir."
            )
        if resume and not there:
            _logger.warning("No checkpoint in %r yet: training starts anew.", str(directory))
        self.resumed = bool(there and resume)

    @property
    def split(self) -> Split | None:
        """Return the split of the run that is resumed."""
        if self.path is None or not self.resumed:
            return None
        return Split(*(read_checkpoint(self.path)["split"][part].numpy() for part in _PARTS))

    def open(self, identity: Mapping[str, str], split: Split) -> None:
        """Read the checkpoint, if one is resumed, after seeing that it is of the same run."""
        if self.path is None:
            return
        self._file = CheckpointFile(self.path, identity)
        if self.resumed:
            self._state = self._file.read()
            self._epoch = self._state.pop("epoch", None)
        self._state["split"] = {part: torch.from_numpy(getattr(split, part)) for part in _PARTS}

    def take_up(self, module: torch.nn.Module) -> tuple[int, dict[str, Any]]:
        """Put weights and random states back; return the phase to begin with and the history."""
        module.load_state_dict(self._state["module"])
        if self._epoch is None:  # else it is done when the epoch begins
            set_random_state(self._state["random"])
        return self._state["phase"], history_from_plain(self._state["history"])

    def begin(self, phase: int, module: torch.nn.Module, history: Mapping[str, Any]) -> None:
        """Write that the phases before this one are done."""
        if self._file is None or self._epoch is not None:
            return  # where nothing is kept, or the phase has begun already
        self._state.update(phase=phase, history=plain_history(history))
        if self._writes:
            own = {"module": module.state_dict(), "random": random_state()}
            self._file.write({**self._state, **own})

    @property
    def checkpoints(self) -> Callable[..., Callback] | None:
        """Return what makes the callback of the next phase."""
        file, epoch = self._file, self._epoch
        if file is None:
            return None
        self._epoch = None
        run = {key: self._state[key] for key in ("split", "phase", "history")}
        return lambda keepers: EpochCheckpoints(file, run, keepers, epoch)


def run_identity(
    model: Any,
    readers: Mapping[str, RowReader],
    split: Split,
    pairs: tuple[Any, ...],
    batches: tuple[Any, NDArray[Any] | None],
    settings: Any,
) -> dict[str, str]:
    """Return digests of all that decides what a training run becomes.

    ``batches`` are their names and the number of each cell's, ``None`` without batches.
    """
    sizes = {name: tuple(value.shape) for name, value in model.module.state_dict().items()}
    names = {key: tuple(spec.feature_names) for key, spec in model.specs.items()}
    tables = [table for table in pairs if table is not None]
    rows = [item for table in tables for pair in sorted(table.rows.items()) for item in pair]
    kinds = [(type(table).__name__, getattr(table, "seed", None)) for table in tables]
    content: list[Any] = [part for reader in readers.values() for part in _content(reader)]
    names_of_batches, codes = batches
    if codes is not None:
        content += [tuple(names_of_batches), np.asarray(codes, dtype=np.int64)]
    return {
        "model": _digest(type(model).__name__, model.init_params_, sizes),
        "dataset": _digest(names, *content),
        "split": _digest(*(getattr(split, part) for part in _PARTS)),
        "table of pairs": _digest(kinds, *rows),
        "set of training arguments": _digest(settings),
    }


def _content(reader: RowReader) -> list[NDArray[Any]]:
    """Return some rows, evenly spread: to read all of a large file would take minutes."""
    rows = np.unique(np.linspace(0, reader.n_rows - 1, _N_SAMPLED_ROWS).astype(np.int64))
    block = reader.rows(rows)
    size = np.asarray([reader.n_rows, reader.n_features])
    return [size, block.indptr.astype(np.int64), block.indices.astype(np.int64), block.data]


def _digest(*parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else None
        digest.update(repr(part).encode() if data is None else data)
        digest.update(b"\0")
    return digest.hexdigest()
