"""Minibatches of paired rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from scvi_xmodal.data._processes import of_first_process, rank_and_number
from scvi_xmodal.nn import Presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from scvi_xmodal.data._pairs import Pairs
    from scvi_xmodal.data._reader import RowReader


class PairedDataset(Dataset):
    """Reads a whole minibatch of pairs at once, each modality by its own rows.

    Parameters
    ----------
    readers
        A row reader for each modality that is read.
    pairs
        The table of rows.
    batch
        Batch code of each modality's cells, of shape (n_cells,), if the model knows batches.
    """

    def __init__(
        self,
        readers: Mapping[str, RowReader],
        pairs: Pairs,
        *,
        batch: Mapping[str, NDArray[np.int64]] | None = None,
    ):
        self.readers = dict(readers)
        self.pairs = self._drawn = pairs
        self.batch = batch
        self._epoch = 0

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, numbers: Sequence[int] | NDArray | EpochNumbers) -> dict[str, object]:
        if isinstance(numbers, EpochNumbers):
            self._start(numbers.epoch)
            numbers = numbers.numbers
        rows = {key: self._drawn.rows[key][numbers] for key in self.readers}
        codes = self.batch and {key: self.batch[key][own] for key, own in rows.items()}
        return read_minibatch(self.readers, rows, codes)

    def _start(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch, self._drawn = epoch, self.pairs.draw(epoch)


def read_minibatch(
    readers: Mapping[str, RowReader],
    rows: Mapping[str, NDArray[np.int64]],
    batch: Mapping[str, NDArray[np.int64]] | None = None,
) -> dict[str, object]:
    """Return a minibatch's rows and batch codes as tensors.

    Where cells lack a modality (row -1), its tensors hold the others only, and ``"presence"`` says
    which; a modality that all cells lack has none.

    Parameters
    ----------
    readers
        A row reader for each modality.
    rows
        Row to read of each cell in each modality, of shape (n_cells,).
    batch
        Batch code of each cell in each modality, of shape (n_cells,).
    """
    tensors: dict[str, object] = {}
    measured = {key: np.flatnonzero(own >= 0) for key, own in rows.items()}
    partial = any(cells.size < rows[key].size for key, cells in measured.items())
    for key, cells in measured.items():
        if cells.size:
            tensors[key] = readers[key].sparse_rows(rows[key][cells] if partial else rows[key])
            if batch is not None:
                tensors[f"{key}_batch"] = torch.from_numpy(batch[key][cells])
    if partial:
        cells_of = {key: torch.from_numpy(own) for key, own in measured.items() if own.size}
        tensors["presence"] = Presence(next(iter(rows.values())).size, cells_of)
    return tensors


class EpochNumbers(NamedTuple):
    """Numbers of pairs, and the epoch whose table they count in."""

    epoch: int
    numbers: NDArray[np.int64]


class MinibatchSampler(Sampler):
    """Yields arrays of pair numbers; a last minibatch of one cell joins the one before.

    Batch norm cannot be computed over one cell, and to drop it would lose a cell each epoch.
    Under distributed training every process shuffles alike and takes its own share; shares are
    made equal by repeating some pairs, so that all processes make the same number of steps.

    Parameters
    ----------
    n_pairs
        Number of pairs.
    batch_size
        Pairs in a minibatch.
    shuffle
        Whether to shuffle anew in each epoch, by torch's global generator.

    Examples
    --------
    >>> from scvi_xmodal.data import MinibatchSampler
    >>> [len(numbers) for numbers in MinibatchSampler(7, batch_size=3, shuffle=True)]
    [3, 4]
    """

    def __init__(self, n_pairs: int, *, batch_size: int, shuffle: bool):
        self.n_pairs = n_pairs
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self) -> int:
        return len(cut_minibatches(share_size(self.n_pairs), self.batch_size))

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        numbers = own_share(permutation(self.n_pairs) if self.shuffle else np.arange(self.n_pairs))
        for part in cut_minibatches(numbers.size, self.batch_size):
            yield numbers[part]


class _EpochSampler(Sampler):
    """Tells the dataset the epoch with each minibatch, for workers hear of it no other way."""

    def __init__(self, sampler: MinibatchSampler):
        self.sampler = sampler
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.sampler)

    def set_epoch(self, epoch: int) -> None:
        """Go on from an epoch; Lightning says so, as when a training is resumed."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[EpochNumbers]:
        epoch = self.epoch  # counted when read: torch makes iterators that it never reads
        self.epoch += 1
        for numbers in self.sampler:
            yield EpochNumbers(epoch, numbers)


def cut_minibatches(size: int, batch_size: int) -> list[slice]:
    """Cut a number of pairs into minibatches; a single last pair joins the one before."""
    starts = list(range(0, size, batch_size))
    if len(starts) > 1 and size - starts[-1] == 1:
        starts.pop()
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], size], strict=True)] if size else []


def permutation(size: int) -> NDArray[np.int64]:
    """Return a random order, the same in all processes of a distributed run."""
    seed = of_first_process(int(torch.empty((), dtype=torch.int64).random_()))
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(size, generator=generator).numpy()


def share_size(size: int) -> int:
    """Return how many pairs each process takes."""
    return -(-size // rank_and_number()[1])


def own_share(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return this process's share; all of them outside of distributed runs."""
    rank, n_processes = rank_and_number()
    if n_processes == 1 or not numbers.size:
        return numbers
    total = share_size(numbers.size) * n_processes
    return np.resize(numbers, total)[rank::n_processes]


def paired_loader(
    dataset: PairedDataset, *, batch_size: int, shuffle: bool, **options: Any
) -> DataLoader:
    """Return a loader that asks the dataset for whole minibatches."""
    sampler = _EpochSampler(MinibatchSampler(len(dataset), batch_size=batch_size, shuffle=shuffle))
    return DataLoader(dataset, sampler=sampler, batch_size=None, **options)
