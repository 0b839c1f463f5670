"""A linear way from source to target, beside the network's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from scvi_xmodal.nn import bag_product

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal.nn import SparseRows


class Blend(NamedTuple):
    r"""What decoder outputs become on their way to a prediction.

    .. math:: \eta'_{ij} = \bar\eta_j + \alpha (\eta_{ij} - \bar\eta_j) + \sum_k s_{ik} B_{kj}

    Parameters
    ----------
    share
        Share :math:`\alpha` of the deviations from the base rates that is kept, a scalar or of
        shape (n_cells, 1).
    scores
        Scores s of the cells, of shape (n_cells, n_components), times the path's weight.
    coefficients
        Coefficients B of shape (n_components, n_features).
    """

    share: torch.Tensor
    scores: torch.Tensor
    coefficients: torch.Tensor

    def __call__(self, outputs: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Change outputs of shape (n_cells, n_features) in place: a second matrix costs time."""
        return self.add_line(outputs.mul_(self.share).add_((1 - self.share) * base))

    def add_line(self, outputs: torch.Tensor) -> torch.Tensor:
        """Add the linear path's part to outputs, in place."""
        if not self.scores.shape[1]:
            return outputs
        return outputs.addmm_(self.scores.to(outputs.dtype), self.coefficients.to(outputs.dtype))


class _Resizable(nn.Module):
    """Buffers that are empty until they are fitted, and take the size of what is loaded."""

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for name, own in list(self._buffers.items()):
            # models saved before there was a linear path have none
            stored = state_dict.setdefault(f"{prefix}{name}", own)  # type: ignore[attr-defined]
            if own is not None and own.shape != stored.shape:
                self._buffers[name] = own.new_empty(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class Projection(_Resizable):
    """Scores of cells on the leading components of the training cells.

    Parameters
    ----------
    n_features
        Number of features of the source.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.module import Projection
    >>> projection = Projection(3)
    >>> projection.fit(torch.tensor([[1.0], [0.0], [1.0]]))
    >>> projection(torch.tensor([[1.0, 7.0, 2.0]]))
    tensor([[3.]])
    """

    components: torch.Tensor

    def __init__(self, n_features: int):
        super().__init__()
        self.register_buffer("components", torch.zeros(n_features, 0))

    def fit(self, components: torch.Tensor) -> None:
        """Set components of shape (n_features, n_components)."""
        self.components = components.to(self.components)

    def forward(self, x: SparseRows | torch.Tensor) -> torch.Tensor:
        """Map inputs of shape (n_cells, n_features) to scores (n_cells, n_components)."""
        if isinstance(x, torch.Tensor):
            return x.to(self.components.dtype) @ self.components
        return bag_product(x.values, x.columns, x.offsets, self.components)


class LinearPath(_Resizable):
    r"""A ridge regression of a target on the components of a source.

    .. math::
        \eta'_{ij} = \bar\eta_j + (1 - w) \, \alpha (\eta_{ij} - \bar\eta_j) + w \, \zeta r_{ij},
        \quad r_{ij} = \delta_j + (s_i - \bar s) \cdot B_j

    with the decoder's outputs :math:`\eta`, their values :math:`\bar\eta` at the base rates, the
    share :math:`\alpha` of :class:`~scvi_xmodal.module.Shrinkage` and the source's scores s. The
    regression predicts what is measured (log-normalised expression, open peaks, centred
    log-ratios); divided by the slope of that in the outputs, at the base rates, it moves the
    outputs as the first step of Newton's method would. Of features that few of the n cells have,
    :math:`(1 + 5 / n) / (1 + 5 / n_j)` of that is kept. :math:`\delta_j` is the way from the base
    rates to the mean of what is measured. Logits can be added where probabilities cannot, and
    layers, intervals and depth follow from the outputs as before.

    A linear model errs less than a network where cells are few or come from an unseen batch; where
    both err as much, they err in different ways, and their mean is better than either. Neither
    paper has it.

    Parameters
    ----------
    n_features
        Number of features of the target.

    Attributes
    ----------
    is_used
        Whether predictions need it, so that a GPU need not be asked for the weight.
    """

    center: torch.Tensor
    coefficients: torch.Tensor
    scale: torch.Tensor
    weight: torch.Tensor

    def __init__(self, n_features: int):
        super().__init__()
        self.register_buffer("center", torch.zeros(0))
        self.register_buffer("coefficients", torch.zeros(0, n_features))
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("weight", torch.tensor(0.0))
        self.is_used = False

    @property
    def is_fitted(self) -> bool:
        """Whether there is a regression: not before training ends, nor without pairs."""
        return bool(self.coefficients.shape[0])

    def fit(self, center: torch.Tensor, offset: torch.Tensor, coefficients: torch.Tensor) -> None:
        """Set a regression.

        Parameters
        ----------
        center
            Mean of the scores, of shape (n_components,).
        offset
            Predicted at that mean, of shape (n_features,).
        coefficients
            Coefficients of shape (n_components, n_features).
        """
        self.center = center.to(self.center)
        self.coefficients = torch.cat([offset[None], coefficients]).to(self.coefficients)
        self.weigh(0.0)

    def weigh(self, weight: float, scale: float = 1.0) -> None:
        """Set the weight and how far the regression's deviations are carried."""
        self.weight.fill_(weight)
        self.scale.fill_(scale)
        self.is_used = weight > 0 and self.is_fitted

    def reset(self) -> None:
        """Forget what was fitted: predictions are the network's alone."""
        self.center, self.coefficients = self.center[:0], self.coefficients[:0]
        self.weigh(0.0)

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """Map scores (n_cells, n_components) to what is multiplied with the coefficients."""
        return torch.cat([scores.new_ones(scores.shape[0], 1), scores - self.center], dim=1)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self.is_used = self.is_fitted and self.weight.item() > 0
