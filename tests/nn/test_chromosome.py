from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import sparse

from scvi_xmodal.nn import BlockedLinear, BlockedSparseLinear, SparseRows, _softplus
from scvi_xmodal.nn._chromosome import split_offsets

N_ROWS, N_HIDDEN = 6, 3


def _masked_weight(layer, block_of):
    """Return the (n_features, n_blocks * n_output) weight of the equivalent dense layer."""
    mask = F.one_hot(block_of, len(layer.blocks)).to(layer.weight.dtype)
    return (mask[:, :, None] * layer.weight[:, None, :]).flatten(1)


def _block_diagonal(layer):
    """Return the (n_blocks * n_input, n_features) weight of the equivalent dense layer."""
    return torch.block_diag(*[weight.t() for weight in layer.weight.split(layer.blocks)])


class TestBlockedSparseLinear:
    @pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
    def test_equals_a_masked_dense_layer(self, blocks, block_of, random_rows, index_type):
        layer = BlockedSparseLinear(blocks, N_HIDDEN).double()
        x = random_rows(N_ROWS, sum(blocks))
        values = x.values.clone().requires_grad_()
        x = SparseRows(values, x.columns.to(index_type), x.offsets.to(index_type), x.n_columns)
        inputs = (values, layer.weight, layer.bias)
        own = layer(x)
        expected = x.to_dense() @ _masked_weight(layer, block_of(blocks)) + layer.bias
        torch.testing.assert_close(own, expected)
        upstream = torch.randn_like(expected)
        torch.testing.assert_close(
            torch.autograd.grad(own, inputs, upstream),
            torch.autograd.grad(expected, inputs, upstream),
        )

    def test_bags_are_the_outputs_without_bias(self, blocks, random_rows):
        layer = BlockedSparseLinear(blocks, N_HIDDEN).double()
        x = random_rows(N_ROWS, sum(blocks))
        bags = layer.bags(x)
        assert bags.shape == (N_ROWS, len(blocks), N_HIDDEN)
        torch.testing.assert_close(bags.flatten(1) + layer.bias, layer(x))

    @pytest.mark.parametrize("n_rows", [1, 2])
    def test_rows_without_values_give_the_bias(self, blocks, n_rows):
        layer = BlockedSparseLinear(blocks, N_HIDDEN)
        empty = sparse.csr_matrix((n_rows, sum(blocks)), dtype=np.float32)
        own = layer(SparseRows.from_scipy(empty))
        torch.testing.assert_close(own, layer.bias.expand(n_rows, -1))
        own.sum().backward()
        assert not layer.weight.grad.any()
        assert layer.bias.grad.tolist() == [n_rows] * layer.bias.numel()

    def test_a_row_does_not_depend_on_its_company(self, random_csr):
        layer = BlockedSparseLinear((4, 0, 1, 7), N_HIDDEN).double()
        matrix = random_csr(N_ROWS, 12)
        together = layer(SparseRows.from_scipy(matrix))
        for i in range(N_ROWS):
            torch.testing.assert_close(layer(SparseRows.from_scipy(matrix[i]))[0], together[i])

    def test_initial_values_are_those_of_a_layer_per_block(self):
        torch.manual_seed(0)
        blocks, n_output = (400, 9), 50
        layer = BlockedSparseLinear(blocks, n_output)
        biases = layer.bias.detach().view(2, n_output)
        for size, weight, bias in zip(blocks, layer.weight.split(blocks), biases, strict=True):
            xavier, default = math.sqrt(6 / (size + n_output)), 1 / math.sqrt(size)
            assert 0.95 * xavier < weight.abs().max() <= xavier
            assert 0.8 * default < bias.abs().max() <= default


@pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
def test_rows_are_cut_at_block_borders(blocks, block_of, random_rows, index_type):
    x = random_rows(N_ROWS, sum(blocks))
    x = SparseRows(x.values, x.columns.to(index_type), x.offsets.to(index_type), x.n_columns)
    offsets = split_offsets(x, torch.tensor([0, *blocks]).cumsum(0))
    assert offsets.dtype == index_type
    owner = block_of(blocks)
    sizes = [
        int((owner[x.columns[x.offsets[i] : x.offsets[i + 1]].long()] == block).sum())
        for i in range(N_ROWS)
        for block in range(len(blocks))
    ]
    assert offsets.tolist() == np.cumsum([0, *sizes]).tolist()


@pytest.mark.parametrize("layer", [BlockedLinear, BlockedSparseLinear])
@pytest.mark.parametrize("blocks", [(), (3, -1)])
def test_impossible_blocks(layer, blocks):
    with pytest.raises(ValueError, match="one or more sizes of at least 0"):
        layer(blocks, 2)


class TestBlockedLinear:
    def test_equals_a_block_diagonal_layer(self, blocks):
        layer = BlockedLinear(blocks, N_HIDDEN).double()
        hidden = torch.randn(N_ROWS, len(blocks) * N_HIDDEN).double().requires_grad_()
        inputs = (hidden, layer.weight, layer.bias)
        own, expected = layer(hidden), hidden @ _block_diagonal(layer) + layer.bias
        torch.testing.assert_close(own, expected)
        upstream = torch.randn_like(expected)
        torch.testing.assert_close(
            torch.autograd.grad(own, inputs, upstream),
            torch.autograd.grad(expected, inputs, upstream),
        )

    @pytest.mark.parametrize("scale", [1.0, 0.1])
    def test_initial_values(self, scale):
        torch.manual_seed(0)
        blocks, n_input = (400, 9), 50
        layer = BlockedLinear(blocks, n_input, scale=scale)
        for size, weight in zip(blocks, layer.weight.split(blocks), strict=True):
            xavier = scale * math.sqrt(6 / (size + n_input))
            assert 0.95 * xavier < weight.abs().max() <= xavier
        assert 0.95 / math.sqrt(n_input) < layer.bias.abs().max() <= 1 / math.sqrt(n_input)


def _reference(layer, hidden, target, offset):
    """Return torch's own cross-entropy on the dense logits, for each stacked row."""
    n_sources = hidden.shape[0] // target.n_rows
    logits = hidden @ _block_diagonal(layer) + layer.bias + offset.repeat(n_sources)[:, None]
    y = target.to_dense().repeat(n_sources, 1)
    return F.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(1)


def _problem(blocks, target, n_sources, dtype=torch.float64):
    torch.manual_seed(1)
    layer = BlockedLinear(blocks, N_HIDDEN).to(dtype)
    hidden = 2 * torch.randn(n_sources * target.n_rows, len(blocks) * N_HIDDEN, dtype=dtype)
    offset = torch.randn(target.n_rows, dtype=dtype)
    return layer, hidden.requires_grad_(), offset.requires_grad_()


class TestBernoulliNLL:
    @pytest.mark.parametrize("n_sources", [1, 2, 3])
    @pytest.mark.parametrize("tile", [3, 1000])
    @pytest.mark.parametrize("upstream", ["equal", "unequal"])
    @pytest.mark.parametrize("kind", ["ones", "unit"])
    def test_equals_dense_cross_entropy_with_its_gradients(
        self, blocks, random_rows, n_sources, tile, upstream, kind, monkeypatch
    ):
        monkeypatch.setattr(_softplus, "_CPU_TILE", tile)
        target = random_rows(N_ROWS, sum(blocks), kind=kind)
        layer, hidden, offset = _problem(blocks, target, n_sources)
        inputs = (hidden, offset, layer.weight, layer.bias)
        own = layer.bernoulli_nll(hidden, target, offset)
        expected = _reference(layer, hidden, target, offset)
        torch.testing.assert_close(own, expected)
        n = n_sources * N_ROWS
        weight = torch.full((n,), 1 / n) if upstream == "equal" else torch.linspace(-1, 2, n)
        torch.testing.assert_close(
            torch.autograd.grad(own, inputs, weight.double()),
            torch.autograd.grad(expected, inputs, weight.double()),
        )

    @pytest.mark.parametrize("index_type", [torch.int32, torch.int64])
    def test_gradcheck(self, random_rows, index_type, monkeypatch):
        monkeypatch.setattr(_softplus, "_CPU_TILE", 3)
        blocks = (4, 0, 1, 2)
        target = random_rows(3, 7, kind="unit")
        target = target._replace(
            columns=target.columns.to(index_type), offsets=target.offsets.to(index_type)
        )
        layer, hidden, offset = _problem(blocks, target, n_sources=2)

        def loss(hidden, offset, weight, bias):
            own = {"layer.weight": weight, "layer.bias": bias}
            return torch.func.functional_call(_NLL(layer), own, (hidden, target, offset))

        weight, bias = (p.detach().clone().requires_grad_() for p in layer.parameters())
        assert torch.autograd.gradcheck(loss, (hidden, offset, weight, bias))

    @pytest.mark.parametrize("n_rows", [1, 2])
    def test_rows_without_open_peaks(self, n_rows):
        target = SparseRows.from_scipy(sparse.csr_matrix((n_rows, 5)))
        layer, hidden, offset = _problem((2, 3), target, n_sources=2)
        own = layer.bernoulli_nll(hidden, target, offset)
        torch.testing.assert_close(own, _reference(layer, hidden, target, offset))

    @pytest.mark.parametrize("logit", [-100.0, 100.0])
    def test_extreme_logits(self, random_rows, logit):
        target = random_rows(4, 7, kind="ones")
        layer, hidden, offset = _problem((4, 3), target, n_sources=1)
        with torch.no_grad():
            layer.bias.fill_(logit)
            hidden.zero_()
            offset.zero_()
        own = layer.bernoulli_nll(hidden, target, offset)
        torch.testing.assert_close(own, _reference(layer, hidden, target, offset))
        n_open = target.row_sums()
        wrong = 7 - n_open if logit > 0 else n_open
        torch.testing.assert_close(own, 100 * wrong, rtol=1e-12, atol=1e-12)
        own.sum().backward()
        assert torch.isfinite(layer.weight.grad).all()

    def test_single_precision_is_close_to_double(self, random_rows):
        blocks = (700, 1, 300)
        target = random_rows(8, 1001, kind="ones", density=0.05)
        layer, hidden, offset = _problem(blocks, target, n_sources=2)
        expected = layer.bernoulli_nll(hidden, target, offset)
        expected.mean().backward()
        in_double = [p.grad.clone() for p in layer.parameters()]
        layer.zero_grad()
        single = layer.float().bernoulli_nll(
            hidden.detach().float(), target.with_values(target.values.float()), offset.float()
        )
        single.mean().backward()
        torch.testing.assert_close(single.double(), expected, rtol=1e-5, atol=1e-4)
        for parameter, exact in zip(layer.parameters(), in_double, strict=True):
            torch.testing.assert_close(parameter.grad.double(), exact, rtol=1e-4, atol=1e-5)

    def test_keeps_its_precision_under_autocast(self, random_rows):
        target = random_rows(8, 701, kind="ones", density=0.05)
        layer, hidden, offset = _problem((400, 301), target, n_sources=2)
        layer, offset = layer.float(), offset.float()
        target = target.with_values(target.values.float())
        coarse = hidden.detach().bfloat16().requires_grad_()
        fine = coarse.detach().float().requires_grad_()
        expected = layer.bernoulli_nll(fine, target, offset)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            own = layer.bernoulli_nll(coarse, target, offset)
        torch.testing.assert_close(own, expected)
        own.mean().backward()
        expected.mean().backward()
        assert coarse.grad.dtype == torch.bfloat16
        torch.testing.assert_close(coarse.grad.float(), fine.grad, rtol=1e-2, atol=1e-3)

    def test_gradients_add_up_over_two_uses(self, random_rows):
        target = random_rows(4, 7, kind="ones")
        layer, hidden, offset = _problem((4, 3), target, n_sources=1)
        layer.bernoulli_nll(hidden, target, offset).sum().backward()
        once = layer.weight.grad.clone()
        layer.bernoulli_nll(hidden, target, offset).sum().backward()
        torch.testing.assert_close(layer.weight.grad, 2 * once)

    def test_descends_to_the_base_rates(self):
        """With constant hidden units the optimum is each peak's open fraction."""
        rng = np.random.default_rng(0)
        y = (rng.random((200, 5)) < [0.1, 0.3, 0.5, 0.7, 0.9]).astype(np.float32)
        target = SparseRows.from_scipy(sparse.csr_matrix(y))
        layer = BlockedLinear((2, 3), 1)
        hidden, offset = torch.zeros(200, 2), torch.zeros(200)
        optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=50)

        def closure():
            optimizer.zero_grad()
            loss = layer.bernoulli_nll(hidden, target, offset).mean()
            loss.backward()
            return loss

        optimizer.step(closure)
        np.testing.assert_allclose(
            torch.sigmoid(layer.bias).detach().numpy(), y.mean(0), atol=1e-3
        )


class _NLL(torch.nn.Module):
    """The loss as a module's forward, so that its parameters can be swapped."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *args):
        return self.layer.bernoulli_nll(*args)


@pytest.mark.parametrize("upstream", ["equal", "unequal"])
def test_neither_loss_nor_encoder_forms_a_matrix_of_rows_by_features(
    random_rows, upstream, largest_tensor, monkeypatch
):
    monkeypatch.setattr(_softplus, "_CPU_TILE", 100)
    blocks, n_rows, n_sources = (650, 0, 350, 1, 499), 50, 2
    target = random_rows(n_rows, sum(blocks), kind="ones", density=0.03)
    layer, hidden, offset = _problem(blocks, target, n_sources)
    encoder = BlockedSparseLinear(blocks, N_HIDDEN).double()
    n = n_sources * n_rows
    weight = torch.ones(n) if upstream == "equal" else torch.rand(n)
    with largest_tensor as seen:
        layer.bernoulli_nll(hidden, target, offset).backward(weight.double())
        encoder(target).sum().backward()
    assert n * 100 <= seen.n_elements < n_rows * sum(blocks) / 2
