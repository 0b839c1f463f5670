"""Shuffled minibatches from disk, by whole chunks of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import IterableDataset

from scvi_xmodal.data._dataset import (
    cut_minibatches,
    own_share,
    permutation,
    read_minibatch,
    share_size,
)
from scvi_xmodal.data._reader import RowReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from scvi_xmodal.data._pairs import Pairs

CHUNK = 64
"""Neighbouring rows read together."""
N_CHUNKS = 128
"""Chunks that are held, and shuffled, at a time: 8,192 cells."""


class ChunkedPairs(IterableDataset):
    """Minibatches of pairs whose rows lie on disk.

    Single rows cost a seek each. Here pairs are sorted by row, cut into chunks, the chunks
    shuffled, and some of them read at a time and shuffled among each other. Given up for it:
    cells of one chunk are always drawn from the same buffer, so two neighbours in the file meet
    in a minibatch more often than by chance; every cell is still seen once in an epoch.

    Parameters
    ----------
    readers
        A row reader for each modality.
    pairs
        The table of rows.
    batch
        Batch code of each modality's cells, of shape (n_cells,).
    batch_size
        Pairs in a minibatch.
    shuffle
        Whether to shuffle; otherwise pairs come in the table's order.
    """

    def __init__(
        self,
        readers: Mapping[str, RowReader],
        pairs: Pairs,
        *,
        batch: Mapping[str, NDArray[np.int64]] | None,
        batch_size: int,
        shuffle: bool,
    ):
        self.readers = dict(readers)
        self.pairs = pairs
        self.batch = batch
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.epoch = 0

    def __len__(self) -> int:
        buffers = self._buffers(self.pairs, shuffle=False)
        return sum(len(self._cuts(buffer)) for buffer in buffers)

    def __iter__(self) -> Iterator[dict[str, object]]:
        pairs = self.pairs.draw(self.epoch)
        self.epoch += 1
        for numbers in self._buffers(pairs, shuffle=self.shuffle):
            order = permutation(numbers.size) if self.shuffle else np.arange(numbers.size)
            own = own_share(order)
            held, rows = self._read(pairs, numbers[np.sort(own)])
            local = np.argsort(np.argsort(own, kind="stable"), kind="stable")
            for part in self._cuts(numbers):
                yield self._minibatch(held, rows, local[part])

    def _cuts(self, buffer: NDArray[np.int64]) -> list[slice]:
        return cut_minibatches(share_size(buffer.size), self.batch_size)

    def _buffers(self, pairs: Pairs, *, shuffle: bool) -> list[NDArray[np.int64]]:
        """Return the pair numbers of each buffer."""
        first = next(iter(pairs.rows.values()))
        order = np.argsort(first, kind="stable") if self.shuffle else np.arange(first.size)
        if shuffle:
            chunks = [order[start : start + CHUNK] for start in range(0, order.size, CHUNK)]
            order = np.concatenate([chunks[number] for number in permutation(len(chunks))])
        # of equal size, so that no buffer holds a single cell and each epoch has as many steps
        return np.array_split(order, max(1, round(order.size / (CHUNK * N_CHUNKS))))

    def _read(
        self, pairs: Pairs, numbers: NDArray[np.int64]
    ) -> tuple[dict[str, RowReader], dict[str, NDArray[np.int64]]]:
        """Read a buffer's rows of each modality into memory."""
        held, rows = {}, {}
        for key, reader in self.readers.items():
            rows[key] = pairs.rows[key][numbers]
            measured = rows[key][rows[key] >= 0]
            if measured.size:
                held[key] = RowReader(reader.rows(measured), n_features=reader.n_features)
        return held, rows

    def _minibatch(
        self,
        held: Mapping[str, RowReader],
        rows: Mapping[str, NDArray[np.int64]],
        picked: NDArray[np.int64],
    ) -> dict[str, object]:
        local, codes = {}, {}
        for key, own in rows.items():
            place = np.where(own >= 0, np.cumsum(own >= 0) - 1, -1)  # among the rows that are held
            local[key] = place[picked]
            if self.batch is not None:
                codes[key] = self.batch[key][own[picked]]
        return read_minibatch(held, local, codes or None)
