"""Open and closed peaks, and their TF-IDF values as probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from scvi_xmodal.module._likelihood import FARTHEST, Likelihood, ShrinkableLikelihood

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scvi_xmodal.module._linear_path import Blend
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows

_RARE = 1e-6
"""A peak that no training cell has open has no slope, and no coefficients to divide by it."""


class Bernoulli(ShrinkableLikelihood):
    r"""Open or closed peaks, with the cell's depth factored out.

    .. math::
        b_{ij} \sim \text{Bernoulli}\left(\sigma\left(h_{ic(j)} \cdot w_j + b_j
        + \ln \frac{d_i}{\text{median}(d)}\right)\right)

    where :math:`d_i` counts the cell's open peaks (cf. the cell factor of PeakVI and MultiVI).
    The published model has neither a depth nor binary targets (``atac_target="tfidf"``).
    Logits may be drawn to ``base``, the training cells' base rates, and to those of a linear
    path (:class:`~scvi_xmodal.module.Shrinkage`, :class:`~scvi_xmodal.module.LinearPath`).
    """

    def totals_of(self, statistics: FeatureStatistics) -> np.ndarray:
        """Return each training cell's number of open peaks, of shape (n_cells,)."""
        return statistics.depth

    def initial_bias(self, statistics: FeatureStatistics) -> np.ndarray:
        fraction = (statistics.n_detected + 0.5) / (statistics.n_cells + 1)
        return np.log(fraction) - np.log1p(-fraction)

    def base_outputs(self, statistics: FeatureStatistics) -> np.ndarray:
        # rates are those of cells of mean depth, which lies above the median
        above = statistics.depth.mean() / self.median_total.item()
        return self.initial_bias(statistics) - np.log(max(above, 1e-6))

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: Any) -> torch.Tensor:
        target = counts.binarized()
        offset = self._offset(target.row_sums())
        if self.norm is None:
            return self.output.bernoulli_nll(hidden, target, offset)
        n_sources = hidden.shape[0] // max(counts.n_rows, 1)
        logits = self.outputs(hidden) + offset.repeat(n_sources)[:, None]
        y = target.to_dense().repeat(n_sources, 1)
        return F.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(1)

    def predict(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> dict[str, torch.Tensor]:
        # in place: at 100,000 peaks a second matrix costs time
        logits = self.blended(hidden, blend)
        if total is not None:
            logits += self._offset(total)[:, None]
        return {"X": logits.sigmoid_()}

    def moments(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        mean = self.predict(hidden, total, blend=blend)["X"]
        return mean, mean * (1 - mean)

    def losses(
        self, candidates: Iterable[torch.Tensor], counts: SparseRows, x: Any
    ) -> torch.Tensor:
        """Return negative log-likelihoods at each cell's own depth."""
        target = counts.binarized()
        offset = self._offset(target.row_sums())[:, None]
        open_ = target.to_dense()
        return torch.stack(
            [
                F.binary_cross_entropy_with_logits(own + offset, open_, reduction="none").sum(1)
                for own in candidates
            ]
        )

    def response(self, counts: SparseRows, x: Any) -> SparseRows:
        """Return which peaks are open."""
        return counts.binarized()

    def tangent(
        self, mean: torch.Tensor, overall: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        # base is where the overall mean is, at the median depth
        mean, overall = (own.clamp(_RARE, 1 - _RARE) for own in (mean, overall))
        offset = (mean.logit() - overall.logit()).clamp(-FARTHEST, FARTHEST)
        return offset, mean * (1 - mean)

    def _offset(self, depth: torch.Tensor) -> torch.Tensor:
        return torch.log(depth.clamp(min=1) / self.median_total)


class TfIdfBernoulli(Likelihood):
    r"""scButterfly's ATAC loss: cross-entropy against TF-IDF values in [0, 1].

    .. math:: \ell_i = -\sum_j x_{ij} \ln p_{ij} + (1 - x_{ij}) \ln(1 - p_{ij})

    (scButterfly, Methods, eq. for the ATAC reconstruction loss.) Predictions are on the scale
    of the scaled TF-IDF values, not of accessibility.
    """

    def initial_bias(self, statistics: FeatureStatistics) -> np.ndarray:
        mean_term = 1 / max(statistics.median_depth, 1)
        scaled = statistics.idf * mean_term / max(statistics.tfidf_max, 1e-12)
        mean = scaled * statistics.n_detected / max(statistics.n_cells, 1)
        mean = np.clip(mean, 1e-6, 1 - 1e-6)
        return np.log(mean) - np.log1p(-mean)

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: Any) -> torch.Tensor:
        # a held-out cell may be shallower than all training cells and exceed their maximum
        x = x.with_values(x.values.clamp(max=1))
        if self.norm is None:
            return self.output.bernoulli_nll(hidden, x, x.values.new_zeros(x.n_rows))
        n_sources = hidden.shape[0] // max(counts.n_rows, 1)
        y = x.to_dense().repeat(n_sources, 1)
        logits = self.outputs(hidden)
        return F.binary_cross_entropy_with_logits(logits, y, reduction="none").sum(1)

    def predict(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        return {"X": torch.sigmoid(self.outputs(hidden))}

    def moments(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.predict(hidden)["X"], None
