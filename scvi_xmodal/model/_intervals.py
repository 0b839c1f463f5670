"""Predictive intervals: from moments over latent samples to calibrated quantiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import expit, logit, ndtri

from scvi_xmodal._arguments import NUMBER, WHOLE
from scvi_xmodal.model._quantiles import count_quantiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from scvi_xmodal.model._calibration import Calibration
    from scvi_xmodal.module import ModalitySpec

N_SAMPLES = 20


@dataclass(frozen=True, eq=False)
class Interval:
    """What a translation's quantiles are computed from.

    Parameters
    ----------
    levels
        Quantiles to return.
    noise
        Standard normal draws of shape (n_samples, n_latent), the same for every cell.
    kind
        ``"counts"`` (negative binomial), ``"values"`` (Gaussian) or ``"probability"``.
    calibration
        Which levels to ask for; ``None`` for these levels.
    variance
        Variance of values around their mean, in the network's order, of shape (n_features,).
    """

    levels: tuple[float, ...]
    noise: torch.Tensor
    kind: str
    calibration: Calibration | None
    variance: NDArray[np.float64] | None

    def layers(
        self, moments: Any, columns: NDArray[np.int64] | None
    ) -> dict[str, NDArray[np.float32]]:
        """Return a layer for each level, of shape (n_cells, n_columns).

        Parameters
        ----------
        moments
            What ``module.moments`` returned.
        columns
            The network's features to return, in the order wanted; ``None`` for all as they are.
        """
        mean, variance, latent = (as_array(part, columns) for part in moments)
        if self.kind == "values":
            own = np.asarray(self.variance)
            variance = np.broadcast_to(own if columns is None else own[columns], mean.shape)
        asked = np.stack([self._asked(level, mean) for level in self.levels])
        if self.kind == "counts":
            shape = asked.shape
            moments_flat = mean.ravel(), (variance + latent).ravel()
            found = count_quantiles(*moments_flat, asked.reshape(shape[0], -1)).reshape(shape)
        elif self.kind == "values":
            found = mean + ndtri(asked) * np.sqrt(variance + latent)
        else:
            p = mean.clip(1e-7, 1 - 1e-7)
            found = expit(logit(p) + ndtri(asked) * np.sqrt(latent) / (p * (1 - p)))
        names = [layer_of(level) for level in self.levels]
        return dict(zip(names, found.astype(np.float32), strict=True))

    def record(self) -> dict[str, Any]:
        """Return what a translation says of its quantiles."""
        return {
            "quantiles": list(self.levels),
            "n_samples": len(self.noise),
            "calibrated": self.calibration is not None and self.calibration.is_fitted,
        }

    def _asked(self, level: float, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.calibration is None:
            return np.full(mean.shape, level)
        return self.calibration.at(level, mean)


def layer_of(level: float) -> str:
    """Return the name of a quantile's layer.

    Examples
    --------
    >>> from scvi_xmodal.model._intervals import layer_of
    >>> layer_of(0.05), layer_of(0.975)
    ('q05', 'q97.5')
    """
    text = f"{100 * level:.10g}"
    return f"q{text}" if 100 * level >= 10 else f"q0{text}"


def interval_kind(spec: ModalitySpec) -> str:
    """Return what kind of quantiles a target has."""
    if spec.kind == "atac":
        return "probability"
    return "counts" if spec.settings.likelihood == "nb" else "values"


def checked_levels(quantiles: Sequence[float] | float) -> tuple[float, ...]:
    """Return the quantiles as numbers.

    Raises
    ------
    ValueError
        If there are none, or one is not above 0 and below 1 or there twice.
    """
    given = np.atleast_1d(np.asarray(quantiles, dtype=object))
    is_list = given.ndim == 1 and all(NUMBER.fits(level) for level in given)
    levels = tuple(float(level) for level in given) if is_list else ()
    if not levels or not all(0 < level < 1 for level in levels) or len(set(levels)) < len(levels):
        raise ValueError(
            f"quantiles={quantiles!r} must be different numbers above 0 and below 1, such as "
            "(0.05, 0.95)."
        )
    return levels


def check_n_samples(n_samples: Any) -> None:
    """Raise a ``ValueError`` unless a mean and a deviation can be taken over samples."""
    if not WHOLE.fits(n_samples) or n_samples < 2:
        raise ValueError(f"n_samples must be a whole number above 1, got {n_samples!r}.")


def latent_noise(n_samples: int, n_latent: int, *, seed: int) -> torch.Tensor:
    """Return standard normal draws of shape (n_samples, n_latent), with their opposites.

    Every second draw is the one before with the other sign, which halves the error of means.
    """
    half = np.random.default_rng(seed).standard_normal((-(-n_samples // 2), n_latent))
    both = np.stack([half, -half], axis=1).reshape(-1, n_latent)
    return torch.from_numpy(both[:n_samples].astype(np.float32))


def as_array(part: Any, columns: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return a tensor's columns in float64, and for ``None`` a 0 of shape (1, 1)."""
    if part is None:
        return np.zeros((1, 1))
    values = part.cpu().numpy()
    return (values if columns is None else values[:, columns]).astype(np.float64)


def saved_intervals(trust: Mapping[str, Any] | None, source: str, target: str) -> dict[str, Any]:
    """Return what :func:`fit_intervals` found, or nothing."""
    found = ((trust or {}).get("intervals") or {}).get(source, {}).get(target)
    return found or {}
