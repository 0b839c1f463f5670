"""Counts of genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scvi_xmodal.module._likelihood import FARTHEST, ShrinkableLikelihood
from scvi_xmodal.nn import (
    expected_log1p,
    expected_log1p_table,
    negative_binomial_kernel,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scvi_xmodal.module._linear_path import Blend
    from scvi_xmodal.module._spec import ModalitySpec
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows

_STEP = 0.05
_FLATTEST = 1e-6
"""A gene that is rarer than the table of its X reaches has no slope there to divide by."""


class NegativeBinomial(ShrinkableLikelihood):
    r"""Negative binomial counts with one dispersion a gene.

    .. math::
        y_{ij} \sim NB(\mu_{ij}, \theta_j), \quad
        \mu_{ij} = l_i \, \text{softmax}_j(h_i \cdot w_j + b_j)

    with the cell's own library size :math:`l_i` (as scVI). scButterfly minimises squared errors
    of log-normalised values instead (``gene_likelihood="normal"``).

    ``X`` is :math:`E[\ln(1 + y_{ij})]` at the median library size, the expectation of measured
    log-normalised values, and so below :math:`\ln(1 + \mu_{ij})`.
    """

    def __init__(self, spec: ModalitySpec, *, use_batch_norm: bool = False):
        super().__init__(spec, use_batch_norm=use_batch_norm)
        self.log_theta = nn.Parameter(torch.zeros(spec.n_features))
        self._table: tuple[torch.Tensor, torch.Tensor] | None = None

    def initial_bias(self, statistics: FeatureStatistics) -> np.ndarray:
        total = statistics.count_sum.sum() + statistics.count_sum.size
        return np.log((statistics.count_sum + 1) / total)

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: Any) -> torch.Tensor:
        n_sources = hidden.shape[0] // max(counts.n_rows, 1)
        library = counts.row_sums().clamp(min=1).repeat(n_sources)
        log_mu = F.log_softmax(self.outputs(hidden), dim=1) + library.log()[:, None]
        everywhere = negative_binomial_kernel(log_mu, self.log_theta, counts.to_dense())
        return everywhere - self._gamma_terms(counts).repeat(n_sources)

    def _gamma_terms(self, counts: SparseRows) -> torch.Tensor:
        """Sum lgamma(y + theta) - lgamma(theta) - lgamma(y + 1), which is 0 where y is 0."""
        theta = self.log_theta.exp()[counts.columns.long()]
        y = counts.values
        terms = torch.lgamma(y + theta) - torch.lgamma(theta) - torch.lgamma(y + 1)
        return counts.with_values(terms).row_sums()

    def predict(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> dict[str, torch.Tensor]:
        at_median = F.softmax(self.blended(hidden, blend), dim=1) * self.median_total
        mean = at_median if total is None else at_median * (total / self.median_total)[:, None]
        return {"X": expected_log1p(at_median, self._expected_log1p_table()), "mean": mean}

    def moments(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        total = self.median_total.expand(hidden.shape[0]) if total is None else total
        mean = F.softmax(self.blended(hidden, blend), dim=1) * total[:, None]
        return mean, mean + mean.square() / self.log_theta.exp()

    def losses(
        self, candidates: Iterable[torch.Tensor], counts: SparseRows, x: Any
    ) -> torch.Tensor:
        """Return the squared errors of ``X`` against log-normalised measured values.

        Not the likelihood, under which too small shares of the deviations win: its dispersions
        were fitted with all of them.
        """
        measured, table = self.response(counts, x).to_dense(), self._expected_log1p_table()
        losses = []
        for outputs in candidates:
            mean = F.softmax(outputs, dim=1) * self.median_total
            losses.append((expected_log1p(mean, table) - measured).square().sum(1))
        return torch.stack(losses)

    def response(self, counts: SparseRows, x: Any) -> SparseRows:
        """Return log1p expression at the median library size, as ``X`` predicts it."""
        scale = self.median_total / counts.row_sums().clamp(min=1e-12)
        return counts.with_values(torch.log1p(counts.values * scale[counts.row_index()]))

    def tangent(
        self, mean: torch.Tensor, overall: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # base is the logarithm of pooled counts, whose X is not the mean of logarithms
        log_mean = F.log_softmax(self.base, dim=0) + self.median_total.log()
        steps = log_mean + log_mean.new_tensor([[-_STEP], [0.0], [_STEP]])
        below, at_base, above = expected_log1p(steps.exp(), self._expected_log1p_table())
        slope = ((above - below) / (2 * _STEP)).clamp(min=_FLATTEST)
        return ((mean - at_base) / slope).clamp(-FARTHEST, FARTHEST), slope

    def _expected_log1p_table(self) -> torch.Tensor:
        """Return the table for the dispersions as they are, made anew when they change."""
        own = self._shared_log_theta().detach()
        # by value: fused optimisers change weights without raising their version
        if self._table is None or not _same(self._table[0], own):
            self._table = (own.clone(), expected_log1p_table(own.exp()).to(own.dtype))
        return self._table[1]

    def _shared_log_theta(self) -> torch.Tensor:
        """Return the genes' log dispersions that all cells share, of shape (n_genes,)."""
        return self.log_theta


def _same(one: torch.Tensor, two: torch.Tensor) -> bool:
    return one.device == two.device and one.dtype == two.dtype and torch.equal(one, two)
