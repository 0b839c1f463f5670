"""How counts arise from the decoder: output layers with their likelihoods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scvi_xmodal.module._statistics import positive_median
from scvi_xmodal.nn import (
    BlockedLinear,
    expected_log1p,
    expected_log1p_table,
    negative_binomial_kernel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scvi_xmodal.module._spec import LikelihoodName, ModalitySpec
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows

_INITIAL_SCALE = 0.1


class Likelihood(nn.Module, ABC):
    """Output layer of a decoder and the negative log-likelihood of what it predicts.

    ``hidden`` may stack the decodings of several sources for the same cells, source after
    source: shape (n_sources * n_cells, n_blocks * n_hidden).

    Parameters
    ----------
    spec
        The modality.
    use_batch_norm
        Whether the outputs pass a batch norm, as in scButterfly's code; then the biases start
        at 0 and the layer is not fused with the loss.
    """

    median_total: torch.Tensor

    def __init__(self, spec: ModalitySpec, *, use_batch_norm: bool = False):
        super().__init__()
        initial_scale = 1.0 if use_batch_norm else _INITIAL_SCALE
        self.output = BlockedLinear(spec.blocks, spec.settings.n_hidden, scale=initial_scale)
        self.norm = nn.BatchNorm1d(spec.n_features) if use_batch_norm else None
        self.register_buffer("median_total", torch.tensor(1.0))

    def fit(self, statistics: FeatureStatistics) -> None:
        """Start the output biases at the training cells' base rates."""
        self.median_total.fill_(positive_median(self.totals_of(statistics)))
        if self.norm is None:
            bias = torch.from_numpy(self.initial_bias(statistics)).to(self.output.bias)
            self.output.bias.data.copy_(bias)

    def outputs(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the layer's outputs of shape (n_rows, n_features)."""
        # likelihoods are sums over many features: under autocast they keep the weights' precision
        outputs = self.output(hidden).to(self.output.weight.dtype)
        return outputs if self.norm is None else self.norm(outputs)

    def totals_of(self, statistics: FeatureStatistics) -> np.ndarray:
        """Return each training cell's total: what the likelihood factors out, (n_cells,)."""
        return statistics.library

    @abstractmethod
    def initial_bias(self, statistics: FeatureStatistics) -> np.ndarray:
        """Return the output bias at the base rates, of shape (n_features,)."""

    @abstractmethod
    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: Any) -> torch.Tensor:
        """Return the negative log-likelihood of each row, of shape (n_sources * n_cells,).

        Parameters
        ----------
        hidden
            Hidden units of shape (n_sources * n_cells, n_blocks * n_hidden).
        counts
            Measured counts of shape (n_cells, n_features).
        x
            The unmasked encoder inputs of the same cells, for losses on that scale.
        """

    @abstractmethod
    def predict(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Return ``X``, what a person analyses, and further layers, (n_cells, n_features).

        Parameters
        ----------
        hidden
            Hidden units of shape (n_cells, n_blocks * n_hidden).
        total
            Totals to predict at, of shape (n_cells,); by default the training median.
        """

    @abstractmethod
    def moments(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return mean and variance of what is measured, (n_cells, n_features), as `predict` does.

        The variance is ``None`` where the loss, such as squared errors, implies none.
        """


class ShrinkableLikelihood(Likelihood):
    """A likelihood whose predictions may keep only a share of what sets them apart.

    ``base`` holds the outputs at the training cells' base rates, of shape (n_features,).
    """

    base: torch.Tensor

    def __init__(self, spec: ModalitySpec, *, use_batch_norm: bool = False):
        super().__init__(spec, use_batch_norm=use_batch_norm)
        self.register_buffer("base", torch.zeros(spec.n_features))

    def fit(self, statistics: FeatureStatistics) -> None:
        super().fit(statistics)
        self.base.copy_(torch.from_numpy(self.base_outputs(statistics)))

    def base_outputs(self, statistics: FeatureStatistics) -> np.ndarray:
        """Return outputs at the base rates, at the median depth, of shape (n_features,)."""
        return self.initial_bias(statistics)

    def shrunk(self, hidden: torch.Tensor, share: torch.Tensor | None) -> torch.Tensor:
        """Return outputs with that share of their distance from ``base``, of `outputs`' shape."""
        outputs = self.outputs(hidden)
        return outputs if share is None else outputs.mul_(share).add_((1 - share) * self.base)

    @abstractmethod
    def losses_at(
        self, hidden: torch.Tensor, counts: SparseRows, shares: Sequence[float]
    ) -> torch.Tensor:
        """Return what shares of the deviations cost measured cells, of shape (n_shares,)."""

    @abstractmethod
    def predict(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        share: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Return what :meth:`Likelihood.predict` does, with a share of the deviations."""

    @abstractmethod
    def moments(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        share: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return what :meth:`Likelihood.moments` does, with a share of the deviations."""

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # models saved before there was a base keep all that sets predictions apart from it
        state_dict.setdefault(f"{prefix}base", torch.zeros_like(self.base))  # type: ignore[attr-defined]
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


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
        self._table: tuple[Any, torch.Tensor] | None = None

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
        share: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        total = self.median_total.expand(hidden.shape[0]) if total is None else total
        mean = F.softmax(self.shrunk(hidden, share), dim=1) * total[:, None]
        at_median = mean * (self.median_total / total)[:, None]
        return {"X": expected_log1p(at_median, self._expected_log1p_table()), "mean": mean}

    def moments(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        share: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        total = self.median_total.expand(hidden.shape[0]) if total is None else total
        mean = F.softmax(self.shrunk(hidden, share), dim=1) * total[:, None]
        return mean, mean + mean.square() / self.log_theta.exp()

    def losses_at(
        self, hidden: torch.Tensor, counts: SparseRows, shares: Sequence[float]
    ) -> torch.Tensor:
        """Return the summed squared errors of ``X`` against log-normalised measured values.

        Not the likelihood, under which too small shares win: its dispersions were fitted with
        all of the deviations.
        """
        deviation = self.outputs(hidden) - self.base
        scale = self.median_total / counts.row_sums().clamp(min=1)
        measured = torch.log1p(counts.to_dense() * scale[:, None])
        table, losses = self._expected_log1p_table(), []
        for share in shares:
            mean = F.softmax(self.base + share * deviation, dim=1) * self.median_total
            losses.append((expected_log1p(mean, table) - measured).square().sum())
        return torch.stack(losses)

    def _expected_log1p_table(self) -> torch.Tensor:
        """Return the table for the dispersions as they are, made anew when they change."""
        state = (self.log_theta._version, self.log_theta.device)
        if self._table is None or self._table[0] != state:
            table = expected_log1p_table(self.log_theta.detach().exp())
            self._table = (state, table.to(self.log_theta.dtype))
        return self._table[1]


class Bernoulli(ShrinkableLikelihood):
    r"""Open or closed peaks, with the cell's depth factored out.

    .. math::
        b_{ij} \sim \text{Bernoulli}\left(\sigma\left(h_{ic(j)} \cdot w_j + b_j
        + \ln \frac{d_i}{\text{median}(d)}\right)\right)

    where :math:`d_i` counts the cell's open peaks (cf. the cell factor of PeakVI and MultiVI).
    The published model has neither a depth nor binary targets (``atac_target="tfidf"``).
    Predictions may keep only a share of what sets them apart from ``base``, the training cells'
    base rates (:class:`~scvi_xmodal.module.Shrinkage`).
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
        share: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        # in place: at 100,000 peaks a second matrix costs time
        logits = self.shrunk(hidden, share)
        if total is not None:
            logits += self._offset(total)[:, None]
        return {"X": logits.sigmoid_()}

    def moments(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        share: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        mean = self.predict(hidden, total, share=share)["X"]
        return mean, mean * (1 - mean)

    def losses_at(
        self, hidden: torch.Tensor, counts: SparseRows, shares: Sequence[float]
    ) -> torch.Tensor:
        """Return the summed negative log-likelihoods."""
        target = counts.binarized()
        deviation = self.outputs(hidden) - self.base
        at_base = self.base + self._offset(target.row_sums())[:, None]
        open_ = target.to_dense()
        # sum_ij b_ij logit_ij, which is linear in the share
        fixed, slope = (open_ * at_base).sum(), (open_ * deviation).sum()
        losses = [
            F.softplus(at_base + share * deviation).sum() - fixed - share * slope
            for share in shares
        ]
        return torch.stack(losses)

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


class Normal(Likelihood):
    r"""Squared errors on the scale of the encoder's inputs.

    .. math:: \ell_i = \sum_j (x_{ij} - \hat x_{ij})^2

    (scButterfly, Methods, eq. for the RNA reconstruction loss; also its protein loss.) With
    ``use_batch_norm`` the RNA outputs end in a LeakyReLU, as in scButterfly's code.
    """

    def __init__(self, spec: ModalitySpec, *, use_batch_norm: bool = False):
        super().__init__(spec, use_batch_norm=use_batch_norm)
        self.on_log_counts = spec.settings.transform == "log_normalize"
        self.rectify = self.on_log_counts and use_batch_norm

    def initial_bias(self, statistics: FeatureStatistics) -> np.ndarray:
        if self.on_log_counts:
            return statistics.log_normalized_mean
        return statistics.clr_mean

    def outputs(self, hidden: torch.Tensor) -> torch.Tensor:
        outputs = super().outputs(hidden)
        return F.leaky_relu(outputs, 0.01) if self.rectify else outputs

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: Any) -> torch.Tensor:
        dense = x if isinstance(x, torch.Tensor) else x.to_dense()
        n_sources = hidden.shape[0] // max(counts.n_rows, 1)
        return (dense.repeat(n_sources, 1) - self.outputs(hidden)).square().sum(1)

    def predict(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        x = self.outputs(hidden)
        if not self.on_log_counts:
            return {"X": x}
        x = x.clamp(min=0)
        mean = torch.expm1(x)
        scale = 1.0 if total is None else (total / self.median_total)[:, None]
        return {"X": x, "mean": mean * scale}

    def moments(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.outputs(hidden), None


LIKELIHOODS: dict[LikelihoodName, type[Likelihood]] = {
    "nb": NegativeBinomial,
    "bernoulli": Bernoulli,
    "tfidf": TfIdfBernoulli,
    "normal": Normal,
}
