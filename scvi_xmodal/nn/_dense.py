"""The dense layer that every network is built of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    import torch


class DenseLayer(nn.Module):
    """Linear layer, batch norm, LeakyReLU and dropout, each but the first on demand.

    Weights are Xavier-uniform and biases torch's default, as in scButterfly's code.

    Parameters
    ----------
    n_input
        Inputs; with ``None`` the linear layer is left out (it was applied before, sparsely).
    n_output
        Outputs.
    use_batch_norm
        Whether to normalise over the minibatch.
    negative_slope
        Slope of the LeakyReLU below 0; ``None`` for no activation.
    dropout_rate
        Share of outputs set to 0 in training.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import DenseLayer
    >>> DenseLayer(3, 2)(torch.zeros(4, 3)).shape
    torch.Size([4, 2])
    """

    def __init__(
        self,
        n_input: int | None,
        n_output: int,
        *,
        use_batch_norm: bool = True,
        negative_slope: float | None = 0.01,
        dropout_rate: float = 0.0,
    ):
        super().__init__()
        self.linear = nn.Identity() if n_input is None else _xavier_linear(n_input, n_output)
        self.norm = nn.BatchNorm1d(n_output) if use_batch_norm else nn.Identity()
        self.activation = nn.Identity() if negative_slope is None else nn.LeakyReLU(negative_slope)
        self.dropout = nn.Dropout(dropout_rate) if dropout_rate else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map inputs (n_rows, n_input) to outputs (n_rows, n_output)."""
        return self.dropout(self.activation(self.norm(self.linear(x))))


def _xavier_linear(n_input: int, n_output: int) -> nn.Linear:
    linear = nn.Linear(n_input, n_output)
    nn.init.xavier_uniform_(linear.weight)
    return linear
