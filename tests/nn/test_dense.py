from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from scvi_xmodal.nn import DenseLayer


def _input(n_rows=7, n_input=4):
    return torch.randn(n_rows, n_input, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("slope", [None, 0.01, 0.3])
def test_order_of_the_parts_in_training(slope):
    layer, x = DenseLayer(4, 3, negative_slope=slope), _input()
    with torch.no_grad():
        layer.norm.weight.copy_(torch.tensor([1.0, -2, 0.5]))
        layer.norm.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    linear = x @ layer.linear.weight.t() + layer.linear.bias
    scaled = (linear - linear.mean(0)) / (linear.var(0, unbiased=False) + 1e-5).sqrt()
    expected = scaled * layer.norm.weight + layer.norm.bias
    if slope is not None:
        expected = torch.where(expected > 0, expected, slope * expected)
    torch.testing.assert_close(layer(x), expected)


def test_running_statistics_are_used_in_evaluation():
    layer, x = DenseLayer(4, 3), _input()
    layer(x)
    layer.eval()
    linear = x @ layer.linear.weight.t() + layer.linear.bias
    running_mean, running_var = 0.1 * linear.mean(0), 0.9 + 0.1 * linear.var(0)
    expected = F.leaky_relu((linear - running_mean) / (running_var + 1e-5).sqrt(), 0.01)
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x[:1]), expected[:1])


def test_without_options_it_is_a_linear_layer():
    layer, x = DenseLayer(4, 3, use_batch_norm=False, negative_slope=None), _input()
    torch.testing.assert_close(layer(x), F.linear(x, layer.linear.weight, layer.linear.bias))
    assert len(list(layer.parameters())) == 2


def test_without_inputs_it_starts_at_the_norm():
    layer, x = DenseLayer(None, 4), _input()
    expected = F.leaky_relu(F.batch_norm(x, None, None, training=True), 0.01)
    torch.testing.assert_close(layer(x), expected)
    assert sum(p.numel() for p in layer.parameters()) == 8


def test_dropout_comes_last_and_only_in_training():
    torch.manual_seed(0)
    layer = DenseLayer(4, 50, use_batch_norm=False, negative_slope=1.0, dropout_rate=0.4)
    x = _input(n_rows=200)
    plain = F.linear(x, layer.linear.weight, layer.linear.bias)
    dropped = layer(x)
    kept = dropped != 0
    assert 1 - kept.float().mean().item() == pytest.approx(0.4, abs=0.02)
    torch.testing.assert_close(dropped[kept], plain[kept] / 0.6)
    torch.testing.assert_close(layer.eval()(x), plain)


def test_initial_weights_are_xavier_uniform():
    torch.manual_seed(0)
    bound = (6 / (100 + 60)) ** 0.5
    largest = DenseLayer(100, 60).linear.weight.abs().max()
    assert 0.98 * bound < largest <= bound


@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (5, 1)])
def test_small_sizes(sizes):
    n_input, n_output = sizes
    assert DenseLayer(*sizes)(torch.randn(2, n_input)).shape == (2, n_output)
    assert DenseLayer(*sizes).eval()(torch.randn(1, n_input)).shape == (1, n_output)
