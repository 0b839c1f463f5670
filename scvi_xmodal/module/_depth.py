"""How deep a cell would have been measured in another modality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

if TYPE_CHECKING:
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows

_RIDGE = 1e-3


class DepthPredictor(nn.Module):
    r"""Ridge regression of a target's log total on the source's totals.

    .. math:: \ln t_i = a \ln(1 + l_i) + b \ln(1 + g_i) + c + \varepsilon_i

    where :math:`l_i` is the source's total count, :math:`g_i` its number of detected features
    and :math:`t_i` what the target's likelihood factors out (RNA counts, open peaks). Fitted on
    the measured pairs of the training cells. The exponential of an expected logarithm falls short
    of the expected total (by 12 to 15 % on bone marrow), so ``c`` is then raised until the
    predictions of the training cells add up to what was measured (a smearing estimate; Duan,
    J. Am. Stat. Assoc. 1983, takes the mean of the ratios, here the ratio of the means).

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.module import DepthPredictor
    >>> predictor = DepthPredictor()
    >>> predictor.fit_totals(np.array([9.0, 99, 999]), np.array([4.0, 9, 19]), np.ones(3) * 7)
    >>> round(float(predictor.coefficients[0]), 3)
    1.946
    """

    coefficients: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("coefficients", torch.zeros(3))

    def fit(self, source: FeatureStatistics, target_totals: np.ndarray) -> None:
        """Fit on the source's statistics and the same cells' totals of the target."""
        self.fit_totals(source.library, source.depth, target_totals)

    def fit_totals(
        self, library: np.ndarray, detected: np.ndarray, target_totals: np.ndarray
    ) -> None:
        """Fit on totals of shape (n_cells,)."""
        design = np.stack([np.log1p(library), np.log1p(detected)], axis=1)
        response = np.log(np.maximum(target_totals, 1))
        centre, level = design.mean(0), response.mean()
        design = design - centre
        gram = design.T @ design + _RIDGE * len(design) * np.eye(2)
        slope = np.linalg.solve(gram, design.T @ (response - level))
        predicted = np.exp(level + design @ slope)
        level += np.log(np.maximum(target_totals, 1).sum() / predicted.sum())
        values = np.concatenate([[level - centre @ slope], slope])
        self.coefficients.copy_(torch.from_numpy(values))

    def fit_constant(self, total: float) -> None:
        """Predict the same total for every cell, where no cell was measured in both."""
        self.coefficients.copy_(torch.tensor([np.log(max(total, 1)), 0.0, 0.0]))

    def forward(self, counts: SparseRows) -> torch.Tensor:
        """Return the target's expected total for source counts, of shape (n_cells,)."""
        intercept, per_library, per_detected = self.coefficients
        library, detected = counts.row_sums(), counts.row_counts()
        return torch.exp(
            intercept + per_library * torch.log1p(library) + per_detected * torch.log1p(detected)
        )
