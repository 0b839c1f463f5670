"""Minibatches of paired rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

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
        Batch code of each cell, of shape (n_cells,), if the model knows batches.
    """

    def __init__(
        self,
        readers: Mapping[str, RowReader],
        pairs: Pairs,
        *,
        batch: NDArray[np.int64] | None = None,
    ):
        self.readers = dict(readers)
        self.pairs = pairs
        self.batch = batch

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, numbers: Sequence[int]) -> dict[str, object]:
        tensors: dict[str, object] = {}
        for key, reader in self.readers.items():
            rows = self.pairs.rows[key][numbers]
            tensors[key] = reader.sparse_rows(rows)
            if self.batch is not None:
                tensors[f"{key}_batch"] = torch.from_numpy(self.batch[rows])
        return tensors


class MinibatchSampler(Sampler):
    """Yields lists of pair numbers; a last minibatch of one cell joins the one before.

    Batch norm cannot be computed over one cell, and to drop it would lose a cell each epoch.

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
        full, rest = divmod(self.n_pairs, self.batch_size)
        return max(full + (rest > (1 if full else 0)), 0)

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        order = torch.randperm(self.n_pairs) if self.shuffle else torch.arange(self.n_pairs)
        numbers = order.numpy()
        starts = np.arange(len(self)) * self.batch_size
        for start, stop in zip(starts, [*starts[1:], self.n_pairs], strict=True):
            yield numbers[start:stop]


def paired_loader(
    dataset: PairedDataset, *, batch_size: int, shuffle: bool, **options: object
) -> DataLoader:
    """Return a loader that asks the dataset for whole minibatches."""
    sampler = MinibatchSampler(len(dataset), batch_size=batch_size, shuffle=shuffle)
    return DataLoader(dataset, sampler=sampler, batch_size=None, **options)
