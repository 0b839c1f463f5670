"""scvi-tools' data splitter over pairs of sparse rows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scvi import settings
from scvi.dataloaders import DataSplitter
from torch.utils.data import DataLoader

from scvi_xmodal._arguments import (
    COUNT,
    FLAG,
    LIST,
    NOT_NEGATIVE,
    POSITIVE,
    Rule,
    check_keywords,
)
from scvi_xmodal.data._chunks import ChunkedPairs
from scvi_xmodal.data._dataset import PairedDataset, paired_loader
from scvi_xmodal.data._pairs import Pairs
from scvi_xmodal.data._split import Split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi.data import AnnDataManager

    from scvi_xmodal.data._reader import RowReader


class PairedDataSplitter(DataSplitter):
    """Split cells as scvi-tools does; load training pairs and validation cells sparsely.

    Parameters
    ----------
    adata_manager
        Manager of the training data.
    readers
        A row reader for each modality to load.
    split
        Training, validation and test rows; by default drawn by ``train_size`` and
        ``validation_size``. Rows in no part are not used.
    pairs
        Training pairs; by default every training cell with itself. Some pairs are drawn anew in
        each epoch.
    validation_pairs
        Validation pairs; by default every validation cell with itself.
    batch
        Batch code of each cell, of shape (n_cells,), or such an array for each modality.
    batch_size
        Cells in a minibatch.
    **kwargs
        ``train_size``, ``validation_size``, ``shuffle_set_split``, ``external_indexing`` and
        ``pin_memory``, as in :class:`scvi.dataloaders.DataSplitter`; of data in memory also
        ``num_workers``, ``persistent_workers``, ``prefetch_factor``, ``timeout``,
        ``worker_init_fn`` and ``multiprocessing_context``, as in
        :class:`torch.utils.data.DataLoader`. Files are read by the training process itself.

    Raises
    ------
    ValueError
        If a minibatch is to be smaller than two cells, ``drop_last`` is set, or processes are to
        load what lies in a file.
    """

    def __init__(
        self,
        adata_manager: AnnDataManager,
        readers: Mapping[str, RowReader],
        *,
        split: Split | None = None,
        pairs: Pairs | None = None,
        validation_pairs: Pairs | None = None,
        batch: np.ndarray | Mapping[str, np.ndarray] | None = None,
        batch_size: int | None = None,
        **kwargs: object,
    ):
        if split is not None:
            kwargs["external_indexing"] = external_indexing(split, adata_manager.adata.n_obs)
        if kwargs.get("drop_last"):
            raise ValueError(
                "drop_last=True is not known here: all cells are used, and a last minibatch of "
                "one cell joins the one before."
            )
        if kwargs.get("num_workers") and any(reader.on_disk for reader in readers.values()):
            raise ValueError(
                f"num_workers={kwargs['num_workers']!r} has no effect on counts in a file: the "
                "training process reads them itself, a chunk of rows at a time. Leave it out."
            )
        batch_size = settings.batch_size if batch_size is None else batch_size
        if batch_size < 2:
            raise ValueError(
                f"batch_size must be at least 2, got {batch_size}: batch norm needs several cells."
            )
        with warnings.catch_warnings():
            # our sampler never yields a minibatch of one cell
            warnings.filterwarnings("ignore", message="Last batch will have a small size")
            super().__init__(adata_manager, batch_size=batch_size, **kwargs)
        self.readers = readers
        self.pairs = pairs
        self.validation_pairs = validation_pairs
        self.batch: Mapping[str, np.ndarray] | None
        self.batch = dict.fromkeys(readers, batch) if isinstance(batch, np.ndarray) else batch

    def split(self) -> Split:
        """Return the rows of each part."""
        self.setup()
        parts = (self.train_idx, self.val_idx, self.test_idx)
        return Split(*(np.asarray(rows, dtype=np.int64) for rows in parts))

    def train_dataloader(self) -> DataLoader:
        """Return the loader of shuffled training pairs."""
        pairs = self.pairs or Pairs.measured(self.readers, self.train_idx)
        return self._loader(pairs, shuffle=True)

    def val_dataloader(self) -> DataLoader | None:
        """Return the loader of validation cells, or ``None`` without any."""
        if self.validation_pairs is not None:
            return self._loader(self.validation_pairs, shuffle=False)
        return self._measured(self.val_idx)

    def test_dataloader(self) -> DataLoader | None:
        """Return the loader of test cells, or ``None`` without any."""
        return self._measured(self.test_idx)

    def _measured(self, rows: np.ndarray) -> DataLoader | None:
        if not len(rows):
            return None
        return self._loader(Pairs.measured(self.readers, rows), shuffle=False)

    def _loader(self, pairs: Pairs, *, shuffle: bool) -> DataLoader:
        pairs = pairs.of_modalities(self.readers)
        if any(reader.on_disk for reader in self.readers.values()):
            size = self.data_loader_kwargs["batch_size"]
            chunked = ChunkedPairs(
                self.readers, pairs, batch=self.batch, batch_size=size, shuffle=shuffle
            )
            return DataLoader(chunked, batch_size=None, pin_memory=self.pin_memory)
        dataset = PairedDataset(self.readers, pairs, batch=self.batch)
        return paired_loader(
            dataset, shuffle=shuffle, pin_memory=self.pin_memory, **self.data_loader_kwargs
        )


_LOADER_RULES: dict[str, Rule | None] = {
    **dict.fromkeys(["shuffle_set_split", "pin_memory", "drop_last"], FLAG),
    "external_indexing": LIST.or_none(),
    "num_workers": COUNT,
}
_WORKER_RULES: dict[str, Rule | None] = {
    "persistent_workers": FLAG,
    "prefetch_factor": POSITIVE.or_none(),
    "timeout": NOT_NEGATIVE,
    **dict.fromkeys(["worker_init_fn", "multiprocessing_context"]),  # torch's to check
}


def check_loader_kwargs(kwargs: Mapping[str, object]) -> None:
    """Raise before anything is read at a keyword that splitter and loader do not follow.

    Raises
    ------
    ValueError
        If a keyword is unknown, its value no such thing, or it is of workers and there are none.
    """
    rules = {**_LOADER_RULES, **_WORKER_RULES}
    for name in kwargs:
        if name not in rules:
            raise ValueError(
                f"datasplitter_kwargs has an unknown key {name!r}; known are {sorted(rules)}."
            )
    check_keywords(
        "datasplitter_kwargs", kwargs, {name: own for name, own in rules.items() if own}
    )
    for name in _WORKER_RULES:
        if kwargs.get(name) and not kwargs.get("num_workers"):
            raise ValueError(
                f"datasplitter_kwargs[{name!r}]={kwargs[name]!r} is of the processes that load "
                "data, of which there are none: add 'num_workers', a number above 0."
            )


def external_indexing(split: Split, n_obs: int) -> list[np.ndarray]:
    """Return a split in scvi-tools' form, which wants every cell in some part."""
    unused = np.setdiff1d(
        np.arange(n_obs), np.concatenate([split.train, split.validation, split.test])
    )
    return [split.train, split.validation, np.concatenate([split.test, unused])]
