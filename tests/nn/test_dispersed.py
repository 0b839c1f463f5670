from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.stats import nbinom

from scvi_xmodal.nn import SparseRows, dispersed_negative_binomial


def _problem(n_cells, n_genes, *, seed=0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    y = rng.poisson(1.5, size=(n_cells, n_genes)).astype(float)
    y[:1] = 0
    log_mu = torch.from_numpy(rng.normal(scale=2, size=y.shape)).to(dtype)
    theta = torch.from_numpy(np.exp(rng.normal(scale=2, size=y.shape))).to(dtype)
    return y, log_mu.requires_grad_(), theta.requires_grad_()


def _rows(y, dtype=np.float64):
    return SparseRows.from_scipy(sparse.csr_matrix(y.astype(dtype)))


def _formula(y, log_mu, theta):
    """BABEL's formula term by term, on dense tensors."""
    mu = log_mu.exp()
    return (
        -theta * (theta.log() - (theta + mu).log())
        - y * (mu.log() - (theta + mu).log())
        - torch.lgamma(y + theta)
        + torch.lgamma(y + 1)
        + torch.lgamma(theta)
    ).sum(1)


@pytest.mark.parametrize("shape", [(5, 7), (1, 1), (3, 1), (1, 6)])
def test_equals_scipy(shape):
    y, log_mu, theta = _problem(*shape)
    own = dispersed_negative_binomial(log_mu, theta, _rows(y)).detach().numpy()
    mu, size = np.exp(log_mu.detach().numpy()), theta.detach().numpy()
    np.testing.assert_allclose(own, -nbinom.logpmf(y, size, size / (size + mu)).sum(1))


def test_equals_the_papers_formula_with_its_gradients_at_values_that_are_not_whole():
    y, log_mu, theta = _problem(6, 9)
    y *= 1.37
    upstream = torch.rand(6).double()
    own = dispersed_negative_binomial(log_mu, theta, _rows(y))
    expected = _formula(torch.from_numpy(y), log_mu, theta)
    torch.testing.assert_close(own, expected)
    torch.testing.assert_close(
        torch.autograd.grad(own, (log_mu, theta), upstream),
        torch.autograd.grad(expected, (log_mu, theta), upstream),
    )


def test_single_precision_at_the_ends_of_the_range():
    y = np.array([[0.0, 3.0, 0.0, 5000.0]])
    log_mu = torch.log(torch.tensor([[1e-5, 1e-5, 1e6, 1e6]]))
    theta = torch.tensor([[1e3, 1e-4, 1e-4, 1e3]])
    log_mu.requires_grad_(), theta.requires_grad_()
    own = dispersed_negative_binomial(log_mu, theta, _rows(y, np.float32))
    exact = _formula(torch.from_numpy(y), log_mu.detach().double(), theta.detach().double())
    torch.testing.assert_close(own.double(), exact, rtol=1e-4, atol=0)
    own.sum().backward()
    assert torch.isfinite(log_mu.grad).all()
    assert torch.isfinite(theta.grad).all()


def test_stored_zeros_are_zeros():
    y = np.array([[0.0, 2.0, 0.0]])
    log_mu, theta = torch.zeros(1, 3).double(), torch.ones(1, 3).double()
    stored = SparseRows(
        torch.tensor([0.0, 2.0, 0.0]).double(), torch.arange(3), torch.tensor([0, 3]), 3
    )
    torch.testing.assert_close(
        dispersed_negative_binomial(log_mu, theta, stored),
        dispersed_negative_binomial(log_mu, theta, _rows(y)),
    )


def test_without_gradients_nothing_is_kept():
    y, log_mu, theta = _problem(3, 4)
    with torch.no_grad():
        own = dispersed_negative_binomial(log_mu, theta, _rows(y))
    assert not own.requires_grad
    torch.testing.assert_close(own, dispersed_negative_binomial(log_mu, theta, _rows(y)).detach())
