from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from scvi_xmodal.nn import Translator

SOURCES, TARGETS = ["rna", "atac"], ["rna", "atac", "protein"]


def _translator(**options):
    torch.manual_seed(0)
    return Translator(SOURCES, TARGETS, n_embedding=6, n_latent=4, **options)


@pytest.mark.parametrize("head_activation", [False, True])
@pytest.mark.parametrize("n_rows", [2, 9])
def test_shapes(head_activation, n_rows):
    translator = _translator(head_activation=head_activation)
    for source in SOURCES:
        qz = translator.posterior(source, torch.randn(n_rows, 6))
        assert qz.mean.shape == qz.stddev.shape == qz.rsample().shape == (n_rows, 4)
        for target in TARGETS:
            assert translator.decode(target, qz.mean).shape == (n_rows, 6)


def test_posterior_is_two_linear_heads():
    translator, e = _translator(), torch.randn(5, 6)
    qz = translator.posterior("atac", e)
    mean, log_variance = translator.mean["atac"].linear, translator.log_variance["atac"].linear
    torch.testing.assert_close(qz.mean, F.linear(e, mean.weight, mean.bias))
    expected = F.linear(e, log_variance.weight, log_variance.bias)
    torch.testing.assert_close(qz.variance, expected.exp())


@pytest.mark.parametrize("sign", [-1, 1])
def test_log_variance_is_held_within_ten(sign):
    translator = _translator()
    translator.log_variance["rna"].linear.bias.data.fill_(sign * 1e4)
    qz = translator.posterior("rna", torch.zeros(2, 6))
    torch.testing.assert_close(qz.stddev, torch.full((2, 4), math.exp(sign * 5)))


@pytest.mark.parametrize("n_rows", [2, 10, 64])
def test_published_heads_never_grow_certain(n_rows):
    """Batch norm bounds a value by sqrt(n - 1) s.d. and LeakyReLU takes a hundredth of it."""
    translator = _translator(head_activation=True)
    lowest = -0.01 * math.sqrt(n_rows - 1)
    for scale in (0.1, 1, 1000):
        qz = translator.posterior("rna", scale * torch.randn(n_rows, 6))
        assert qz.variance.log().min() >= lowest - 1e-6
    typical = translator.posterior("rna", torch.randn(1000, 6)).stddev
    assert typical.min() > 0.97
    assert typical.quantile(0.01) > 0.98


def test_published_heads_are_norm_and_leaky_relu():
    translator, e = _translator(head_activation=True), torch.randn(5, 6)
    qz = translator.posterior("rna", e)
    for values, head in (
        (qz.mean, translator.mean["rna"]),
        (2 * qz.stddev.log(), translator.log_variance["rna"]),
    ):
        linear = F.linear(e, head.linear.weight, head.linear.bias)
        expected = F.leaky_relu(F.batch_norm(linear, None, None, training=True), 0.01)
        torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-5)


def test_all_sources_share_a_targets_block_and_nothing_else():
    translator = _translator()
    sizes = {
        name: sum(p.numel() for p in part.parameters())
        for name, part in translator.named_children()
    }
    head, block = 6 * 4 + 4, 4 * 6 + 6 + 2 * 6
    assert sizes == {"mean": 2 * head, "log_variance": 2 * head, "output": 3 * block}


def test_decode_is_linear_norm_and_leaky_relu():
    translator, z = _translator(), torch.randn(5, 4)
    linear = translator.output["protein"].linear(z)
    expected = F.leaky_relu(F.batch_norm(linear, None, None, training=True), 0.01)
    torch.testing.assert_close(translator.decode("protein", z), expected)


def test_gradients_pass_through_the_sample():
    translator, e = _translator(), torch.randn(5, 6, requires_grad=True)
    translator.decode("atac", translator.posterior("rna", e).rsample()).square().sum().backward()
    assert e.grad.abs().sum() > 0
    assert translator.log_variance["rna"].linear.weight.grad.abs().sum() > 0
