from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import gammaln
from scipy.stats import nbinom

from scvi_xmodal.nn import negative_binomial_kernel


def _inputs(n_sources=2, n_cells=4, n_genes=5, seed=0):
    rng = np.random.default_rng(seed)
    log_mu = torch.from_numpy(rng.normal(0, 2, (n_sources * n_cells, n_genes)))
    log_theta = torch.from_numpy(rng.normal(0, 2, n_genes))
    counts = torch.from_numpy(rng.poisson(2.0, (n_cells, n_genes)).astype(float))
    return log_mu.requires_grad_(), log_theta.requires_grad_(), counts


def _scipy(log_mu, log_theta, counts):
    mu, theta = np.exp(log_mu), np.exp(log_theta)
    y = np.tile(counts, (mu.shape[0] // counts.shape[0], 1))
    gamma = gammaln(y + theta) - gammaln(theta) - gammaln(y + 1)
    return (gamma - nbinom.logpmf(y, theta, theta / (theta + mu))).sum(1)


@pytest.mark.parametrize("n_sources", [1, 2, 3])
def test_is_scipys_likelihood_without_gamma_functions(n_sources):
    inputs = _inputs(n_sources)
    own = negative_binomial_kernel(*inputs)
    np.testing.assert_allclose(
        own.detach().numpy(), _scipy(*(x.detach().numpy() for x in inputs)), rtol=1e-10
    )


@pytest.mark.parametrize("shape", [(2, 4, 5), (1, 1, 1), (3, 2, 1)])
def test_gradcheck(shape):
    log_mu, log_theta, counts = _inputs(*shape)
    assert torch.autograd.gradcheck(
        lambda m, t: negative_binomial_kernel(m, t, counts), (log_mu, log_theta)
    )


@pytest.mark.parametrize(("log_mu", "log_theta"), [(-40, 40), (15, -30), (-60, -60), (15, 30)])
@pytest.mark.parametrize("count", [0.0, 1.0, 1e6])
def test_extremes_stay_finite_and_close_to_double(log_mu, log_theta, count):
    parts = [torch.tensor([[float(log_mu)]]), torch.tensor([float(log_theta)])]
    single = [x.requires_grad_() for x in parts]
    double = [x.detach().double().requires_grad_() for x in parts]
    counts = torch.tensor([[count]])
    own = negative_binomial_kernel(*single, counts)
    exact = negative_binomial_kernel(*double, counts.double())
    torch.testing.assert_close(own.double(), exact, rtol=1e-5, atol=1e-5)
    own.sum().backward()
    exact.sum().backward()
    for x, y in zip(single, double, strict=True):
        assert torch.isfinite(x.grad).all()
        # two terms of the size of the mean cancel in the dispersion's gradient
        atol = 1e-6 * max(np.exp(log_mu), 10)
        torch.testing.assert_close(x.grad.double(), y.grad, rtol=1e-4, atol=atol)


def test_unequal_upstream_gradients_and_unchanged_inputs():
    log_mu, log_theta, counts = _inputs()
    kept = [x.detach().clone() for x in (log_mu, log_theta, counts)]
    upstream = torch.linspace(-1, 2, 8).double()
    negative_binomial_kernel(log_mu, log_theta, counts).backward(upstream)
    mu, theta = kept[0].exp(), kept[1].exp()
    y = kept[2].repeat(2, 1)
    expected = theta * (mu - y) / (mu + theta) * upstream[:, None]
    torch.testing.assert_close(log_mu.grad, expected)
    for now, before in zip((log_mu, log_theta, counts), kept, strict=True):
        torch.testing.assert_close(now.detach(), before, rtol=0, atol=0)
