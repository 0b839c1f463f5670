"""How sure a network is: moments over latent samples, and how well a cell fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal.module._spec import ModalitySpec
    from scvi_xmodal.nn import SparseRows


class Moments(NamedTuple):
    """What is predicted for cells, each of shape (n_cells, n_features).

    Parameters
    ----------
    mean
        Mean of the measured value: count, whether open, or CLR value.
    variance
        Variance of the measured value around the mean of one latent; ``None`` where the
        likelihood has none (squared errors).
    latent_variance
        Variance of that mean over the latent's posterior.
    """

    mean: torch.Tensor
    variance: torch.Tensor | None
    latent_variance: torch.Tensor


class UncertaintyMixin:
    """What a module must tell for intervals and familiarity.

    Needs what each module has, and of a decoder its ``_likelihood`` and ``_hidden``.
    """

    specs: Mapping[str, ModalitySpec]
    transforms: Any
    latent: Any
    _likelihood: Any
    _hidden: Any

    @torch.inference_mode()
    def moments(
        self,
        counts: SparseRows,
        source: str,
        target: str,
        *,
        noise: torch.Tensor,
        batch: torch.Tensor | None = None,
        total: torch.Tensor | None = None,
        own_batch: torch.Tensor | None = None,
    ) -> Moments:
        r"""Return mean and variances of a target by the law of total variance.

        .. math::
            \text{Var}(y) = E_z[\text{Var}(y \mid z)] + \text{Var}_z(E[y \mid z]), \quad
            z_s = \mu + \sigma \epsilon_s

        All cells share the noise, so a cell's moments do not depend on its company.

        Parameters
        ----------
        counts
            Counts of shape (n_cells, n_features of the source).
        source, target
            The modalities.
        noise
            Standard normal draws of shape (n_samples, n_latent).
        batch
            Batches to decode in, of shape (n_cells,).
        total
            Totals to predict at, of shape (n_cells,); by default the training median.
        own_batch
            Batches to encode in, of shape (n_cells,), for models that do; by default ``batch``.
        """
        qz = self._latent_in(source, counts, batch if own_batch is None else own_batch)
        deviation = qz.variance.sqrt()
        # a latent that is known exactly needs one pass
        draws = noise if bool((deviation > 0).any()) else noise[:1]
        given = self._given(counts, source, target)
        first: Any = None
        mean: Any = 0.0
        square: Any = 0.0
        variance: Any = 0.0
        for draw in draws:
            hidden = self._hidden_of(source, target, qz.mean + deviation * draw, batch)
            own_mean, own_variance = self._likelihood(target).moments(hidden, total, **given)
            # squares of differences from the first draw, which lose no digits
            first = own_mean if first is None else first
            mean = mean + (own_mean - first)
            square = square + (own_mean - first).square()
            variance = None if own_variance is None else variance + own_variance
        n = len(draws)
        shift = mean / n
        return Moments(
            first + shift,
            None if variance is None else variance / n,
            (square / n - shift.square()).clamp(min=0) * (n / max(n - 1, 1)),
        )

    @torch.inference_mode()
    def fit_of(
        self,
        source: str,
        counts: SparseRows,
        batch: torch.Tensor | None = None,
        own_batch: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        r"""Return latent means, misfit and total of cells through their own modality.

        .. math:: c_i = \frac{1}{J} \sum_j \frac{(y_{ij} - \mu_{ij})^2}{\text{Var}(y_{ij})}

        at the cell's own depth: Pearson's statistic, 1 for a cell that is as the model says,
        whatever its depth, and up to a factor the negative log-likelihood where that is Gaussian.

        Parameters
        ----------
        source
            The modality.
        counts
            Counts of shape (n_cells, n_features).
        batch
            Batches to decode in, of shape (n_cells,).
        own_batch
            Batches to encode in, of shape (n_cells,), for models that do; by default ``batch``.

        Returns
        -------
        Means of shape (n_cells, n_latent), and misfits and totals of shape (n_cells,).
        """
        z = self._latent_in(source, counts, batch if own_batch is None else own_batch).mean
        total = counts.row_counts() if self.specs[source].kind == "atac" else counts.row_sums()
        hidden = self._hidden(source, z, batch)
        mean, variance = self._likelihood(source).moments(hidden, total.clamp(min=1))
        square = (self.measured(source, counts) - mean).square()
        if variance is not None:
            square = square / variance.clamp(min=1e-12)
        return z, square.mean(1), total

    def _latent_in(self, source: str, counts: SparseRows, batch: torch.Tensor | None) -> Any:
        """Return q(z); models whose encoders know batches encode in the given one."""
        return self.latent(source, counts)

    def _given(self, counts: Any, source: Any, target: str) -> dict[str, Any]:
        """Return the likelihood's keywords with which ``translate`` predicts."""
        return {}

    def _hidden_of(
        self, source: str, target: str, z: torch.Tensor, batch: torch.Tensor | None
    ) -> torch.Tensor:
        """Return a target's hidden units; by default all sources share one latent."""
        return self._hidden(target, z, batch)

    def measured(self, key: str, counts: SparseRows) -> torch.Tensor:
        """Return measured values on the scale of :meth:`moments`, (n_cells, n_features)."""
        if self.specs[key].settings.likelihood in ("nb", "bernoulli"):
            is_atac = self.specs[key].kind == "atac"
            return (counts.binarized() if is_atac else counts).to_dense()
        x = self.transforms[key](counts)
        return x if isinstance(x, torch.Tensor) else x.to_dense()
