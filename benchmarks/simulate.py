"""Sparse counts of any size, drawn by blocks of rows: nothing dense, nothing held twice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

MODALITIES = ("rna", "atac")
ENTRIES_AT_A_TIME = 1 << 21
"""Draws in a block of rows: tens of megabytes while it is sorted."""


@dataclass(frozen=True)
class Size:
    """What to simulate.

    Parameters
    ----------
    n_cells, n_peaks, n_genes
        Numbers of cells and features.
    density, rna_density
        Shares of the cells x peaks and cells x genes entries that are stored.
    n_chromosomes
        Chromosomes, the first the longest.
    n_types
        Cell types, each with its own rates.
    seed
        Seed of everything that is drawn.
    """

    n_cells: int
    n_peaks: int
    density: float = 0.03
    n_genes: int = 2000
    rna_density: float = 0.1
    n_chromosomes: int = 20
    n_types: int = 8
    seed: int = 0

    @property
    def label(self) -> str:
        """Return a short name such as ``"1k x 20k, 3 %"``."""
        return f"{short(self.n_cells)} x {short(self.n_peaks)}, {self.density:.3g}"

    def n_features(self, modality: str) -> int:
        """Return the number of a modality's features."""
        return self.n_genes if modality == "rna" else self.n_peaks


def short(number: int) -> str:
    """Return 20000 as ``"20k"`` and 1000000 as ``"1M"``."""
    for unit, name in ((1_000_000, "M"), (1000, "k")):
        if number >= unit:
            return f"{number / unit:g}{name}"
    return str(number)


def parse_size(text: str, **options: object) -> Size:
    """Read ``"1kx20k"`` or ``"1000x20000"``.

    Raises
    ------
    ValueError
        If the text is no such pair.
    """
    units = {"k": 1000, "m": 1_000_000}
    try:
        numbers = [
            int(float(part.rstrip("kmKM")) * units.get(part[-1].lower(), 1))
            for part in text.split("x")
        ]
        n_cells, n_peaks = numbers
    except (ValueError, IndexError):
        raise ValueError(f"{text!r} is no size: write cells x peaks, as in 1kx20k.") from None
    return Size(n_cells, n_peaks, **options)


def chromosomes(size: Size) -> NDArray[np.object_]:
    """Return the chromosome of each peak, chromosome after chromosome."""
    share = np.linspace(2.0, 0.5, size.n_chromosomes)
    ends = np.round(np.cumsum(share) / share.sum() * size.n_peaks).astype(int)
    names = np.array([f"chr{i + 1}" for i in range(size.n_chromosomes)], dtype=object)
    return np.repeat(names, np.diff([0, *ends]))


def peak_names(size: Size) -> list[str]:
    """Return names such as ``chr1:1000-1500``."""
    return [f"{c}:{1000 * i + 1}-{1000 * i + 500}" for i, c in enumerate(chromosomes(size))]


def cell_types(size: Size) -> NDArray[np.int64]:
    """Return the type of each cell, of shape (n_cells,)."""
    return np.random.default_rng((size.seed, 1)).integers(size.n_types, size=size.n_cells)


def split(size: Size) -> dict[str, NDArray[np.int64]]:
    """Return rows of 64 % training, 16 % validation and 20 % test cells."""
    order = np.random.default_rng((size.seed, 2)).permutation(size.n_cells)
    cuts = np.round(np.array([0.64, 0.80]) * size.n_cells).astype(int)
    return dict(zip(("train", "validation", "test"), np.split(order, cuts), strict=True))


def blocks(size: Size, modality: str) -> Iterator[sparse.csr_matrix]:
    r"""Draw Poisson counts, a block of rows at a time.

    .. math:: x_{ij} \sim \mathrm{Poisson}(d_i \lambda_{t(i) j})

    with log-normal depths d and, for each type t, log-normal rates, scaled so that the expected
    share of positive entries is the wanted one. Drawn as a Poisson total per cell whose events
    fall on features by their rates, so the work grows with the stored entries.

    Parameters
    ----------
    size
        What to draw.
    modality
        ``"rna"`` or ``"atac"``.

    Yields
    ------
    CSR float32 of shape (some rows, n_features), indices sorted; together all rows in order.
    """
    rng = np.random.default_rng((size.seed, 3 + MODALITIES.index(modality)))
    rates = _rates(size, modality, rng)
    types = cell_types(size)
    depth = np.exp(rng.normal(-0.02, 0.2, size=size.n_cells))
    totals = rates.sum(axis=1)
    # types lie one after the other in one ascending table, so that one search serves all
    table = (np.cumsum(rates, axis=1) / totals[:, None] + np.arange(size.n_types)[:, None]).ravel()
    rows = max(1, int(ENTRIES_AT_A_TIME / totals.max()))
    for start in range(0, size.n_cells, rows):
        kinds = types[start : start + rows]
        n_events = rng.poisson(depth[start : start + rows] * totals[kinds])
        yield _draw_block(table, kinds, n_events, size.n_features(modality), rng)


def _rates(size: Size, modality: str, rng: np.random.Generator) -> NDArray[np.float64]:
    n_features = size.n_features(modality)
    density = size.density if modality == "atac" else size.rna_density
    common = rng.normal(0.0, 0.5, size=n_features)
    own = rng.normal(0.0, 0.5, size=(size.n_types, n_features))
    rates = np.exp(np.clip(common + own, -1.2, 1.6))
    low, high = 0.0, 20.0
    for _ in range(50):
        middle = (low + high) / 2
        too_dense = -np.expm1(-middle * rates).mean() > density
        low, high = (low, middle) if too_dense else (middle, high)
    return rates * low


def _draw_block(
    table: NDArray[np.float64],
    kinds: NDArray[np.int64],
    n_events: NDArray[np.int64],
    n_features: int,
    rng: np.random.Generator,
) -> sparse.csr_matrix:
    keys = np.repeat(kinds, n_events) + rng.random(n_events.sum())
    found = np.searchsorted(table, keys, side="right")
    # rounding may point one past the end of a type's part of the table
    column = np.minimum(found - np.repeat(kinds * n_features, n_events), n_features - 1)
    row = np.repeat(np.arange(kinds.size), n_events)
    cells, counts = np.unique(row * n_features + column, return_counts=True)
    row, column = np.divmod(cells, n_features)
    indptr = np.searchsorted(row, np.arange(kinds.size + 1))
    parts = (counts.astype(np.float32), column.astype(np.int32), indptr.astype(np.int32))
    block = sparse.csr_matrix(parts, shape=(kinds.size, n_features))
    block.has_sorted_indices = True
    return block


def matrix(size: Size, modality: str) -> sparse.csr_matrix:
    """Return all rows of a modality, CSR float32 of shape (n_cells, n_features)."""
    return sparse.csr_matrix(sparse.vstack(list(blocks(size, modality)), format="csr"))


def write_folder(size: Size, folder: Path) -> None:
    """Write what every system reads: plain arrays that any version of numpy and scipy opens."""
    folder.mkdir(parents=True, exist_ok=True)
    for modality in MODALITIES:
        sparse.save_npz(folder / f"{modality}.npz", matrix(size, modality), compressed=False)
    np.savez(
        folder / "cells.npz",
        cell_type=cell_types(size),
        chromosome=chromosomes(size).astype(str),
        size=np.array(list(asdict(size).values())),
        **split(size),
    )
