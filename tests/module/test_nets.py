from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scvi_xmodal.module import TRANSFORMS, Decoder, Encoder
from scvi_xmodal.nn import BlockedSparseLinear

KINDS = ["rna", "atac", "protein"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def inputs(kind, make_spec, counts, rows):
    spec = make_spec(kind)
    return TRANSFORMS[spec.settings.transform](spec)(rows(counts[kind], np.float32))


def _encoder(spec, **options):
    return Encoder(spec, **{"n_embedding": 6, "dropout_rate": 0.0, **options})


def _decoder(spec, **options):
    return Decoder(spec, **{"n_embedding": 6, "dropout_rate": 0.0, **options})


class TestEncoder:
    def test_shape(self, kind, make_spec, inputs):
        assert _encoder(make_spec(kind))(inputs).shape == (9, 6)
        assert _encoder(make_spec(kind)).eval()(inputs).shape == (9, 6)

    def test_sizes(self, kind, make_spec):
        spec, encoder = make_spec(kind), _encoder(make_spec(kind))
        n_blocks = {"rna": 1, "atac": 3, "protein": 1}[kind]
        n_hidden = {"rna": 5, "atac": 3, "protein": 4}[kind]
        width = n_blocks * n_hidden
        first = spec.n_features * n_hidden + width + 2 * width
        assert sum(p.numel() for p in encoder.parameters()) == first + width * 6 + 6 + 2 * 6
        assert isinstance(encoder.first, BlockedSparseLinear) == (kind != "protein")

    def test_the_mask_acts_on_the_inputs_in_training_only(self, kind, make_spec, inputs):
        torch.manual_seed(0)
        masked, plain = (_encoder(make_spec(kind, mask_rate=rate)) for rate in (0.5, 0.0))
        plain.load_state_dict(masked.state_dict())
        assert not torch.allclose(masked(inputs), plain(inputs))
        plain.load_state_dict(masked.state_dict())
        torch.testing.assert_close(masked.eval()(inputs), plain.eval()(inputs))

    def test_dropout_follows_the_first_layer_only(self, kind, make_spec):
        encoder = _encoder(make_spec(kind), dropout_rate=0.4)
        assert encoder.hidden.dropout.p == 0.4
        assert isinstance(encoder.embedding.dropout, nn.Identity)


class TestDecoder:
    @pytest.mark.parametrize("output_batch_norm", [False, True])
    def test_shape_and_sizes(self, kind, make_spec, output_batch_norm):
        spec = make_spec(kind)
        decoder = _decoder(spec, output_batch_norm=output_batch_norm)
        width = len(spec.blocks) * spec.settings.n_hidden
        assert decoder(torch.randn(9, 6), None).shape == (9, width)
        hidden = 6 * width + width + 2 * width
        output = spec.n_features * (spec.settings.n_hidden + 1)
        per_gene = spec.n_features if kind == "rna" else 0
        norm = 2 * spec.n_features * output_batch_norm
        total = sum(p.numel() for p in decoder.parameters())
        assert total == hidden + output + per_gene + norm

    @pytest.mark.parametrize("n_batch", [2, 3])
    def test_batches_enter_as_one_hot_columns(self, kind, make_spec, n_batch):
        decoder = _decoder(make_spec(kind), n_batch=n_batch).eval()
        e, codes = torch.randn(5, 6), torch.tensor([0, 1, n_batch - 1, 1, 0])
        weight, bias = decoder.hidden.linear.weight, decoder.hidden.linear.bias
        assert weight.shape[1] == 6 + n_batch
        linear = e @ weight[:, :6].t() + weight[:, 6:].t()[codes] + bias
        # fresh running statistics are 0 and 1
        expected = nn.functional.leaky_relu(linear / (1 + 1e-5) ** 0.5, 0.01)
        torch.testing.assert_close(decoder(e, codes), expected)

    def test_batches_without_training_cells_are_the_others_average(self, kind, make_spec):
        decoder = _decoder(make_spec(kind), n_batch=3).eval()
        decoder.batches.fit(np.array([0, 1, 1, 1]))
        e = torch.randn(2, 6)
        weight, bias = decoder.hidden.linear.weight, decoder.hidden.linear.bias
        shares = torch.tensor([[0.0, 1.0, 0.0], [0.25, 0.75, 0.0]])
        linear = torch.cat([e, shares], dim=1) @ weight.t() + bias
        expected = nn.functional.leaky_relu(linear / (1 + 1e-5) ** 0.5, 0.01)
        torch.testing.assert_close(decoder(e, torch.tensor([1, 2])), expected)

    def test_decoders_saved_without_shares_load_and_know_all_batches(self, kind, make_spec):
        saved, loaded = (_decoder(make_spec(kind), n_batch=2).eval() for _ in range(2))
        state = saved.state_dict()
        del state["batches.shares"]
        loaded.load_state_dict(state)
        e, codes = torch.randn(4, 6), torch.tensor([0, 1, 1, 0])
        assert torch.equal(loaded(e, codes), saved(e, codes))

    @pytest.mark.parametrize("n_batch", [0, 1])
    def test_one_batch_is_none(self, kind, make_spec, n_batch):
        decoder = _decoder(make_spec(kind), n_batch=n_batch).eval()
        e = torch.randn(4, 6)
        assert decoder.hidden.linear.in_features == 6
        torch.testing.assert_close(decoder(e, None), decoder(e, torch.zeros(4, dtype=torch.long)))

    def test_dropout_follows_the_first_layer(self, kind, make_spec):
        largest = 0.1 if kind == "protein" else 0.4
        assert _decoder(make_spec(kind), dropout_rate=0.4).hidden.dropout.p == largest
        assert _decoder(make_spec(kind), dropout_rate=0.05).hidden.dropout.p == 0.05


def test_chromosomes_meet_only_in_the_second_layer(make_spec, rows):
    """A count on one chromosome moves only that chromosome's hidden units."""
    spec = make_spec("atac")
    encoder = _encoder(spec).eval()
    seen = []
    encoder.first.register_forward_hook(lambda *args: seen.append(args[2]))
    x = np.zeros((len(spec.blocks) + 1, spec.n_features))
    for block, start in enumerate(np.cumsum([0, *spec.blocks[:-1]])):
        x[block + 1, start] = 1
    encoder(rows(x, np.float32))
    moved = (seen[0][1:] != seen[0][0]).view(3, 3, 3).any(-1)
    assert torch.equal(moved, torch.eye(3, dtype=torch.bool))
