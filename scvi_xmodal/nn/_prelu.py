"""BABEL's hidden layers: batch norm and PReLU, over all units or chromosome by chromosome."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn


class NormPReLU(nn.Module):
    r"""Normalise over the minibatch, then rectify with a learned slope for each block.

    .. math:: y_{ik} = \max(0, u_{ik}) + a_{c(k)} \min(0, u_{ik}), \quad u = \text{BN}(x)

    BABEL (Methods) names PReLU as the activation of every hidden layer and batch norm among its
    training aids; its published code has batch norm before each PReLU, the latent's too, and so
    has this. A chromosome's layer is a layer of its own, so each has its own slope; all start at
    .25.

    Parameters
    ----------
    n_units
        Number of units.
    n_blocks
        Number of blocks of equal size that the units fall into.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import NormPReLU
    >>> layer = NormPReLU(4, n_blocks=2).eval()
    >>> layer(torch.tensor([[4.0, -4.0, 8.0, -8.0]]))
    tensor([[ 4.0000, -1.0000,  8.0000, -2.0000]], grad_fn=<...>)
    """

    def __init__(self, n_units: int, *, n_blocks: int = 1):
        super().__init__()
        self.n_blocks = n_blocks
        self.norm = nn.BatchNorm1d(n_units)
        self.slope = nn.Parameter(torch.full((n_blocks,), 0.25))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map values of shape (n_rows, n_units) to the same shape."""
        x = self.norm(x)
        return F.prelu(x.view(x.shape[0], self.n_blocks, -1), self.slope).view_as(x)


class BlockedDense(nn.Module):
    r"""Apply one dense layer per block of units, each to its own block.

    .. math:: y_{ic} = W_c x_{ic} + b_c

    Parameters
    ----------
    n_blocks
        Number of blocks.
    n_input
        Inputs of each block.
    n_output
        Outputs of each block.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import BlockedDense
    >>> BlockedDense(22, 32, 16)(torch.zeros(4, 22 * 32)).shape  # BABEL's 352 dimensions
    torch.Size([4, 352])
    """

    def __init__(self, n_blocks: int, n_input: int, n_output: int):
        super().__init__()
        self.n_input = n_input
        self.weight = nn.Parameter(torch.empty(n_blocks, n_input, n_output))
        self.bias = nn.Parameter(torch.empty(n_blocks * n_output))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw Xavier-uniform weights and torch's default biases, block by block."""
        for weight in self.weight:
            nn.init.xavier_uniform_(weight)
        bound = 1 / math.sqrt(self.n_input)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n_rows, n_blocks * n_input) to (n_rows, n_blocks * n_output)."""
        by_block = x.view(x.shape[0], -1, self.n_input).transpose(0, 1)
        product = torch.bmm(by_block, self.weight).transpose(0, 1)
        return product.reshape(x.shape[0], -1) + self.bias
