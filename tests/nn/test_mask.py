from __future__ import annotations

import pytest
import torch

from scvi_xmodal.nn import Mask


def test_sparse_rows_keep_their_pattern_and_their_zeros(random_rows):
    x = random_rows(6, 40)
    masked = Mask(0.5)(x)
    assert masked.columns is x.columns
    assert masked.offsets is x.offsets
    assert masked.values.shape == x.values.shape
    assert not masked.to_dense()[x.to_dense() == 0].any()


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_share_of_zeros_and_scale_of_the_rest(rate, random_rows):
    torch.manual_seed(0)
    x = random_rows(200, 100)
    dense = torch.ones(200, 100)
    for before, after in ((x.values, Mask(rate)(x).values), (dense, Mask(rate)(dense))):
        kept = after != 0
        assert 1 - kept.double().mean().item() == pytest.approx(rate, abs=0.02)
        torch.testing.assert_close(after[kept], before[kept] / (1 - rate))


def test_expectation_is_the_input(random_rows):
    torch.manual_seed(0)
    x, mask = random_rows(5, 8), Mask(0.3)
    mean = torch.stack([mask(x).to_dense() for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, x.to_dense(), rtol=0.06, atol=0)


def test_every_pass_draws_anew():
    x, mask = torch.ones(10, 10), Mask(0.5)
    assert (mask(x) != mask(x)).any()


def test_identity_in_evaluation_and_without_a_rate(random_rows):
    x = random_rows(6, 4)
    for mask in (Mask(0.5).eval(), Mask(0.0)):
        torch.testing.assert_close(mask(x).values, x.values, rtol=0, atol=0)
        torch.testing.assert_close(mask(x.to_dense()), x.to_dense(), rtol=0, atol=0)


def test_leaves_its_input_alone(random_rows):
    x = random_rows(6, 4)
    before = x.values.clone()
    Mask(0.5)(x)
    torch.testing.assert_close(x.values, before, rtol=0, atol=0)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_impossible_rates(rate):
    with pytest.raises(ValueError, match=rf"must be in \[0, 1\), got {rate}"):
        Mask(rate)
