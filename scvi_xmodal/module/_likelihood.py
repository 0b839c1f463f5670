"""What output layers with a likelihood have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from scvi_xmodal.module._statistics import positive_median
from scvi_xmodal.nn import BlockedLinear

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

    from scvi_xmodal.module._linear_path import Blend
    from scvi_xmodal.module._spec import ModalitySpec
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows

_INITIAL_SCALE = 0.1
FARTHEST = 2.0
"""How far a linear path's mean may lie from the base rates, in logarithms."""


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
    """A likelihood whose outputs may be drawn to the base rates and to a linear prediction.

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

    def blended(self, hidden: torch.Tensor, blend: Blend | None) -> torch.Tensor:
        """Return the outputs that predictions are made of, (n_cells, n_features)."""
        if blend is None:
            return self.outputs(hidden)
        if blend.share.ndim:
            return blend(self.outputs(hidden), self.base)
        # one share for all cells goes into the layer: at 100,000 peaks every pass costs time
        bias = torch.lerp(self.base, self.output.bias, blend.share)
        outputs = self.output(blend.share * hidden, bias).to(self.output.weight.dtype)
        return blend.add_line(outputs)

    @abstractmethod
    def losses(
        self, candidates: Iterable[torch.Tensor], counts: SparseRows, x: Any
    ) -> torch.Tensor:
        """Return what outputs cost measured cells, of shape (n_candidates, n_cells).

        Parameters
        ----------
        candidates
            Outputs of shape (n_cells, n_features), one after another.
        counts
            Measured counts of shape (n_cells, n_features).
        x
            The encoder inputs of the same cells.
        """

    @abstractmethod
    def response(self, counts: SparseRows, x: Any) -> SparseRows | torch.Tensor:
        """Return what a linear path predicts of counts, whose encoder inputs are x; as they."""

    @abstractmethod
    def tangent(
        self, mean: torch.Tensor, overall: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the outputs' distance from ``base`` at a mean response, and the slope there.

        The slope is that of the response in the outputs; both are of shape (n_features,).

        Parameters
        ----------
        mean
            Mean response of the cells that were regressed on, of shape (n_features,).
        overall
            Mean response of all training cells, likewise.
        """

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # models saved before there was a base keep all that sets predictions apart from it
        state_dict.setdefault(f"{prefix}base", torch.zeros_like(self.base))  # type: ignore[attr-defined]
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
