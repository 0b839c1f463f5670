"""What a fold's test cells are, and which of the other cells stop the training early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HoldOut:
    """A way to hold cells out.

    Parameters
    ----------
    by
        What is tested whole: cells, types or batches.
    name
        What reports call it.
    validates
        What validates whole. In the papers that is what is tested; ``"cell"`` lets random cells
        of all other types or batches validate, so that each of these trains.
    """

    by: Any
    name: str
    validates: Any

    @property
    def validation_by(self) -> Any:
        """Return what ``xm.pp.split`` calls it."""
        return "same" if self.validates == self.by else "cell"


SPLITS = {
    "cell": HoldOut("cell", "by cell", "cell"),
    "cell_type": HoldOut("cell_type", "by cell type", "cell_type"),
    "batch": HoldOut("batch", "by batch", "batch"),
    "cell_type_drawn": HoldOut("cell_type", "by cell type (random cells validate)", "cell"),
    "batch_drawn": HoldOut("batch", "by batch (random cells validate)", "cell"),
}
"""Where two batches are all, one is left to train and its cells are drawn in any case: only
``batch`` has folds then."""
