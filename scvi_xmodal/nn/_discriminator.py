"""Tells measured embeddings from translated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from scvi_xmodal.nn._dense import DenseLayer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal.nn._presence import Presence

_FEWEST = 2  # batch norm, where there is one, needs several rows


class Discriminator(nn.Module):
    """Logit that an embedding was measured rather than translated.

    scButterfly's paper has two layers (``n_layers=2``: LeakyReLU, then the output); its code
    has one, followed by batch norm (``n_layers=1``).

    Parameters
    ----------
    n_embedding
        Size of the embeddings.
    n_layers
        1 or 2 layers.

    Raises
    ------
    ValueError
        If ``n_layers`` is neither 1 nor 2.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import Discriminator
    >>> Discriminator(4)(torch.zeros(3, 4)).shape
    torch.Size([3])
    """

    def __init__(self, n_embedding: int, *, n_layers: int = 2):
        super().__init__()
        if n_layers not in (1, 2):
            raise ValueError(f"A discriminator has 1 or 2 layers, got {n_layers}.")
        self.layers: nn.Module
        if n_layers == 1:
            self.layers = DenseLayer(n_embedding, 1, negative_slope=None)
        else:
            self.layers = nn.Sequential(
                DenseLayer(n_embedding, n_embedding, use_batch_norm=False),
                nn.Linear(n_embedding, 1),
            )

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """Return logits of shape (n_rows,) for embeddings of shape (n_rows, n_embedding)."""
        return self.layers(embedding).squeeze(-1)


def discriminator_loss(
    discriminators: Mapping[str, nn.Module],
    real: Mapping[str, torch.Tensor],
    fake: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    r"""Sum the discriminators' cross-entropy on a mixture of real and fake embeddings.

    .. math:: L = \sum_t \text{BCE}\bigl(D_t(e_t), y\bigr)

    One number u ~ U(0, 1) per cell decides for all discriminators whether they see the measured
    embedding (u > .5, soft label max(u, .8)) or the translated one (soft label min(u, .2)):
    the scheme of scButterfly's code, which its paper writes as labels from U[.8, 1] and
    U[0, .2] and a sum over real and fake cells.

    Parameters
    ----------
    discriminators
        A discriminator for each modality.
    real
        Measured embeddings of shape (n_rows, n_embedding) for each modality.
    fake
        Embeddings translated from another modality, of the same shapes.

    Returns
    -------
    Scalar; n_modalities * log 2 by chance.
    """
    example = next(iter(real.values()))
    u = torch.rand(example.shape[0], device=example.device)
    is_real = u > 0.5
    label = torch.where(is_real, u.clamp(min=0.8), u.clamp(max=0.2))
    losses = [
        F.binary_cross_entropy_with_logits(
            discriminator(torch.where(is_real[:, None], real[key], fake[key])), label
        )
        for key, discriminator in discriminators.items()
    ]
    return torch.stack(losses).sum()


def partial_discriminator_loss(
    discriminators: Mapping[str, nn.Module],
    real: Mapping[str, torch.Tensor],
    fake: Mapping[str, tuple[str, torch.Tensor]],
    presence: Presence,
) -> torch.Tensor:
    """Sum the discriminators' losses where cells were measured in some modalities only.

    The scheme of :func:`discriminator_loss`, over the cells that a target and the source of its
    fakes have both measured: only of those is known that both embeddings are of the same state.
    A discriminator with fewer than two such cells is left out.

    Parameters
    ----------
    discriminators
        A discriminator for each modality.
    real
        Measured embeddings for each modality, of the cells that it measured.
    fake
        For each modality the source, and the embeddings translated from it, of the cells that the
        source measured.
    presence
        Which cells these are.
    """
    # a term without value, so that there is something to differentiate
    parameters = [p for own in discriminators.values() for p in own.parameters()]
    losses = [torch.stack([own.sum() * 0 for own in (*parameters, *real.values())]).sum()]
    u = torch.rand(presence.n_cells, device=parameters[0].device)
    label = torch.where(u > 0.5, u.clamp(min=0.8), u.clamp(max=0.2))
    for key, (source, translated) in fake.items():
        theirs, ours = presence.shared(source, key)
        if ours.shape[0] < _FEWEST:
            continue
        cells = presence.cells[key][ours]
        is_real = (u[cells] > 0.5)[:, None]
        shown = torch.where(is_real, real[key][ours], translated[theirs])
        losses.append(F.binary_cross_entropy_with_logits(discriminators[key](shown), label[cells]))
    return torch.stack(losses).sum()
