"""From counts to what the encoders read, by statistics of the training cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from scvi_xmodal.module._spec import ModalitySpec, Transform
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows

_TYPICAL = 10.0
"""Times this, TF-IDF in units of its mean is about TF-IDF per 10,000 reads."""


class InputTransform(nn.Module, ABC):
    """Turns count rows into encoder inputs; its statistics are buffers and are saved."""

    def __init__(self, spec: ModalitySpec):
        super().__init__()

    @abstractmethod
    def fit(self, statistics: FeatureStatistics) -> None:
        """Take what is needed from the training cells' statistics."""

    @abstractmethod
    def forward(self, counts: SparseRows) -> SparseRows | torch.Tensor:
        """Map counts of shape (n_cells, n_features) to inputs of the same shape."""

    def for_components(self, x: Any) -> Any:
        """Map inputs to what components are taken of: by default the inputs themselves."""
        return x


class LogNormalize(InputTransform):
    r"""Size-normalise to the training median and take logarithms.

    .. math:: x_{ij} = \ln\left(1 + \frac{y_{ij}}{l_i} \, \text{median}(l)\right)

    scButterfly and BABEL (Methods, "preprocessing") do the same with the median of all cells.
    """

    median_library: torch.Tensor

    def __init__(self, spec: ModalitySpec):
        super().__init__(spec)
        self.register_buffer("median_library", torch.tensor(1.0))

    def fit(self, statistics: FeatureStatistics) -> None:
        self.median_library.fill_(statistics.median_library)

    def forward(self, counts: SparseRows) -> SparseRows:
        library = counts.row_sums().clamp(min=1e-12)
        scale = (self.median_library / library)[counts.row_index()]
        return counts.with_values(torch.log1p(counts.values * scale))


class TfIdf(InputTransform):
    r"""Weight open peaks by term frequency and inverse document frequency.

    .. math:: x_{ij} = \frac{b_{ij}}{\sum_k b_{ik}} \ln\left(1 + \frac{n}{df_j}\right) / S

    with binarised counts b (scButterfly, Methods, "preprocessing"). The paper's S is the
    largest value, which one shallow cell decides and which leaves inputs near 0; ``scale="mean"``
    (the default) divides by the mean over stored values, ``scale="max"`` as published.
    """

    idf: torch.Tensor

    def __init__(self, spec: ModalitySpec, *, scale: str = "mean"):
        super().__init__(spec)
        self.scale = scale
        self.register_buffer("idf", torch.ones(spec.n_features))

    def fit(self, statistics: FeatureStatistics) -> None:
        mean = statistics.tfidf_sum / max(statistics.n_detected.sum(), 1)
        divisor = mean if self.scale == "mean" else statistics.tfidf_max
        self.idf.copy_(torch.from_numpy(statistics.idf / max(divisor, 1e-12)))

    def forward(self, counts: SparseRows) -> SparseRows:
        binary = counts.binarized()
        term = (1 / binary.row_sums().clamp(min=1))[counts.row_index()]
        return binary.with_values(binary.values * term * self.idf[counts.columns.long()])

    def for_components(self, x: SparseRows) -> SparseRows:
        """Take logarithms, or shallow cells with their large values make up the components."""
        return x.with_values(torch.log1p(_TYPICAL * x.values))


class Binary(InputTransform):
    r"""Whether a peak is open, whatever its count (BABEL, Methods, "Data Preprocessing").

    .. math:: x_{ij} = 1 \text{ if } y_{ij} > 0 \text{ else } 0
    """

    def fit(self, statistics: FeatureStatistics) -> None:
        """Need nothing: the transform knows only the cell itself."""

    def forward(self, counts: SparseRows) -> SparseRows:
        return counts.binarized()


class CenteredLogRatio(InputTransform):
    r"""Logarithm relative to the cell's geometric mean, with a pseudocount.

    .. math:: x_{ij} = \ln(1 + y_{ij}) - \frac{1}{J} \sum_k \ln(1 + y_{ik})

    BABEL (Methods, "protein"). scButterfly's code leaves zeros at 0, the value of a protein at
    the cell's geometric mean; here an absent protein is the lowest, as it should be.
    """

    unit: torch.Tensor

    def __init__(self, spec: ModalitySpec):
        super().__init__(spec)
        # inputs come in the network's precision, as others do by their statistics
        self.register_buffer("unit", torch.tensor(1.0), persistent=False)

    def fit(self, statistics: FeatureStatistics) -> None:
        """Need nothing: the transform knows only the cell itself."""

    def forward(self, counts: SparseRows) -> torch.Tensor:
        dense = counts.to_dense()
        logged = torch.log1p(dense.to(torch.promote_types(dense.dtype, self.unit.dtype)))
        return logged - logged.mean(dim=1, keepdim=True)


TRANSFORMS: dict[Transform, Callable[[ModalitySpec], InputTransform]] = {
    "log_normalize": LogNormalize,
    "tfidf": TfIdf,
    "tfidf_max": partial(TfIdf, scale="max"),
    "binary": Binary,
    "clr": CenteredLogRatio,
}
"""Input transforms by the name that a spec's settings give them."""
