"""Draw what the modalities of simulated cells share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

BETWEEN_TYPES = 0.4
"""Share of the variance of the latent state that lies between the cell types."""

LOG_DEPTH_SD = 0.4
"""Standard deviation of the log depth of a cell, in each modality."""

SHARED_DEPTH = 0.5
"""Correlation of the log depths of two modalities of a cell."""

MODALITIES = ("rna", "atac", "protein")
"""The simulated modalities; the columns of ``Cells.log_depth``."""


class Cells(NamedTuple):
    """State, groups and depth of each cell."""

    latent: NDArray[np.float64]
    """Of shape (n_cells, n_latent); each column has mean about 0 and variance about 1."""
    cell_type: NDArray[np.int64]
    """Codes of shape (n_cells,)."""
    batch: NDArray[np.int64]
    """Codes of shape (n_cells,)."""
    log_depth: NDArray[np.float64]
    """Of shape (n_cells, 3); columns as in ``MODALITIES``, median 0."""


def draw_cells(
    n_cells: int, n_latent: int, n_cell_types: int, n_batches: int, rng: np.random.Generator
) -> Cells:
    """Draw cells of equally large types and batches, in random order."""
    cell_type = rng.permutation(np.arange(n_cells) % n_cell_types)
    within = rng.normal(size=(n_cells, n_latent))
    centres = _draw_centres(n_cell_types, n_latent, rng)[cell_type]
    latent = np.sqrt(BETWEEN_TYPES) * centres + np.sqrt(1 - BETWEEN_TYPES) * within
    shared = rng.normal(size=(n_cells, 1))
    own = rng.normal(size=(n_cells, len(MODALITIES)))
    log_depth = np.sqrt(SHARED_DEPTH) * shared + np.sqrt(1 - SHARED_DEPTH) * own
    batch = rng.permutation(np.arange(n_cells) % n_batches)
    return Cells(latent, cell_type, batch, LOG_DEPTH_SD * log_depth)


def _draw_centres(
    n_cell_types: int, n_latent: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw centres whose columns have mean 0 and, with two types or more, variance 1."""
    centres = rng.normal(size=(n_cell_types, n_latent))
    centres -= centres.mean(axis=0)
    return centres / centres.std(axis=0) if n_cell_types > 1 else centres


def cell_table(cells: Cells, n_cell_types: int, n_batches: int) -> pd.DataFrame:
    """Return ``obs`` with the categorical columns ``cell_type`` and ``batch``."""
    types = [f"type_{k}" for k in range(n_cell_types)]
    batches = [f"batch_{k}" for k in range(n_batches)]
    return pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(cells.cell_type, types),
            "batch": pd.Categorical.from_codes(cells.batch, batches),
        },
        index=pd.Index([f"cell_{k}" for k in range(cells.batch.size)]),
    )
