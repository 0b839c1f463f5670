"""What intervals take from the validation cells."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from scvi_xmodal.model._calibration import Calibration, thinned
from scvi_xmodal.model._intervals import N_SAMPLES, as_array, interval_kind, latent_noise
from scvi_xmodal.model._quantiles import count_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal.model._held_out import HeldOut
    from scvi_xmodal.module import ModalitySpec

_MAX_CELLS, _FEW_CELLS, _MIN_CELLS = 512, 100, 10
_MAX_VALUES = 1 << 21
_COUNT_EDGES = np.array([0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30])
_N_VALUE_STRATA = 8
_TINY = 1e-12


def fit_intervals(
    module: Any, spec: ModalitySpec, source: str, held: HeldOut
) -> dict[str, Any] | None:
    """Calibrate a direction on validation cells; return plain values.

    Parameters
    ----------
    module
        A trained module.
    spec
        The target.
    source
        The source.
    held
        The cells; at most 512 of the validation cells are used, and fewer where features are many.

    Returns
    -------
    ``"variance"`` of shape (n_features,) for Gaussian values, and a calibration for predictions
    at the cells' ``"own"`` totals and, where depth is predicted, at the ``"predicted"`` ones.
    ``None`` for fewer than 10 cells.
    """
    limit = min(_MAX_CELLS, max(_FEW_CELLS, _MAX_VALUES // spec.n_features))
    rows = held.pairs(source, spec.key, n_values=0, limit=limit)
    if rows[0].size < _MIN_CELLS:
        return None
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {"variance": None}
    is_counts = interval_kind(spec) == "counts"
    depths = ["own"]
    if is_counts and hasattr(module, "predict_depth"):
        depths.append("predicted")
    for depth in depths:
        measured, mean, variance, latent = _validation_moments(
            module, spec, source, held, rows, depth
        )
        if is_counts:
            edges = _COUNT_EDGES
        else:
            square = (measured - mean) ** 2
            # what the latent does not explain; never so little that an interval closes
            own = np.maximum((square - latent).mean(0), 0.05 * square.mean(0) + _TINY)
            found["variance"], variance = own, np.broadcast_to(own, mean.shape)
            edges = np.unique(np.quantile(mean, np.arange(1, _N_VALUE_STRATA) / _N_VALUE_STRATA))
        stratum = np.searchsorted(edges, mean.ravel())
        chosen = thinned(stratum, rng)
        y, m, v = (a.ravel()[chosen] for a in (measured, mean, variance + latent))
        ranks = (
            count_ranks(y, m, v, rng.random(y.size)) if is_counts else ndtr((y - m) / np.sqrt(v))
        )
        found[depth] = asdict(Calibration.fit(edges, stratum[chosen], ranks))
    return found


def _validation_moments(
    module: Any,
    spec: ModalitySpec,
    source: str,
    held: HeldOut,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    depth: str,
) -> list[NDArray[np.float64]]:
    """Return measured values and the three moments, each of shape (n_cells, n_features)."""
    parts: list[list[NDArray[np.float64]]] = []
    for block in held.blocks(rows[0], spec.n_features):
        counts = held.counts(source, rows[0][block])
        truth = held.counts(spec.key, rows[1][block])
        if interval_kind(spec) != "counts":
            total = None
        elif depth == "own":
            total = truth.row_sums().clamp(min=1)
        else:
            total = module.predict_depth(counts, source, spec.key)
        noise = latent_noise(N_SAMPLES, module.n_latent, seed=0).to(held.device)
        batch = held.batch(spec.key, rows[1][block])
        moments = module.moments(counts, source, spec.key, noise=noise, batch=batch, total=total)
        measured = module.measured(spec.key, truth)
        parts.append([as_array(part) for part in (measured, *moments)])
    return [np.concatenate(own) for own in zip(*parts, strict=True)]
