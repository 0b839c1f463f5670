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
    from scvi_xmodal.module._linear_path import Blend
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
    published model is zero-inflated. Where there are batches, the last n_batch columns of the
    hidden units are the batch covariate, which chooses the dispersions.

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
        self.n_batch = n_batch
        self.log_theta = nn.Parameter(torch.zeros(max(n_batch, 1), spec.n_features))
        self.gate: BlockedLinear | None = None
        if zero_inflated:
            self.gate = BlockedLinear(spec.blocks, spec.settings.n_hidden, scale=0.1)
            nn.init.constant_(self.gate.bias, _GATE_BIAS)

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: Any) -> torch.Tensor:
        log_mu, theta, gate = self._parts(hidden, counts.row_sums().clamp(min=1))
        nll = dispersed_negative_binomial(log_mu, theta, counts)
        return nll if gate is None else nll + zero_inflation(log_mu, theta, gate, counts)

    def distribution(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> dist.TorchDistribution:
        """Return the distribution of counts at a library size, (n_cells,) of (n_genes,)."""
        log_mu, theta, gate = self._parts(hidden, total)
        counts = dist.NegativeBinomial(total_count=theta, logits=log_mu - theta.log())
        if gate is not None:
            counts = dist.ZeroInflatedDistribution(counts, gate_logits=gate)
        return counts.to_event(1)

    def predict(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> dict[str, torch.Tensor]:
        log_mu, theta, gate = self._parts(hidden, total, blend)
        mean = log_mu.exp()
        at_median = mean if total is None else mean * (self.median_total / total)[:, None]
        x = self._expected_log1p(at_median, hidden)
        if gate is not None:
            measured = torch.sigmoid(-gate)
            x, mean = x * measured, mean * measured
        return {"X": x, "mean": mean}

    def moments(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        log_mu, theta, gate = self._parts(hidden, total, blend)
        mean = log_mu.exp()
        variance = mean + mean.square() / theta
        if gate is None:
            return mean, variance
        measured = torch.sigmoid(-gate)
        return measured * mean, measured * (variance + (1 - measured) * mean.square())

    def _parts(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None,
        blend: Blend | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return log means, dispersions and gate logits, each of shape (n_cells, n_genes)."""
        theta = self.log_theta.exp()
        if self.n_batch:  # of shares of several batches the geometric mean
            hidden, shares = hidden[:, : -self.n_batch], hidden[:, -self.n_batch :]
            theta = (shares @ self.log_theta).exp()
        total = self.median_total.expand(hidden.shape[0]) if total is None else total
        log_mu = F.log_softmax(self.blended(hidden, blend), dim=1) + total.log()[:, None]
        gate = None if self.gate is None else self.gate(hidden)
        return log_mu, theta.expand_as(log_mu), gate

    def _expected_log1p(self, mean: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Return E[ln(1 + y)], batch by batch: each has its own table of dispersions."""
        if not self.n_batch:
            return expected_log1p(mean, self._expected_log1p_table())
        shares = hidden[:, -self.n_batch :]
        batches, of_cell = torch.unique(shares, dim=0, return_inverse=True)
        x = torch.empty_like(mean)
        for number, batch in enumerate(batches):
            rows = (of_cell == number).nonzero()[:, 0]
            table = expected_log1p_table((batch @ self.log_theta.detach()).exp())
            x[rows] = expected_log1p(mean[rows], table.to(mean.dtype))
        return x

    def _shared_log_theta(self) -> torch.Tensor:
        return self.log_theta[0]


class DepthBernoulli(Bernoulli):
    """The package's Bernoulli with the cell's depth factored out, and its distribution.

    Polarbear multiplies probabilities by depth / 1,000 and weights the cross-entropy by the
    number of peaks; here depth shifts the logits, so that no probability exceeds 1, and the
    loss is the sum over peaks.
    """

    def __init__(self, spec: ModalitySpec, *, n_batch: int = 0, zero_inflated: bool = False):
        super().__init__(spec)

    def distribution(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
    ) -> dist.TorchDistribution:
        """Return the distribution of open peaks at a depth, (n_cells,) of (n_peaks,)."""
        logits = self.outputs(hidden)
        if total is not None:
            logits = logits + self._offset(total)[:, None]
        return dist.Bernoulli(logits=logits).to_event(1)


class Gaussian(Normal):
    r"""Centred log-ratios of proteins with a standard deviation for each.

    .. math:: x_{ij} \sim N(h_i \cdot w_j + b_j, \sigma_j^2)

    Not in the paper, which has no proteins.
    """

    def __init__(self, spec: ModalitySpec, *, n_batch: int = 0, zero_inflated: bool = False):
        super().__init__(spec)
        self.log_scale = nn.Parameter(torch.zeros(spec.n_features))

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: Any) -> torch.Tensor:
        standard = (x - self.outputs(hidden)) * (-self.log_scale).exp()
        constant = self.log_scale.sum() + 0.5 * math.log(2 * math.pi) * x.shape[1]
        return 0.5 * standard.square().sum(1) + constant

    def distribution(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
    ) -> dist.TorchDistribution:
        """Return the distribution of CLR values, (n_cells,) of (n_proteins,)."""
        return dist.Normal(self.outputs(hidden), self.log_scale.exp()).to_event(1)

    def moments(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        mean = self.blended(hidden, blend)
        return mean, torch.exp(2 * self.log_scale).expand_as(mean)


POLARBEAR_LIKELIHOODS: dict[Kind, Callable[..., Any]] = {
    "rna": BatchNegativeBinomial,
    "atac": DepthBernoulli,
    "protein": Gaussian,
}
