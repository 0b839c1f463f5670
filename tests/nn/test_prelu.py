from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from scvi_xmodal.nn import BlockedDense, NormPReLU


class TestNormPReLU:
    @pytest.mark.parametrize("n_blocks", [1, 3])
    def test_equals_torchs_layers_block_by_block(self, n_blocks):
        layer = NormPReLU(6, n_blocks=n_blocks)
        layer.slope.data.copy_(torch.linspace(0.1, 0.5, n_blocks))
        x = torch.randn(5, 6)
        normed = nn.BatchNorm1d(6)(x)
        expected = []
        for slope, part in zip(layer.slope.tolist(), normed.chunk(n_blocks, dim=1), strict=True):
            own = nn.PReLU()
            own.weight.data.fill_(slope)
            expected.append(own(part))
        torch.testing.assert_close(layer(x), torch.cat(expected, dim=1))

    def test_slopes_learn(self):
        layer = NormPReLU(4, n_blocks=2)
        layer(torch.randn(6, 4)).square().sum().backward()
        assert layer.slope.grad.shape == (2,)
        assert layer.slope.grad.all()


class TestBlockedDense:
    @pytest.mark.parametrize("n_blocks", [1, 4])
    @pytest.mark.parametrize("n_rows", [1, 5])
    def test_equals_a_block_diagonal_layer(self, n_blocks, n_rows):
        layer = BlockedDense(n_blocks, 3, 2).double()
        x = torch.randn(n_rows, 3 * n_blocks).double()
        expected = x @ torch.block_diag(*layer.weight) + layer.bias
        torch.testing.assert_close(layer(x), expected)

    def test_initial_values_are_those_of_a_layer_per_block(self):
        layer = BlockedDense(3, 40, 30)
        bound = math.sqrt(6 / 70)
        for weight in layer.weight:
            assert 0.95 * bound < weight.abs().max() <= bound
        assert 0.9 / math.sqrt(40) < layer.bias.abs().max() <= 1 / math.sqrt(40)
