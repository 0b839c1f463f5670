"""Polarbear's encoder and decoder: batches enter both, layer norms between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pyro import distributions as dist
from torch import nn

from scvi_xmodal.module._batches import BatchShares
from scvi_xmodal.module._polarbear_likelihoods import POLARBEAR_LIKELIHOODS
from scvi_xmodal.nn import BlockedSparseLinear, Mask

if TYPE_CHECKING:
    from scvi_xmodal.module._spec import ModalitySpec
    from scvi_xmodal.nn import SparseRows

_LOG_VARIANCE = (-12.0, 6.0)


class NormedLayer(nn.Sequential):
    """Linear layer, layer norm, LeakyReLU and dropout; without inputs, without the linear.

    Layer norm, as published, sees one cell: minibatches of one experiment do no harm.
    """

    def __init__(self, n_input: int | None, n_output: int, *, dropout_rate: float):
        first = nn.Identity() if n_input is None else nn.Linear(n_input, n_output)
        super().__init__(
            first, nn.LayerNorm(n_output), nn.LeakyReLU(0.01), nn.Dropout(dropout_rate)
        )


class PolarbearEncoder(nn.Module):
    r"""Transformed counts and batch to the posterior of the latent.

    .. math:: q(z \mid x, b) = N(\mu(x, b), \sigma^2(x, b))

    Parameters
    ----------
    spec
        The modality.
    n_latent
        Size of the latent.
    n_hidden
        Units of the second layer.
    n_batch
        Number of batches.
    dropout_rate
        Dropout after each layer.
    """

    def __init__(
        self,
        spec: ModalitySpec,
        *,
        n_latent: int,
        n_hidden: int,
        n_batch: int = 0,
        dropout_rate: float = 0.4,
    ):
        super().__init__()
        settings = spec.settings
        n_first = settings.n_hidden * len(spec.blocks)
        self.batches = BatchShares(n_batch)
        self.mask = Mask(settings.mask_rate)
        self.first: nn.Module
        if settings.sparse_input:
            self.first = BlockedSparseLinear(spec.blocks, settings.n_hidden)
        else:
            self.first = nn.Linear(spec.n_features, n_first)
        n_covariates = self.batches.n_batch
        self.covariate = nn.Linear(n_covariates, n_first, bias=False) if n_covariates else None
        self.norm = NormedLayer(None, n_first, dropout_rate=dropout_rate)
        self.second = NormedLayer(n_first, n_hidden, dropout_rate=dropout_rate)
        self.mean = nn.Linear(n_hidden, n_latent)
        self.log_variance = nn.Linear(n_hidden, n_latent)

    def forward(
        self, x: SparseRows | torch.Tensor, batch: torch.Tensor | None = None
    ) -> dist.Normal:
        """Return q(z) of shape (n_cells, n_latent) for inputs (n_cells, n_features)."""
        hidden = self.first(self.mask(x))
        if self.covariate is not None:
            codes = hidden.new_full((len(hidden),), -1).long() if batch is None else batch
            hidden = hidden + self.covariate(self.batches(codes))
        hidden = self.second(self.norm(hidden))
        log_variance = self.log_variance(hidden).clamp(*_LOG_VARIANCE)
        return dist.Normal(self.mean(hidden), torch.exp(0.5 * log_variance))


class PolarbearDecoder(nn.Module):
    """Latent and batch to the hidden units of a likelihood.

    Parameters
    ----------
    spec
        The modality.
    n_latent
        Size of the latent.
    n_hidden
        Units of the first layer.
    n_batch
        Number of batches.
    dropout_rate
        Dropout after each layer.
    zero_inflated
        Whether RNA's zeros are inflated.
    """

    def __init__(
        self,
        spec: ModalitySpec,
        *,
        n_latent: int,
        n_hidden: int,
        n_batch: int = 0,
        dropout_rate: float = 0.4,
        zero_inflated: bool = False,
    ):
        super().__init__()
        self.batches = BatchShares(n_batch)
        n_input = n_latent + self.batches.n_batch
        n_last = spec.settings.n_hidden * len(spec.blocks)
        self.hidden = nn.Sequential(
            NormedLayer(n_input, n_hidden, dropout_rate=dropout_rate),
            NormedLayer(n_hidden, n_last, dropout_rate=dropout_rate),
        )
        self.likelihood = POLARBEAR_LIKELIHOODS[spec.kind](
            spec, n_batch=self.batches.n_batch, zero_inflated=zero_inflated
        )

    def forward(self, z: torch.Tensor, batch: torch.Tensor | None = None) -> torch.Tensor:
        """Map latents (n_cells, n_latent) and batches (n_cells,) to hidden units.

        RNA's end in the batch covariate, which its likelihood needs again.
        """
        if not self.batches.n_batch:
            return self.hidden(z)
        codes = z.new_full((len(z),), -1).long() if batch is None else batch
        shares = self.batches(codes)
        hidden = self.hidden(torch.cat([z, shares], dim=1))
        by_batch = getattr(self.likelihood, "n_batch", 0)
        return torch.cat([hidden, shares], dim=1) if by_batch else hidden
