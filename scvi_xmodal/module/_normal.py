"""Squared errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from scvi_xmodal.module._likelihood import ShrinkableLikelihood

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from scvi_xmodal.module._linear_path import Blend
    from scvi_xmodal.module._spec import ModalitySpec
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows


class Normal(ShrinkableLikelihood):
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
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> dict[str, torch.Tensor]:
        x = self.blended(hidden, blend)
        if not self.on_log_counts:
            return {"X": x}
        x = x.clamp(min=0)
        # the exponential of a mean of logarithms is below the mean: shares are, times the total
        share = torch.expm1(x)
        share = share / share.sum(1, keepdim=True).clamp(min=1e-12)
        return {"X": x, "mean": share * (self.median_total if total is None else total[:, None])}

    def moments(
        self,
        hidden: torch.Tensor,
        total: torch.Tensor | None = None,
        *,
        blend: Blend | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.blended(hidden, blend), None

    def losses(
        self, candidates: Iterable[torch.Tensor], counts: SparseRows, x: Any
    ) -> torch.Tensor:
        """Return squared errors."""
        measured = self.response(counts, x)
        dense = measured if isinstance(measured, torch.Tensor) else measured.to_dense()
        return torch.stack([(own - dense).square().sum(1) for own in candidates])

    def response(self, counts: SparseRows, x: Any) -> SparseRows | torch.Tensor:
        """Return the encoder's inputs."""
        return x

    def tangent(
        self, mean: torch.Tensor, overall: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return mean - self.base, torch.ones_like(mean)
