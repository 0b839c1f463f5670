"""From one modality's embedding through a shared latent to another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.distributions import Normal

from scvi_xmodal.nn._dense import DenseLayer

if TYPE_CHECKING:
    from collections.abc import Iterable

_LOG_VARIANCE_RANGE = 10.0


class Translator(nn.Module):
    r"""Variational bridge between the embeddings of modalities.

    .. math:: q(z \mid e_s) = N(\mu_s(e_s), \sigma^2_s(e_s)), \qquad \hat e_t = f_t(z)

    (scButterfly, Methods, "translator".) Every source has its own mean and log-variance head,
    every target one output block that all sources share.

    As published, both heads end in batch norm and LeakyReLU (``head_activation=True``); then
    the log-variance is hardly ever below -0.1 and the posterior's s.d. stays close to 1 or above.
    By default the heads are linear and the log-variance is held within +-10.

    Parameters
    ----------
    sources
        Names of the modalities that are translated from.
    targets
        Names of the modalities that are translated to.
    n_embedding
        Size of the embeddings.
    n_latent
        Size of the latent.
    head_activation
        Whether the heads end in batch norm and LeakyReLU.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import Translator
    >>> translator = Translator(["rna"], ["atac"], n_embedding=4, n_latent=2).eval()
    >>> qz = translator.posterior("rna", torch.zeros(3, 4))
    >>> translator.decode("atac", qz.mean).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        n_embedding: int,
        n_latent: int,
        head_activation: bool = False,
    ):
        super().__init__()
        options: dict[str, Any] = (
            {} if head_activation else {"use_batch_norm": False, "negative_slope": None}
        )
        sources = list(sources)
        self.mean = nn.ModuleDict(
            {s: DenseLayer(n_embedding, n_latent, **options) for s in sources}
        )
        self.log_variance = nn.ModuleDict(
            {s: DenseLayer(n_embedding, n_latent, **options) for s in sources}
        )
        self.output = nn.ModuleDict({t: DenseLayer(n_latent, n_embedding) for t in targets})

    def posterior(self, source: str, embedding: torch.Tensor) -> Normal:
        """Return q(z) of shape (n_rows, n_latent) for embeddings (n_rows, n_embedding)."""
        log_variance = self.log_variance[source](embedding)
        log_variance = log_variance.clamp(-_LOG_VARIANCE_RANGE, _LOG_VARIANCE_RANGE)
        # validation would wait for the GPU in every step
        return Normal(
            self.mean[source](embedding), torch.exp(log_variance / 2), validate_args=False
        )

    def decode(self, target: str, z: torch.Tensor) -> torch.Tensor:
        """Return the target's embeddings (n_rows, n_embedding) of latents (n_rows, n_latent)."""
        return self.output[target](z)
