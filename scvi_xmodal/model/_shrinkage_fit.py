"""Fit what share of the deviations from base rates predictions keep, on validation cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scvi_xmodal.module import SHARES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scvi_xmodal.model._held_out import HeldOut
    from scvi_xmodal.module._spec import Path

MIN_CELLS = 20
"""Fewer cells do not tell how much to take back."""
MAX_CELLS = 1000
"""More would not change one number for all of them."""


def fit_shrinkage(module: Any, held: HeldOut) -> None:
    """Set the share of every source and target whose validation cells were measured in both.

    With fewer than 20 such cells predictions stay as they are.

    Parameters
    ----------
    module
        A trained module; models without :class:`~scvi_xmodal.module.Shrinkage` are left alone.
    held
        The validation cells.
    """
    for name, shrinkage in getattr(module, "shrinkages", {}).items():
        path = next(own for own in module.paths if "_to_".join(own) == name)
        shrinkage.share.fill_(1.0)
        losses = validation_losses(module, path, held, [(share, 0.0) for share in SHARES])
        if losses is not None:
            shrinkage.fit(losses.sum(1))


def validation_losses(
    module: Any, path: Path, held: HeldOut, weights: Sequence[tuple[float, float]]
) -> torch.Tensor | None:
    """Return losses of validation cells, (n_weights, n_cells); ``None`` of fewer than 20 cells.

    Parameters
    ----------
    module
        A trained module.
    path
        Source and target.
    held
        The validation cells.
    weights
        Shares of the decoder's and of the linear path's deviations from the base rates.
    """
    source, target = path
    n_values = module.specs[target].n_features
    own, others = held.pairs(source, target, n_values=n_values, limit=MAX_CELLS)
    if own.size < MIN_CELLS:
        return None
    losses = [
        module.losses_at(
            path,
            held.counts(source, own[block]),
            held.counts(target, others[block]),
            weights,
            batch=held.batch(target, others[block]),
        )
        for block in held.blocks(own, n_values)
    ]
    return torch.cat(losses, dim=1)
