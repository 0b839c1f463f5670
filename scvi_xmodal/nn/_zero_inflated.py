"""What zero inflation adds to a negative binomial loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F

if TYPE_CHECKING:
    import torch

    from scvi_xmodal.nn._sparse import SparseRows


def zero_inflation(
    log_mu: torch.Tensor, theta: torch.Tensor, gate: torch.Tensor, y: SparseRows
) -> torch.Tensor:
    r"""Return what to add to a row's negative binomial loss when zeros are inflated.

    With dropout probability :math:`\pi = \sigma(g)` a count is 0 with probability
    :math:`\pi + (1 - \pi) e^c`, where :math:`c = -\theta \ln(1 + \mu / \theta)` is the negative
    binomial's log-probability of 0, and :math:`y > 0` with :math:`(1 - \pi) NB(y)` (Lopez et al.,
    Nat. Methods 2018). Less the negative binomial's own terms that leaves

    .. math::
        \sum_j \ln(1 + e^{g_{ij}}) - \sum_{y_{ij} = 0} \ln(1 + e^{g_{ij} - c_{ij}})

    Parameters
    ----------
    log_mu
        Log means of shape (n_cells, n_genes).
    theta
        Inverse dispersions of shape (n_cells, n_genes).
    gate
        Logits of the dropout probabilities, of shape (n_cells, n_genes).
    y
        Counts of shape (n_cells, n_genes), no entry stored twice.

    Returns
    -------
    Tensor of shape (n_cells,).

    Examples
    --------
    >>> import torch
    >>> from scipy.sparse import csr_matrix
    >>> from scvi_xmodal.nn import SparseRows, zero_inflation
    >>> y = SparseRows.from_scipy(csr_matrix([[0.0]], dtype="float32"))
    >>> one = torch.ones(1, 1)  # NB(0) is 1/2, so 0 has probability 3/4, not 1/2
    >>> zero_inflation(0 * one, one, 0 * one, y).exp()
    tensor([0.6667])
    """
    at_zero = F.softplus(gate + theta * (log_mu.exp() / theta).log1p())
    everywhere = (F.softplus(gate) - at_zero).sum(1)
    stored = at_zero[y.row_index(), y.columns.long()] * (y.values > 0)
    return everywhere + y.with_values(stored).row_sums()
