from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from scvi_xmodal.nn import _softplus, softplus_sum

INPUTS = ("hidden", "weight", "bias", "offset")


def _inputs(blocks, n_rows=5, n_hidden=3, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return (2 * torch.randn(*shape, generator=generator, dtype=dtype)).requires_grad_()

    n_features = sum(blocks)
    return (
        draw(n_rows, len(blocks), n_hidden),
        draw(n_features, n_hidden),
        draw(n_features),
        draw(n_rows),
    )


def _dense(hidden, weight, bias, offset, block):
    logits = (hidden[:, block] * weight).sum(-1) + bias + offset[:, None]
    # far tails: torch's own switches to the identity at 20
    return F.softplus(logits, threshold=1000).sum(1)


@pytest.mark.parametrize("upstream", ["equal", "unequal"])
@pytest.mark.parametrize("tile", [1, 3, 4, 1000])
def test_equals_dense_softplus_with_its_gradients(blocks, block_of, tile, upstream, monkeypatch):
    monkeypatch.setattr(_softplus, "_CPU_TILE", tile)
    inputs = _inputs(blocks)
    weight = torch.full((5,), 0.7) if upstream == "equal" else torch.linspace(-1, 2, 5)
    weight = weight.double()
    own = softplus_sum(*inputs, blocks)
    expected = _dense(*inputs, block_of(blocks))
    torch.testing.assert_close(own, expected)
    torch.testing.assert_close(
        torch.autograd.grad(own, inputs, weight), torch.autograd.grad(expected, inputs, weight)
    )


@pytest.mark.parametrize("tile", [3, 1000])
def test_gradcheck(tile, monkeypatch):
    monkeypatch.setattr(_softplus, "_CPU_TILE", tile)
    blocks = (4, 0, 1, 5)
    inputs = _inputs(blocks, n_rows=3, n_hidden=2)
    assert torch.autograd.gradcheck(lambda *x: softplus_sum(*x, blocks), inputs)


@pytest.mark.parametrize("name", INPUTS)
def test_gradient_of_one_input_alone(name):
    blocks = (4, 3)
    inputs = dict(zip(INPUTS, _inputs(blocks), strict=True))
    (expected,) = torch.autograd.grad(
        softplus_sum(*inputs.values(), blocks).square().sum(), inputs[name]
    )
    alone = {key: x.detach().requires_grad_(key == name) for key, x in inputs.items()}
    softplus_sum(*alone.values(), blocks).square().sum().backward()
    torch.testing.assert_close(alone[name].grad, expected)
    assert all(x.grad is None for key, x in alone.items() if key != name)


def test_value_without_gradients_is_the_same():
    blocks = (4, 3)
    inputs = _inputs(blocks)
    with_gradient = softplus_sum(*inputs, blocks)
    with torch.no_grad():
        without = softplus_sum(*inputs, blocks)
    assert not without.requires_grad
    torch.testing.assert_close(without, with_gradient.detach(), rtol=0, atol=0)


def test_backward_twice_gives_the_same():
    blocks = (4, 3)
    inputs = _inputs(blocks)
    total = softplus_sum(*inputs, blocks).mean()
    first = torch.autograd.grad(total, inputs, retain_graph=True)
    kept = [gradient.clone() for gradient in first]
    torch.testing.assert_close(torch.autograd.grad(total, inputs), first)
    torch.testing.assert_close(list(first), kept, rtol=0, atol=0)  # nobody wrote into them


def test_leaves_its_inputs_alone_in_any_layout():
    blocks = (4, 3)
    hidden, *others = _inputs(blocks)
    copies = [x.detach().clone() for x in (hidden, *others)]
    strided = hidden.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    own = softplus_sum(strided, *others, blocks)
    own.sum().backward()
    torch.testing.assert_close(own, softplus_sum(hidden, *others, blocks))
    for now, before in zip((strided, *others), copies, strict=True):
        torch.testing.assert_close(now.detach(), before, rtol=0, atol=0)


@pytest.mark.parametrize("n_features", [1, 2, 3, 8])
@pytest.mark.parametrize("logit", [-100.0, -40.0, 0.0, 40.0, 100.0])
def test_extreme_logits_in_double_precision(logit, n_features):
    hidden = torch.zeros(2, 1, 1, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(n_features, 1, dtype=torch.float64)
    bias = torch.full((n_features,), logit, dtype=torch.float64, requires_grad=True)
    offset = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    total = softplus_sum(hidden, weight, bias, offset, (n_features,))
    exact = n_features * (max(logit, 0.0) + math.log1p(math.exp(-abs(logit))))
    assert total.tolist() == pytest.approx([exact] * 2, rel=1e-12, abs=1e-13)
    total.sum().backward()
    opened = 1 / (1 + math.exp(-logit))
    assert bias.grad.tolist() == pytest.approx([2 * opened] * n_features, abs=1e-13)
    assert offset.grad.tolist() == pytest.approx([n_features * opened] * 2, abs=1e-13)


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_stays_finite_where_single_precision_ends(n_features):
    logits = torch.full((n_features,), 500.0, requires_grad=True)
    parts = torch.zeros(1, 1, 1), torch.zeros(n_features, 1), logits, torch.zeros(1)
    total = softplus_sum(*parts, (n_features,))
    total.sum().backward()
    assert torch.isfinite(total).all()
    assert total.item() >= 85 * math.ceil(n_features / 2) - 1
    assert logits.grad.tolist() == [1.0] * n_features


def test_single_precision_is_close_to_double(block_of):
    blocks = (700, 1, 300)
    exact = _inputs(blocks, n_rows=9, n_hidden=8)
    single = [x.detach().float().requires_grad_() for x in exact]
    own, expected = softplus_sum(*single, blocks), _dense(*exact, block_of(blocks))
    torch.testing.assert_close(own.double(), expected, rtol=1e-5, atol=1e-4)
    own.mean().backward()
    expected.mean().backward()
    for x, y in zip(single, exact, strict=True):
        torch.testing.assert_close(x.grad.double(), y.grad, rtol=1e-4, atol=1e-5)


def test_rare_peaks_keep_their_probability_in_single_precision():
    """At 1 open cell in 10,000 the tail that pairs share must not be rounded away."""
    n_features, rate = 10_000, 1e-4
    bias = torch.full((n_features,), math.log(rate / (1 - rate)), requires_grad=True)
    parts = torch.zeros(1, 1, 1), torch.zeros(n_features, 1), bias, torch.zeros(1)
    total = softplus_sum(*parts, (n_features,))
    total.sum().backward()
    assert total.item() == pytest.approx(-n_features * math.log1p(-rate), rel=1e-3)
    assert bias.grad.sum().item() == pytest.approx(n_features * rate, rel=1e-3)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_tiles_cover_each_feature_once_and_stay_in_their_block(blocks, device, monkeypatch):
    monkeypatch.setattr(_softplus, "_CPU_TILE", 3)
    tiles = list(_softplus._tiles(blocks, torch.device(device)))
    features = [j for _, tile in tiles for j in range(tile.start, tile.stop)]
    assert features == list(range(sum(blocks)))
    owner = [block for block, tile in tiles for _ in range(tile.start, tile.stop)]
    assert owner == [block for block, size in enumerate(blocks) for _ in range(size)]
    largest = max(tile.stop - tile.start for _, tile in tiles)
    assert largest == (min(3, max(blocks)) if device == "cpu" else max(blocks))


@pytest.mark.parametrize("upstream", ["equal", "unequal"])
def test_never_forms_the_matrix_of_logits(upstream, largest_tensor, monkeypatch):
    monkeypatch.setattr(_softplus, "_CPU_TILE", 100)
    blocks, n_rows = (450, 0, 250, 1, 299), 40
    inputs = _inputs(blocks, n_rows=n_rows, n_hidden=4)
    weight = torch.ones(n_rows) if upstream == "equal" else torch.rand(n_rows)
    with largest_tensor as seen:
        softplus_sum(*inputs, blocks).backward(weight.double())
    assert n_rows * 100 <= seen.n_elements < n_rows * sum(blocks) / 2
