"""The negative binomial with a dispersion of its own for every cell and gene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from scvi_xmodal.nn._sparse import SparseRows

if TYPE_CHECKING:
    from collections.abc import Sequence


def dispersed_negative_binomial(
    log_mu: torch.Tensor, theta: torch.Tensor, y: SparseRows
) -> torch.Tensor:
    r"""Return each row's negative log-likelihood under means and dispersions of its own.

    .. math::
        \ell_i = \sum_j \theta_{ij} \ln\left(1 + \frac{\mu_{ij}}{\theta_{ij}}\right)
        + \sum_{y_{ij} > 0} y_{ij} \left(\ln(\mu_{ij} + \theta_{ij}) - \ln \mu_{ij}\right)
        - \ln\Gamma(y_{ij} + \theta_{ij}) + \ln\Gamma(\theta_{ij}) + \ln\Gamma(y_{ij} + 1)

    BABEL's :math:`L_{NB}` (Methods, "BABEL Training") summed over genes. There small constants
    keep logarithms finite; here the mean comes as its logarithm and needs none. Where y is 0 the
    gamma functions cancel, so they are evaluated at the stored values only; both gradients are
    formed in the same visit.

    Parameters
    ----------
    log_mu
        Log means of shape (n_cells, n_genes).
    theta
        Inverse dispersions, positive, of shape (n_cells, n_genes).
    y
        Expression of shape (n_cells, n_genes), whole or not, no entry stored twice.

    Returns
    -------
    Tensor of shape (n_cells,).

    Examples
    --------
    >>> import torch
    >>> from scipy.sparse import csr_matrix
    >>> from scvi_xmodal.nn import SparseRows, dispersed_negative_binomial
    >>> y = SparseRows.from_scipy(csr_matrix([[0, 2.0]], dtype="float32"))
    >>> dispersed_negative_binomial(torch.zeros(1, 2), torch.ones(1, 2), y)  # -ln 1/2 - ln 1/8
    tensor([2.7726])
    """
    return _Dispersed.apply(log_mu, theta, *y)


class _Dispersed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        log_mu: torch.Tensor,
        theta: torch.Tensor,
        *parts: Any,
    ) -> torch.Tensor:
        y = SparseRows(*parts)
        ratio = torch.exp(log_mu).div_(theta)
        log_ratio = ratio.log1p()
        total = torch.einsum("ij,ij->i", theta, log_ratio)
        place = (y.row_index(), y.columns.long())
        terms, stored_gradients = _at_stored(y.values, log_mu, theta, log_ratio, place)
        if any(ctx.needs_input_grad[:2]):
            share = ratio.div_(ratio + 1)  # mu / (mu + theta)
            by_log_mu, by_theta = theta * share, log_ratio.sub_(share)
            for gradient, own in zip((by_log_mu, by_theta), stored_gradients, strict=True):
                gradient[place] += own
            ctx.save_for_backward(by_log_mu, by_theta)
        return total + y.with_values(terms).row_sums()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[Any, ...]:
        by_log_mu, by_theta = ctx.saved_tensors
        weight = upstream[:, None]
        return by_log_mu * weight, by_theta * weight, None, None, None, None


def _at_stored(
    y: torch.Tensor,
    log_mu: torch.Tensor,
    theta: torch.Tensor,
    log_ratio: torch.Tensor,
    place: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """Return what stored values add to the loss, and to its gradients, of shape (n_stored,)."""
    log_mu, theta, log_ratio = (x[tuple(place)] for x in (log_mu, theta, log_ratio))
    log_total = log_ratio + theta.log()  # ln(mu + theta)
    terms = y * (log_total - log_mu)
    terms += torch.lgamma(theta) - torch.lgamma(y + theta) + torch.lgamma(y + 1)
    by_theta = y * torch.exp(-log_total) - torch.digamma(y + theta) + torch.digamma(theta)
    return terms, (-y * torch.exp(-log_ratio), by_theta)
