"""How counts arise in Polarbear: losses that train, and the distributions they come from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from pyro import distributions as dist
from torch import nn

from scvi_xmodal.module._likelihoods import Bernoulli, NegativeBinomial, Normal
from scvi_xmodal.nn import (
    BlockedLinear,
    dispersed_negative_binomial,
    expected_log1p,
    expected_log1p_table,
    zero_inflation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module._spec import ModalitySpec
    from scvi_xmodal.nn import SparseRows

_GATE_BIAS = -3.0
"""At the start 5 % of the counts are dropouts."""


class BatchNegativeBinomial(NegativeBinomial):
    r"""Counts with a dispersion for each gene and batch, zeros inflated or not.

    .. math::
        y_{ij} \sim \pi_{ij} \, \delta_0 + (1 - \pi_{ij}) \, NB(\mu_{ij}, \theta_{b(i) j}), \quad
        \mu_{ij} = l_i \, \text{softmax}_j(h_i \cdot w_j + b_j)

    with the cell's own library size :math:`l_i`; without zero inflation :math:`\pi = 0`. The
    published model is zero-inflated.

    Parameters
    ----------
    spec
        The modality.
    n_batch
        Number of batches, 0 for none.
    zero_inflated
        Whether :math:`\pi` is learned.
    """

    def __init__(self, spec: ModalitySpec, *, n_batch: int = 0, zero_inflated: bool = False):
        super().__init__(spec)
        self.log_theta = nn.Parameter(torch.zeros(max(n_batch, 1), spec.n_features))
        self.gate: BlockedLinear | None = None
        if zero_inflated:
            self.gate = BlockedLinear(spec.blocks, spec.settings.n_hidden, scale=0.1)
            nn.init.constant_(self.gate.bias, _GATE_BIAS)

    def nll(
        self,
        hidden: torch.Tensor,
        counts: SparseRows,
        x: Any,
        shares: torch.Tensor | None = None,
    ) -> torch.Tensor:
        log_mu = self._log_mu(hidden, counts.row_sums().clamp(min=1))
        theta = self._theta(shares).expand_as(log_mu)
        nll = dispersed_negative_binomial(log_mu, theta, counts)
        if self.gate is None:
            return nll
        return nll + zero_inflation(log_mu, theta, self.gate(hidden), counts)

    def distribution(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> dist.TorchDistribution:
        """Return the distribution of counts at a library size, (n_cells,) of (n_genes,)."""
        log_mu = self._log_mu(hidden, self._totals(hidden, total))
        theta = self._theta(shares).expand_as(log_mu)
        counts = dist.NegativeBinomial(total_count=theta, logits=log_mu - theta.log())
        if self.gate is not None:
            counts = dist.ZeroInflatedDistribution(counts, gate_logits=self.gate(hidden))
        return counts.to_event(1)

    def predict(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        totals = self._totals(hidden, total)
        mean = self._log_mu(hidden, totals).exp()
        at_median = mean * (self.median_total / totals)[:, None]
        x = self._expected_log1p(at_median, shares)
        if self.gate is not None:
            measured = torch.sigmoid(-self.gate(hidden))
            x, mean = x * measured, mean * measured
        return {"X": x, "mean": mean}

    def _totals(self, hidden: torch.Tensor, total: torch.Tensor | None) -> torch.Tensor:
        return self.median_total.expand(hidden.shape[0]) if total is None else total

    def _log_mu(self, hidden: torch.Tensor, library: torch.Tensor) -> torch.Tensor:
        return F.log_softmax(self.outputs(hidden), dim=1) + library.log()[:, None]

    def _theta(self, shares: torch.Tensor | None) -> torch.Tensor:
        """Return dispersions of shape (1 or n_cells, n_genes); of shares the geometric mean."""
        return self.log_theta.exp() if shares is None else (shares @ self.log_theta).exp()

    def _expected_log1p(self, mean: torch.Tensor, shares: torch.Tensor | None) -> torch.Tensor:
        """Return E[ln(1 + y)], batch by batch: each has its own table of dispersions."""
        if shares is None:
            return expected_log1p(mean, self._expected_log1p_table())
        batches, of_cell = torch.unique(shares, dim=0, return_inverse=True)
        x = torch.empty_like(mean)
        for number, batch in enumerate(batches):
            table = expected_log1p_table((batch @ self.log_theta.detach()).exp())
            rows = (of_cell == number).nonzero()[:, 0]
            x[rows] = expected_log1p(mean[rows], table.to(mean.dtype))
        return x

    def _expected_log1p_table(self) -> torch.Tensor:
        state = (self.log_theta._version, self.log_theta.device)
        if self._table is None or self._table[0] != state:
            table = expected_log1p_table(self.log_theta.detach()[0].exp())
            self._table = (state, table.to(self.log_theta.dtype))
        return self._table[1]


class DepthBernoulli(Bernoulli):
    """The package's Bernoulli with the cell's depth factored out, and its distribution.

    Polarbear multiplies probabilities by depth / 1,000 and weights the cross-entropy by the
    number of peaks; here depth shifts the logits, so that no probability exceeds 1, and the
    loss is the sum over peaks.
    """

    def __init__(self, spec: ModalitySpec, *, n_batch: int = 0, zero_inflated: bool = False):
        super().__init__(spec)

    def nll(
        self,
        hidden: torch.Tensor,
        counts: SparseRows,
        x: Any,
        shares: torch.Tensor | None = None,
    ) -> torch.Tensor:
        return super().nll(hidden, counts, x)

    def distribution(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> dist.TorchDistribution:
        """Return the distribution of open peaks at a depth, (n_cells,) of (n_peaks,)."""
        logits = self.outputs(hidden)
        if total is not None:
            logits = logits + self._offset(total)[:, None]
        return dist.Bernoulli(logits=logits).to_event(1)

    def predict(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        return super().predict(hidden, total)


class Gaussian(Normal):
    r"""Centred log-ratios of proteins with a standard deviation for each.

    .. math:: x_{ij} \sim N(h_i \cdot w_j + b_j, \sigma_j^2)

    Not in the paper, which has no proteins.
    """

    def __init__(self, spec: ModalitySpec, *, n_batch: int = 0, zero_inflated: bool = False):
        super().__init__(spec)
        self.log_scale = nn.Parameter(torch.zeros(spec.n_features))

    def nll(
        self,
        hidden: torch.Tensor,
        counts: SparseRows,
        x: Any,
        shares: torch.Tensor | None = None,
    ) -> torch.Tensor:
        standard = (x - self.outputs(hidden)) * (-self.log_scale).exp()
        constant = self.log_scale.sum() + 0.5 * math.log(2 * math.pi) * x.shape[1]
        return 0.5 * standard.square().sum(1) + constant

    def distribution(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> dist.TorchDistribution:
        """Return the distribution of CLR values, (n_cells,) of (n_proteins,)."""
        return dist.Normal(self.outputs(hidden), self.log_scale.exp()).to_event(1)

    def predict(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        return super().predict(hidden, total)


POLARBEAR_LIKELIHOODS: dict[Kind, Callable[..., Any]] = {
    "rna": BatchNegativeBinomial,
    "atac": DepthBernoulli,
    "protein": Gaussian,
}
