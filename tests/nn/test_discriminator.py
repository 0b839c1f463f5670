from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from scvi_xmodal.nn import Discriminator, discriminator_loss

N_ROWS = 400


def _embeddings(seed, keys=("rna", "atac")):
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(N_ROWS, 5, generator=generator) for key in keys}


def test_one_layer_is_linear_and_batch_norm():
    discriminator, e = Discriminator(5, n_layers=1), torch.randn(9, 5)
    linear = discriminator.layers.linear
    logit = (e @ linear.weight.t() + linear.bias)[:, 0]
    expected = (logit - logit.mean()) / (logit.var(unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(discriminator(e), expected)
    assert (discriminator(e) < 0).any()
    assert sum(p.numel() for p in Discriminator(128, n_layers=1).parameters()) == 131


def test_two_layers_are_linear_leaky_relu_linear():
    discriminator, e = Discriminator(5, n_layers=2), torch.randn(9, 5)
    first, last = discriminator.layers[0].linear, discriminator.layers[1]
    hidden = e @ first.weight.t() + first.bias
    hidden = torch.where(hidden > 0, hidden, 0.01 * hidden)
    expected = (hidden @ last.weight.t() + last.bias)[:, 0]
    torch.testing.assert_close(discriminator(e), expected)
    torch.testing.assert_close(discriminator(e[:1]), expected[:1])


@pytest.mark.parametrize("n_layers", [0, 3])
def test_other_depths_are_refused(n_layers):
    with pytest.raises(ValueError, match=f"1 or 2 layers, got {n_layers}"):
        Discriminator(5, n_layers=n_layers)


@pytest.mark.parametrize("keys", [("rna", "atac"), ("rna", "atac", "protein")])
def test_loss_equals_a_plain_recomputation(keys):
    torch.manual_seed(0)
    discriminators = {key: Discriminator(5) for key in keys}
    real, fake = _embeddings(1, keys), _embeddings(2, keys)
    torch.manual_seed(7)
    own = discriminator_loss(discriminators, real, fake)
    torch.manual_seed(7)
    u = torch.rand(N_ROWS).numpy()

    expected = 0.0
    for key in keys:
        seen = np.where((u > 0.5)[:, None], real[key].numpy(), fake[key].numpy())
        label = np.select(
            [u > 0.8, u > 0.5, u > 0.2], [u, np.full(N_ROWS, 0.8), np.full(N_ROWS, 0.2)], u
        )
        logit = discriminators[key](torch.from_numpy(seen)).detach().numpy().astype(np.float64)
        p = 1 / (1 + np.exp(-logit))
        expected += -np.mean(label * np.log(p) + (1 - label) * np.log(1 - p))
    assert own.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n_modalities", [1, 2, 3])
def test_chance_is_log_two_for_each_modality(n_modalities):
    keys = [f"m{i}" for i in range(n_modalities)]
    discriminators = {key: Discriminator(5) for key in keys}
    for discriminator in discriminators.values():
        nn.init.zeros_(discriminator.layers[1].weight)
        nn.init.zeros_(discriminator.layers[1].bias)
    loss = discriminator_loss(discriminators, _embeddings(1, keys), _embeddings(2, keys))
    assert loss.item() == pytest.approx(n_modalities * math.log(2), rel=1e-6)


class _Sum(nn.Module):
    """A discriminator that knows: real embeddings are positive, fake ones negative."""

    def forward(self, embedding):
        return embedding.sum(-1)


def test_soft_labels_punish_certainty():
    """With labels of .8 to 1 and 0 to .2 the best logit is finite."""
    torch.manual_seed(0)
    discriminators = nn.ModuleDict({"rna": _Sum()})

    def loss(logit):
        real, fake = torch.full((50_000, 1), logit), torch.full((50_000, 1), -logit)
        return discriminator_loss(discriminators, {"rna": real}, {"rna": fake}).item()

    # three in five labels are .8, the others U(.8, 1): the mean is .84
    best = math.log(0.84 / 0.16)
    entropy = -(0.84 * math.log(0.84) + 0.16 * math.log(0.16))
    assert loss(best) == pytest.approx(entropy, abs=0.01)
    assert loss(best) < min(loss(best - 1), loss(best + 1), loss(0.0))


def test_gradients_reach_both_kinds_of_embeddings_and_the_discriminators():
    discriminators = nn.ModuleDict({"rna": Discriminator(5), "atac": Discriminator(5)})
    real = {key: e.requires_grad_() for key, e in _embeddings(1).items()}
    fake = {key: e.requires_grad_() for key, e in _embeddings(2).items()}
    torch.manual_seed(3)
    discriminator_loss(discriminators, real, fake).backward()
    torch.manual_seed(3)
    is_real = torch.rand(N_ROWS) > 0.5
    for key in real:
        assert torch.equal(real[key].grad.any(1), is_real)
        assert torch.equal(fake[key].grad.any(1), ~is_real)
    assert all(p.grad.any() for p in discriminators.parameters())
