"""Fit what share of the deviations from base rates predictions keep, on validation cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scvi_xmodal.module import SHARES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal.model._held_out import HeldOut
    from scvi_xmodal.module import ModalitySpec

MIN_CELLS = 20
"""Fewer cells do not tell how much to take back."""
MAX_CELLS = 1000
"""More would not change one number for all of them."""


def fit_shrinkage(module: Any, specs: Mapping[str, ModalitySpec], held: HeldOut) -> None:
    """Set the share of every source and target whose validation cells were measured in both.

    With fewer than 20 such cells predictions stay as they are.

    Parameters
    ----------
    module
        A trained module; models without :class:`~scvi_xmodal.module.Shrinkage` are left alone.
    specs
        The modalities.
    held
        The validation cells.
    """
    for path, shrinkage in getattr(module, "shrinkages", {}).items():
        source, target = next(own for own in module.paths if "_to_".join(own) == path)
        n_values = specs[target].n_features
        own, others = held.pairs(source, target, n_values=n_values, limit=MAX_CELLS)
        shrinkage.share.fill_(1.0)
        if own.size < MIN_CELLS:
            continue
        losses: Any = 0.0
        for block in held.blocks(own, n_values):
            losses = losses + module.losses_at(
                (source, target),
                held.counts(source, own[block]),
                held.counts(target, others[block]),
                SHARES,
                batch=held.batch(target, others[block]),
            )
        shrinkage.fit(losses)
