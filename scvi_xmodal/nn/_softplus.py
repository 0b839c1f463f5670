"""The sum of softplus over the outputs of a blocked layer, without forming the outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from collections.abc import Iterator

_CPU_TILE = 1536
"""Outputs computed at a time on CPU, so that a tile of logits stays in the cache."""


def softplus_sum(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    offset: torch.Tensor,
    blocks: tuple[int, ...],
) -> torch.Tensor:
    r"""Sum softplus over all logits of each row of a block-diagonal layer.

    .. math:: s_i = \sum_c \sum_{j \in c} \log\bigl(1 + e^{h_{ic} \cdot w_j + b_j + o_i}\bigr)

    The part of the Bernoulli negative log-likelihood that every peak contributes to. Logits are
    made tile by tile and dropped again; where gradients are wanted they are formed in the same
    visit, so the matrix of shape (n_rows, n_features) never exists. Exact up to rounding: two
    :math:`\sigma(-l)` are multiplied before one logarithm is taken (in single precision the sum
    of such a pair saturates at 85; its gradient does not).

    Parameters
    ----------
    hidden
        Hidden units of shape (n_rows, n_blocks, n_hidden).
    weight
        Output weight of shape (n_features, n_hidden), block after block.
    bias
        Output bias of shape (n_features,).
    offset
        Added to all logits of a row, of shape (n_rows,).
    blocks
        Number of features in each block.

    Returns
    -------
    Tensor of shape (n_rows,).
    """
    inputs = (hidden, weight, bias, offset)
    with_gradient = torch.is_grad_enabled() and any(x.requires_grad for x in inputs)
    return _SoftplusSum.apply(*inputs, blocks, with_gradient)


class _SoftplusSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        offset: torch.Tensor,
        blocks: tuple[int, ...],
        with_gradient: bool,
    ) -> torch.Tensor:
        # On CPU the gradient for equal upstream weights (a mean over cells) is taken along;
        # to ask on a GPU whether they are equal would stop it, so there it is recomputed.
        along = with_gradient and hidden.device.type == "cpu"
        scale = hidden.new_ones(hidden.shape[0]) if along else None
        total, gradients = _visit(hidden, weight, bias, offset, blocks, scale)
        ctx.blocks = blocks
        ctx.save_for_backward(hidden, weight, bias, offset)
        ctx.ready = gradients
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[Any, ...]:
        hidden, weight, bias, offset = ctx.saved_tensors
        # handed out once and scaled in place; a second backward pass computes them anew
        ready, ctx.ready = ctx.ready, None
        if ready is not None and bool((upstream == upstream[0]).all()):
            return *(g.mul_(upstream[0]) for g in ready), None, None
        _, gradients = _visit(hidden, weight, bias, offset, ctx.blocks, upstream)
        return *(gradients or ()), None, None


def _visit(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    offset: torch.Tensor,
    blocks: tuple[int, ...],
    scale: torch.Tensor | None,
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...] | None]:
    """Visit all tiles; with ``scale`` (n_rows,), weight each row's gradient by it.

    A tile has a row for each output and a column for each row of ``hidden``: so all three
    products read and write the long weight in the order in which it lies in memory.
    """
    by_block = hidden.transpose(0, 1)
    negative_hidden = by_block.neg().transpose(1, 2).contiguous()
    negative_bias = bias.neg()[:, None]
    total = torch.zeros_like(offset)
    if scale is not None:
        weighted = by_block * scale[:, None]
        grad_hidden, grad_weight = torch.zeros_like(negative_hidden), torch.empty_like(weight)
        grad_bias, grad_offset = torch.empty_like(bias), torch.zeros_like(offset)
    for block, tile in _tiles(blocks, hidden.device):
        # minus the logits, of shape (n_outputs, n_rows)
        negative = torch.addmm(negative_bias[tile], weight[tile], negative_hidden[block])
        closed = negative.sub_(offset).sigmoid_()  # softplus is minus its logarithm
        total -= _log_sum(closed)
        if scale is None:
            continue
        opened = torch.rsub(closed, 1.0)
        grad_hidden[block].addmm_(weight[tile].t(), opened)
        torch.mm(opened, weighted[block], out=grad_weight[tile])
        torch.mv(opened, scale, out=grad_bias[tile])
        grad_offset += opened.sum(0)
    if scale is None:
        return total, None
    grad_hidden = (grad_hidden * scale).permute(2, 0, 1)
    return total, (grad_hidden, grad_weight, grad_bias, grad_offset * scale)


def _tiles(blocks: tuple[int, ...], device: torch.device) -> Iterator[tuple[int, slice]]:
    start = 0
    for block, size in enumerate(blocks):
        tile = _CPU_TILE if device.type == "cpu" else max(size, 1)
        for first in range(start, start + size, tile):
            yield block, slice(first, min(first + tile, start + size))
        start += size


def _log_sum(probability: torch.Tensor) -> torch.Tensor:
    """Return each column's sum of logarithms, two values at a time."""
    half = probability.shape[0] // 2
    pairs = probability[:half] * probability[half : 2 * half]
    # the floor keeps the logarithm finite where the two logits add up to more than 85 (single
    # precision)
    floor = torch.finfo(pairs.dtype).tiny * 10
    total = pairs.clamp_(min=floor).log_().sum(0)
    if probability.shape[0] % 2:
        total += probability[-1].clamp(min=floor).log()
    return total
