"""Masking of inputs, so that translation does not hang on single features."""

from __future__ import annotations

import torch
from torch import nn

from scvi_xmodal.nn._sparse import SparseRows


class Mask(nn.Module):
    r"""Set a random share of the inputs to 0 in training and rescale the rest.

    .. math:: \tilde x_j = \frac{m_j}{1 - p} x_j, \quad m_j \sim \text{Bernoulli}(1 - p)

    scButterfly's paper sets 50 % (RNA) and 30 % (ATAC) of the inputs to 0; its code also
    rescales the survivors, as here. Zeros stay zeros, so only stored values are drawn for.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import Mask
    >>> Mask(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, rate: float):
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"A mask's rate must be in [0, 1), got {rate}.")
        self.rate = rate

    def forward(self, x: torch.Tensor | SparseRows) -> torch.Tensor | SparseRows:
        """Mask inputs of shape (n_rows, n_features), dense or sparse."""
        if isinstance(x, SparseRows):
            return x.with_values(self._masked(x.values))
        return self._masked(x)

    def _masked(self, values: torch.Tensor) -> torch.Tensor:
        if not self.training or self.rate == 0:
            return values
        # uniform numbers take a third of the time of torch's Bernoulli ones on CPU
        kept = torch.rand_like(values).ge_(self.rate)
        return values * kept.mul_(1 / (1 - self.rate))
