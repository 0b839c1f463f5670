"""How familiar a cell is: ranked among cells that the model has not trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import NDArray

N_NEIGHBORS = 30
MISFIT_WEIGHT = 0.25
"""Both chosen on fold 0 of the novel-type splits of ``benchmarks.familiarity``."""
_MIN_CELLS = 5
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class CellFit:
    """What a module says of cells through one modality, on arrays.

    Parameters
    ----------
    latent
        Latent means of shape (n_cells, n_latent).
    misfit
        Mean squared Pearson residuals of the cell's own modality, of shape (n_cells,).
    total
        Depth of shape (n_cells,).
    """

    latent: NDArray[np.float32]
    misfit: NDArray[np.float32]
    total: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FamiliarityReference:
    r"""What cells are compared with: training cells' latents, validation cells' strangeness.

    .. math::
        s_i = \frac{d_i - \text{med}(d)}{\text{IQR}(d)}
        + w \frac{c_i - \text{med}(c)}{\text{IQR}(c)}, \qquad
        f_i = \frac{1 + \#\{v: s_v \ge s_i\}}{1 + n_v}

    with d the logarithm of the mean Euclidean distance to the 30 nearest training cells in the
    latent, and c that of the misfit, from which its linear trend with log depth is taken; medians
    and interquartile ranges are the validation cells'. f is a conformal p-value (Vovk et al.
    2005): among cells exchangeable with the validation cells, at most a share a is at or below
    a. That would be exact if other cells gave trend, medians and ranges; few validation cells fit
    their own trend better than others do: of 5, more than a sixth of like cells rank below all of
    them, of 20 the difference is gone. Deep neighbours follow Sun et al. (ICML 2022), who use one
    modality and no reconstruction.

    Parameters
    ----------
    latent
        Latents of training cells, of shape (n_reference, n_latent).
    depth_trend
        Slope and intercept of log misfit over log1p depth, and the depths it was fitted between.
    centre, spread
        Medians and interquartile ranges of d and c, of shape (2,).
    strangeness, distance, misfit
        Ascending s, d and c of the validation cells, of shape (n_validation,).
    """

    latent: NDArray[np.float32]
    depth_trend: NDArray[np.float64]
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    strangeness: NDArray[np.float64]
    distance: NDArray[np.float64]
    misfit: NDArray[np.float64]

    @classmethod
    def fit(cls, train: NDArray[np.float32], validation: CellFit) -> Self | None:
        """Return the reference, or ``None`` for fewer than 5 validation cells."""
        if validation.misfit.size < _MIN_CELLS:
            return None
        trend = _depth_trend(validation)
        parts = np.stack([_distance(train, validation.latent), _misfit(validation, trend)])
        quarters = np.percentile(parts, [25, 75], axis=1)
        centre, spread = np.median(parts, axis=1), np.maximum(quarters[1] - quarters[0], _TINY)
        strange = _strangeness(parts, centre, spread)
        return cls(train, trend, centre, spread, *np.sort([strange, *parts], axis=1))

    def score(self, cells: CellFit) -> dict[str, NDArray[np.float64]]:
        """Return the columns of :meth:`TrustMixin.familiarity` for cells."""
        parts = np.stack([_distance(self.latent, cells.latent), _misfit(cells, self.depth_trend)])
        strange = _strangeness(parts, self.centre, self.spread)
        # a cell without a count is encoded as an average one, and that would look familiar
        is_empty = cells.total <= 0
        parts[:, is_empty], strange[is_empty] = np.inf, self.strangeness[-1] + 1
        return {
            "familiarity": _rank(strange, self.strangeness),
            "familiarity_latent": _rank(parts[0], self.distance),
            "familiarity_reconstruction": _rank(parts[1], self.misfit),
            "strangeness": strange,
        }

    def to_plain(self) -> dict[str, Any]:
        """Return all arrays by name."""
        return asdict(self)

    @classmethod
    def from_plain(cls, arrays: Mapping[str, Any]) -> Self:
        """Return what :meth:`to_plain` was called on."""
        return cls(**arrays)


def _distance(train: NDArray[np.float32], latent: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the logarithm of the mean distance to the nearest training cells, (n_cells,)."""
    k = min(N_NEIGHBORS, len(train))
    # each pair by itself, not by one product for all: a cell's distance must not depend on others
    pairs = torch.cdist(
        torch.from_numpy(latent),
        torch.from_numpy(train),
        compute_mode="donot_use_mm_for_euclid_dist",
    )
    nearest = pairs.topk(k, dim=1, largest=False).values.double().mean(1)
    return np.log(nearest.numpy() + _TINY)


def _depth_trend(cells: CellFit) -> NDArray[np.float64]:
    depth = np.log1p(cells.total.astype(np.float64))
    slope = intercept = 0.0
    if np.ptp(depth) > 0:
        slope, intercept = np.polyfit(depth, _log(cells.misfit), 1)
    return np.array([slope, intercept, depth.min(), depth.max()])


def _misfit(cells: CellFit, trend: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log misfits without their trend with depth, which is not carried beyond its ends."""
    slope, intercept, lowest, highest = trend
    depth = np.log1p(cells.total.astype(np.float64)).clip(lowest, highest)
    return _log(cells.misfit) - slope * depth - intercept


def _log(misfit: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.log(misfit.astype(np.float64) + _TINY)


def _strangeness(
    parts: NDArray[np.float64], centre: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    scaled = (parts - centre[:, None]) / spread[:, None]
    return scaled[0] + MISFIT_WEIGHT * scaled[1]


def _rank(values: NDArray[np.float64], ascending: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of validation cells at least as strange, of shape (n_cells,)."""
    n_below = np.searchsorted(ascending, values, side="left")
    return (1 + ascending.size - n_below) / (1 + ascending.size)
