"""A small decoder from a frozen latent to proteins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from torch import nn

from scvi_xmodal.module._babel_nets import dense_layer
from scvi_xmodal.nn import NormPReLU

if TYPE_CHECKING:
    import torch

HeadActivation = Literal["tanh", "prelu"]
HEAD_ACTIVATIONS: tuple[HeadActivation, ...] = ("tanh", "prelu")


class ProteinHead(nn.Module):
    """BABEL's protein decoder: latent to 64 units to CLR expression, no output activation.

    Parameters
    ----------
    n_latent
        Size of the latent: 16 in the paper.
    n_proteins
        Number of proteins.
    n_hidden
        Hidden units.
    activation
        ``"tanh"`` as in the paper (Methods, "Extending BABEL to Predict Protein Epitopes"), or
        ``"prelu"`` after batch norm, the published code's default.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.module import ProteinHead
    >>> ProteinHead(16, 25)(torch.zeros(3, 16)).shape
    torch.Size([3, 25])
    """

    def __init__(
        self,
        n_latent: int,
        n_proteins: int,
        *,
        n_hidden: int = 64,
        activation: HeadActivation = "tanh",
    ):
        super().__init__()
        self.hidden = dense_layer(n_latent, n_hidden)
        self.activation = nn.Tanh() if activation == "tanh" else NormPReLU(n_hidden)
        self.output = dense_layer(n_hidden, n_proteins)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Map latents (n_cells, n_latent) to CLR values (n_cells, n_proteins)."""
        return self.output(self.activation(self.hidden(z)))
