"""The part of the negative binomial likelihood that every gene of every cell contributes to."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable


def negative_binomial_kernel(
    log_mu: torch.Tensor, log_theta: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    r"""Return each row's negative log-likelihood but for the gamma functions.

    .. math::
        s_i = \sum_j \theta_j \ln\left(1 + \frac{\mu_{ij}}{\theta_j}\right)
        + y_{ij} \left(\ln(\mu_{ij} + \theta_j) - \ln \mu_{ij}\right)

    The negative binomial with mean :math:`\mu` and variance :math:`\mu + \mu^2 / \theta` (Lopez et
    al., Nat. Methods 2018) is :math:`-s_i + \sum_j \ln\Gamma(y_{ij} + \theta_j) -
    \ln\Gamma(\theta_j) - \ln\Gamma(y_{ij} + 1)`; the gamma functions cancel where y is 0. Its
    gradient, :math:`\theta_j (\mu_{ij} - y_{ij}) / (\mu_{ij} + \theta_j)` for
    :math:`\ln \mu_{ij}`, is formed in the same visit, with one exponential and one logarithm an
    entry.

    Parameters
    ----------
    log_mu
        Log means of shape (n_sources * n_cells, n_genes).
    log_theta
        Log inverse dispersions of shape (n_genes,).
    counts
        Counts of shape (n_cells, n_genes), which all sources share.

    Returns
    -------
    Tensor of shape (n_sources * n_cells,).
    """
    # a loss keeps its precision under autocast, as torch's own do
    with torch.autocast(log_mu.device.type, enabled=False):
        return _Kernel.apply(log_mu.to(log_theta.dtype), log_theta, counts)


class _Kernel(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, log_mu: torch.Tensor, log_theta: torch.Tensor, counts: torch.Tensor
    ) -> torch.Tensor:
        theta = log_theta.exp()
        by_source = log_mu.view(-1, *counts.shape)
        ratio = (by_source - log_theta).exp_()
        log_ratio = ratio.log1p()
        # ln(mu + theta) - ln(mu), in which large dispersions do not cancel
        excess = (log_ratio + log_theta).sub_(by_source)
        total = (log_ratio @ theta).add_(excess.mul_(counts).sum(-1))
        gradient = (ratio * theta).sub_(counts).div_(ratio.add_(1))
        ctx.save_for_backward(theta, log_ratio.view_as(log_mu), gradient.view_as(log_mu))
        return total.view(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        theta, log_ratio, gradient = ctx.saved_tensors
        grad_log_theta = theta * (upstream @ log_ratio) - upstream @ gradient
        return gradient * upstream[:, None], grad_log_theta, None
