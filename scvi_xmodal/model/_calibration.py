"""Levels at which predicted distributions cover validation cells as they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import NDArray

_GRID = np.r_[0.001, 0.0025, 0.005, np.arange(0.01, 0.995, 0.01), 0.995, 0.9975, 0.999]
_MIN_ENTRIES = 200
MAX_ENTRIES = 20_000
"""Entries looked at for each stratum."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Which level to ask a predicted distribution for, by the size of its mean.

    Parameters
    ----------
    edges
        Borders of the strata of means, of shape (n_strata - 1,).
    levels
        For each stratum, and each level of a fixed grid, the level of the model's distribution
        below which that share of the validation cells' values fell, of shape (n_strata, n_grid).

    Notes
    -----
    Quantile recalibration (Kuleshov et al., ICML 2018), by strata of the predicted mean, because
    lowly expressed genes, which are most, would hide what happens to the others.
    """

    edges: NDArray[np.float64]
    levels: NDArray[np.float64]

    @classmethod
    def fit(
        cls, edges: NDArray[np.float64], stratum: NDArray[np.int64], ranks: NDArray[np.float64]
    ) -> Self:
        """Return the calibration under which ranks, with a stratum each, become uniform."""
        n_strata = edges.size + 1
        sizes = np.bincount(stratum, minlength=n_strata)
        enough = np.flatnonzero(sizes >= _MIN_ENTRIES)
        if not enough.size:
            return cls(edges, np.tile(_GRID, (n_strata, 1)))
        rows = {own: np.quantile(ranks[stratum == own], _GRID) for own in enough}
        # a stratum with few entries takes the nearest one's
        nearest = [enough[np.abs(enough - own).argmin()] for own in range(n_strata)]
        return cls(edges, np.stack([rows[own] for own in nearest]))

    def at(self, level: float, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the levels to ask for, of the shape of the means."""
        # beyond the grid's ends on to 0 and 1: levels there are no more alike than others
        grid = np.r_[0, _GRID, 1]
        of_stratum = np.array([np.interp(level, grid, np.r_[0, own, 1]) for own in self.levels])
        return of_stratum[self.stratum(mean)]

    @property
    def is_fitted(self) -> bool:
        """Whether there were entries enough to fit anything: else each level is left as it is."""
        return not np.array_equal(self.levels, np.broadcast_to(_GRID, self.levels.shape))

    def stratum(self, mean: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the stratum of each mean."""
        return np.searchsorted(self.edges, mean)

    @classmethod
    def from_plain(cls, arrays: Mapping[str, Any] | None) -> Self | None:
        """Return the calibration that was saved, if one was."""
        return None if arrays is None else cls(**arrays)


def thinned(stratum: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return numbers of entries, at most 20,000 of each stratum."""
    order = rng.permutation(stratum.size)
    chosen = [order[stratum[order] == own][:MAX_ENTRIES] for own in np.unique(stratum)]
    return np.concatenate(chosen)
