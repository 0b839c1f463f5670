"""Layers that are blocked by chromosome: features meet only within their block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from scvi_xmodal.nn._bag import bag_product
from scvi_xmodal.nn._softplus import softplus_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scvi_xmodal.nn._sparse import SparseRows


class BlockedSparseLinear(nn.Module):
    r"""Apply one linear layer per block of features to sparse rows.

    .. math:: y_{ic} = \sum_{j \in c} x_{ij} w_j + b_c

    Equal to a dense layer whose weight is block-diagonal (scButterfly, Methods, "ATAC encoder";
    BABEL, Methods). The rows are cut at block borders into (cell, block) rows and multiplied in
    one sparse product, so the cost is set by the stored values, not by cells x features.

    Parameters
    ----------
    blocks
        Number of features in each block; the columns are ordered block after block.
    n_output
        Outputs of each block.

    Examples
    --------
    >>> import torch
    >>> from scipy.sparse import random
    >>> from scvi_xmodal.nn import BlockedSparseLinear, SparseRows
    >>> x = SparseRows.from_scipy(random(4, 10, 0.3, format="csr", dtype="float32"))
    >>> BlockedSparseLinear(blocks=(6, 4), n_output=3)(x).shape
    torch.Size([4, 6])
    """

    borders: torch.Tensor

    def __init__(self, blocks: Sequence[int], n_output: int):
        super().__init__()
        self.blocks = _checked(blocks)
        self.n_output = n_output
        self.weight = nn.Parameter(torch.empty(sum(self.blocks), n_output))
        self.bias = nn.Parameter(torch.empty(len(self.blocks) * n_output))
        borders = torch.tensor([0, *self.blocks]).cumsum(0)
        self.register_buffer("borders", borders, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw Xavier-uniform weights and torch's default biases, block by block."""
        biases = self.bias.view(len(self.blocks), self.n_output)
        for weight, bias in zip(self.weight.split(self.blocks), biases, strict=True):
            bound = 1 / math.sqrt(max(weight.shape[0], 1))
            nn.init.uniform_(bias, -bound, bound)
            if weight.numel():
                nn.init.xavier_uniform_(weight)

    def forward(self, x: SparseRows) -> torch.Tensor:
        """Map rows of shape (n_rows, n_features) to (n_rows, n_blocks * n_output)."""
        return self.bags(x).reshape(x.n_rows, -1) + self.bias

    def bags(self, x: SparseRows) -> torch.Tensor:
        """Return the product without bias, of shape (n_rows, n_blocks, n_output)."""
        return blocked_product(x, self.weight, self.borders)


class BlockedLinear(nn.Module):
    r"""Apply one linear layer per block, each from its own hidden units to its own features.

    .. math:: l_{ij} = h_{ic(j)} \cdot w_j + b_j

    Parameters
    ----------
    blocks
        Number of features in each block.
    n_input
        Hidden units of each block.
    scale
        Factor on the Xavier-uniform initial weights; below 1 the first outputs stay close to
        the bias.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import BlockedLinear
    >>> BlockedLinear(blocks=(6, 4), n_input=3)(torch.zeros(2, 6)).shape
    torch.Size([2, 10])
    """

    borders: torch.Tensor

    def __init__(self, blocks: Sequence[int], n_input: int, *, scale: float = 1.0):
        super().__init__()
        self.blocks = _checked(blocks)
        self.n_input = n_input
        self.weight = nn.Parameter(torch.empty(sum(self.blocks), n_input))
        self.bias = nn.Parameter(torch.empty(sum(self.blocks)))
        borders = torch.tensor([0, *self.blocks]).cumsum(0)
        self.register_buffer("borders", borders, persistent=False)
        self.reset_parameters(scale)

    def reset_parameters(self, scale: float = 1.0) -> None:
        """Draw Xavier-uniform weights times ``scale`` and torch's default biases."""
        bound = 1 / math.sqrt(self.n_input)
        nn.init.uniform_(self.bias, -bound, bound)
        for weight in self.weight.split(self.blocks):
            if weight.numel():
                nn.init.xavier_uniform_(weight, gain=scale)

    def forward(self, hidden: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """Map hidden units (n_rows, n_blocks * n_input) to logits (n_rows, n_features).

        Another ``bias`` of shape (n_features,) may take the place of the layer's own.
        """
        parts = zip(
            hidden.split(self.n_input, dim=1),
            self.weight.split(self.blocks),
            (self.bias if bias is None else bias).split(self.blocks),
            strict=True,
        )
        return torch.cat([torch.addmm(b, h, w.t()) for h, w, b in parts], dim=1)

    def bernoulli_nll(
        self, hidden: torch.Tensor, target: SparseRows, offset: torch.Tensor
    ) -> torch.Tensor:
        r"""Return each row's Bernoulli negative log-likelihood, fused with the layer.

        .. math:: \ell_i = \sum_j \log(1 + e^{l_{ij} + o_i}) - \sum_{j} y_{ij} (l_{ij} + o_i)

        The second sum runs over stored targets only; it is a sparse product with the weight,
        so neither sum forms the logits as a matrix. Targets in [0, 1] give the cross-entropy.

        Parameters
        ----------
        hidden
            Hidden units of shape (n_sources * n_rows, n_blocks * n_input): several sources'
            decodings of the same rows may be stacked.
        target
            Targets of shape (n_rows, n_features).
        offset
            Added to the logits of a row, of shape (n_rows,).

        Returns
        -------
        Tensor of shape (n_sources * n_rows,).
        """
        # a loss keeps its precision under autocast, as torch's own do
        with torch.autocast(hidden.device.type, enabled=False):
            return self._bernoulli_nll(hidden.to(self.weight.dtype), target, offset)

    def _bernoulli_nll(
        self, hidden: torch.Tensor, target: SparseRows, offset: torch.Tensor
    ) -> torch.Tensor:
        n_sources = hidden.shape[0] // max(target.n_rows, 1)
        hidden = hidden.view(-1, len(self.blocks), self.n_input)
        stacked_offset = offset.repeat(n_sources)
        everywhere = softplus_sum(hidden, self.weight, self.bias, stacked_offset, self.blocks)
        at_target = blocked_product(target, self.weight, self.borders)
        by_source = hidden.view(n_sources, *at_target.shape)
        stored = torch.einsum("sbck,bck->sb", by_source, at_target)
        bias = bag_product(target.values, target.columns, target.offsets, self.bias[:, None])
        stored = stored + bias[:, 0] + offset * target.row_sums()
        return everywhere - stored.reshape(-1)


def blocked_product(x: SparseRows, weight: torch.Tensor, borders: torch.Tensor) -> torch.Tensor:
    """Multiply sparse rows with a weight, block by block.

    Parameters
    ----------
    x
        Rows of shape (n_rows, n_features), columns ascending within a row.
    weight
        Weight of shape (n_features, n_output).
    borders
        Where blocks begin and the last one ends, of shape (n_blocks + 1,).

    Returns
    -------
    Tensor of shape (n_rows, n_blocks, n_output).
    """
    offsets = split_offsets(x, borders)
    product = bag_product(x.values, x.columns, offsets, weight)
    return product.view(x.n_rows, borders.shape[0] - 1, weight.shape[1])


def split_offsets(x: SparseRows, borders: torch.Tensor) -> torch.Tensor:
    """Cut each row at the block borders.

    Returns
    -------
    Offsets of the (row, block) rows, of shape (n_rows * n_blocks + 1,).
    """
    if borders.shape[0] == 2:
        return x.offsets
    keys = x.row_index() * x.n_columns + x.columns
    first = torch.arange(x.n_rows, device=keys.device)[:, None] * x.n_columns
    cuts = torch.searchsorted(keys, (first + borders[:-1]).reshape(-1))
    return torch.cat([cuts, x.offsets[-1:].long()]).to(x.columns.dtype)


def _checked(blocks: Sequence[int]) -> tuple[int, ...]:
    blocks = tuple(int(size) for size in blocks)
    if not blocks or min(blocks) < 0:
        raise ValueError(f"blocks must be one or more sizes of at least 0, got {blocks}.")
    return blocks
