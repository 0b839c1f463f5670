"""Moments over latent samples and misfits, against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from scvi_xmodal.module import BABEL_DEFAULTS, PUBLISHED, BabelAE, ButterflyVAE, ModalitySpec
from scvi_xmodal.nn import SparseRows

SIZES = {"rna": 7, "atac": 9, "protein": 4}


def _specs(defaults=None):
    return [
        ModalitySpec.build(
            key,
            key,
            [f"{key}{i}" for i in range(n)],
            settings=None if defaults is None else defaults[key],
        )
        for key, n in SIZES.items()
    ]


def _counts(rng, key):
    return SparseRows.from_scipy(csr_matrix(rng.poisson(2.0, (5, SIZES[key])).astype(np.float32)))


@pytest.fixture(params=["butterfly", "published", "babel"])
def module(request):
    torch.manual_seed(0)
    if request.param == "babel":
        return BabelAE(_specs(BABEL_DEFAULTS)).eval()
    architecture = PUBLISHED if request.param == "published" else None
    return ButterflyVAE(_specs(), architecture).eval()


@pytest.mark.parametrize("target", SIZES)
def test_moments_are_those_of_the_samples(module, rng, target):
    counts = _counts(rng, "rna")
    qz = module.latent("rna", counts)
    noise = torch.randn(6, qz.mean.shape[1])
    found = module.moments(counts, "rna", target, noise=noise)
    deviation = qz.variance.sqrt()
    with torch.inference_mode():
        draws = [
            module._likelihood(target).moments(
                module._hidden(target, qz.mean + deviation * e, None)
            )
            for e in noise
        ]
    means = torch.stack([mean for mean, _ in draws]).double()
    torch.testing.assert_close(found.mean.double(), means.mean(0), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.latent_variance.double(), means.var(0), rtol=1e-3, atol=1e-7)
    if target == "protein":
        assert found.variance is None
    else:
        variances = torch.stack([variance for _, variance in draws])
        torch.testing.assert_close(found.variance, variances.mean(0))


def test_rna_moments_are_at_the_total(module, rng):
    counts, noise = _counts(rng, "atac"), torch.zeros(1, 1)
    one = torch.ones(5)
    mean, variance, latent = module.moments(counts, "atac", "rna", noise=noise, total=one)
    more = module.moments(counts, "atac", "rna", noise=noise, total=10 * one)
    torch.testing.assert_close(more.mean, 10 * mean)
    # noise of 1 mean plus a part that grows with its square
    torch.testing.assert_close(more.variance - more.mean, 100 * (variance - mean))
    assert (latent == 0).all()


def test_misfit_of_counts_is_pearsons(module, rng):
    counts = _counts(rng, "rna")
    z, misfit, total = module.fit_of("rna", counts)
    y = counts.to_dense()
    torch.testing.assert_close(total, y.sum(1))
    with torch.inference_mode():
        hidden = module._hidden("rna", z, None)
        mean, variance = module._likelihood("rna").moments(hidden, total)
    torch.testing.assert_close(misfit, ((y - mean) ** 2 / variance).mean(1))


def test_misfit_of_proteins_is_the_mean_square(module, rng):
    counts = _counts(rng, "protein")
    z, misfit, _ = module.fit_of("protein", counts)
    x = module.transforms["protein"](counts)
    with torch.inference_mode():
        predicted = module._likelihood("protein").moments(module._hidden("protein", z, None))[0]
    torch.testing.assert_close(misfit, (x - predicted).square().mean(1))


def test_depth_of_peaks_counts_the_open_ones(module, rng):
    counts = _counts(rng, "atac")
    _, misfit, total = module.fit_of("atac", counts)
    torch.testing.assert_close(total, (counts.to_dense() > 0).sum(1).float())
    assert torch.isfinite(misfit).all()
