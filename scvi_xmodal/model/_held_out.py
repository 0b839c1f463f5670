"""The cells that a trained model is judged by, as tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from scvi_xmodal.model._familiarity import CellFit, FamiliarityReference
from scvi_xmodal.model._request import to_device

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from scvi_xmodal.data import RowReader
    from scvi_xmodal.model._cells import Part, TrainingCells
    from scvi_xmodal.nn import SparseRows

MAX_CELLS = 2000
"""Cells of a part that are looked at: more would tell little and cost as much as an epoch."""
_MAX_VALUES = 1 << 24
_MIN_CELLS = 200
BLOCK_VALUES = 1 << 20


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Training and validation cells of every modality, read some at a time.

    Parameters
    ----------
    cells
        Which rows train and validate.
    readers
        Readers of each modality's counts, in the network's feature order.
    codes
        Batch of each of a modality's own rows, if there are batches.
    device
        Where the module is.
    """

    cells: TrainingCells
    readers: Mapping[str, RowReader]
    codes: Mapping[str, NDArray[np.int64]] | None
    device: torch.device

    def rows(
        self, key: str, part: Part, *, n_values: int = 0, limit: int = MAX_CELLS
    ) -> NDArray[np.int64]:
        """Return own rows of a part, at most 2,000 of them.

        Parameters
        ----------
        key
            The modality.
        part
            ``"train"`` or ``"validation"``.
        n_values
            Dense values that each cell needs; some cells fewer are taken where they are many,
            but no fewer than 200.
        limit
            Cells to take at most.
        """
        rows = self.cells.rows(key, part)
        return rows[_thinned(rows.size, n_values, limit)]

    def pairs(
        self,
        source: str,
        target: str,
        part: Part = "validation",
        *,
        n_values: int,
        limit: int = MAX_CELLS,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return own rows, in both modalities, of a part's cells that were measured in both."""
        cells = getattr(self.cells.split, part)
        own, others = (self.cells.own[key][cells] for key in (source, target))
        both = np.flatnonzero((own >= 0) & (others >= 0))
        both = both[_thinned(both.size, n_values, limit)]
        return own[both], others[both]

    def blocks(self, rows: NDArray[np.int64], n_values: int) -> Iterator[slice]:
        """Yield slices of rows that need some million values each."""
        size = max(1, BLOCK_VALUES // max(n_values, 1))
        for start in range(0, rows.size, size):
            yield slice(start, min(start + size, rows.size))

    def counts(self, key: str, rows: NDArray[np.int64]) -> SparseRows:
        """Return counts of shape (n_rows, n_features) on the module's device."""
        return to_device(self.readers[key].sparse_rows(rows), self.device)

    def batch(self, key: str, rows: NDArray[np.int64]) -> torch.Tensor | None:
        """Return the batch to decode each row in, of shape (n_rows,), if there are batches."""
        if self.codes is None:
            return None
        return torch.from_numpy(self.codes[key][rows]).to(self.device)


def _thinned(n_rows: int, n_values: int, limit: int) -> NDArray[np.int64]:
    """Return numbers of rows, as many as may be looked at."""
    limit = min(limit, max(_MIN_CELLS, _MAX_VALUES // max(n_values, 1)))
    if n_rows <= limit:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng(0).permutation(n_rows)[:limit])


def as_scipy(rows: Any) -> Any:
    """Return sparse rows as CSR, and a dense tensor as an array, on the CPU."""
    if isinstance(rows, torch.Tensor):
        return rows.cpu().numpy()
    parts = tuple(part.cpu().numpy() for part in (rows.values, rows.columns, rows.offsets))
    return sparse.csr_matrix(parts, shape=(rows.n_rows, rows.n_columns))


def cell_fit(
    module: Any,
    key: str,
    counts: SparseRows,
    batch: torch.Tensor | None = None,
    **encoded: torch.Tensor,
) -> CellFit:
    """Return what a module says of cells through one modality, encoded as they are told."""
    return CellFit(*(part.cpu().numpy() for part in module.fit_of(key, counts, batch, **encoded)))


def familiarity_reference(
    module: Any, key: str, held: HeldOut, *, validated: Any = None
) -> dict[str, Any] | None:
    """Return what cells of a modality are compared with, as plain values.

    Parameters
    ----------
    module
        A trained module.
    key
        The modality.
    held
        The training and validation cells.
    validated
        Where the module was trained on the validation cells too, one that was not: of cells that
        were trained on the misfit is too small, while their latents lie as others' do.
    """
    train, validation = (_part_fit(module, key, held, part) for part in ("train", "validation"))
    if train is None or validation is None:
        return None
    if validated is not None:
        unseen: Any = _part_fit(validated, key, held, "validation")
        validation = CellFit(validation.latent, unseen.misfit, unseen.total)
    reference = FamiliarityReference.fit(train.latent, validation)
    return None if reference is None else reference.to_plain()


def _part_fit(module: Any, key: str, held: HeldOut, part: Part) -> CellFit | None:
    rows = held.rows(key, part)
    blocks = [
        cell_fit(module, key, held.counts(key, rows[b]), held.batch(key, rows[b]))
        for b in held.blocks(rows, held.readers[key].n_features)
    ]
    if not blocks:
        return None
    arrays = zip(*((b.latent, b.misfit, b.total) for b in blocks), strict=True)
    return CellFit(*map(np.concatenate, arrays))
