"""How far predictions may stray from the training cells' base rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2)
"""Shares that are tried; losses are smooth in between.

None is 0: a fifth costs little likelihood where cells are few, and keeps the order of cells. The
last only shows the bend of the loss at 1, the largest share that is kept."""


class Shrinkage(nn.Module):
    r"""The share of a path's deviations from the base rates that its predictions keep.

    .. math:: \eta'_{ij} = \bar\eta_j + \alpha_{st} (\eta_{ij} - \bar\eta_j)

    with the decoder's output :math:`\eta_{ij}`, a logit before the depth offset (ATAC) or before
    the softmax (RNA), and its value :math:`\bar\eta_j` at the training cells' base rates. The
    share :math:`\alpha_{st}`, one for each source and target, is where validation cells have the
    highest likelihood (ATAC; a convex problem) or the smallest squared errors of log-normalised
    expression (RNA). Networks trained on few cells claim more than they know; a share below 1
    takes it back, which improves likelihood, calibration and the ranking of a cell's peaks. A
    ridge regression does the same by its penalty. Neither paper has it.

    Shares above 1 are not kept, though validation cells sometimes ask for them, most of all those
    of types that were not trained with: what carries one unseen type further carries the next
    one too far.

    Examples
    --------
    >>> from scvi_xmodal.module import Shrinkage
    >>> shrinkage = Shrinkage()
    >>> shrinkage.fit(torch.tensor([(share - 0.63) ** 2 for share in SHARES]))
    >>> round(shrinkage.share.item(), 3)
    0.63
    """

    share: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("share", torch.tensor(1.0))

    def fit(self, losses: torch.Tensor) -> None:
        """Set the share where a parabola through the lowest losses has its minimum, at most to 1.

        Parameters
        ----------
        losses
            Validation losses at ``SHARES``, of shape (n_shares,).
        """
        values = losses.double().tolist()
        lowest = min(range(len(values)), key=values.__getitem__)
        share = SHARES[lowest]
        if 0 < lowest < len(values) - 1:
            before, own, after = values[lowest - 1 : lowest + 2]
            bend = before - 2 * own + after
            step = SHARES[lowest + 1] - SHARES[lowest]
            share += 0.5 * step * (before - after) / bend if bend > 0 else 0.0
        self.share.fill_(min(share, 1.0))

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # models saved before there was a share keep all deviations
        state_dict.setdefault(f"{prefix}share", torch.ones_like(self.share))  # type: ignore[attr-defined]
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
