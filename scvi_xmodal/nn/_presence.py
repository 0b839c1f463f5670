"""Which cells of a minibatch were measured in which modality."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Presence(NamedTuple):
    """Where a minibatch's cells stand among each modality's rows.

    Minibatches in which every cell was measured in all modalities need none. A ``NamedTuple``,
    because Lightning moves those between devices by itself.

    Parameters
    ----------
    n_cells
        Number of cells of the minibatch.
    cells
        For each modality the numbers of the cells that it measured, ascending, one for each of
        its rows.

    Examples
    --------
    >>> import torch
    >>> from scvi_xmodal.nn import Presence
    >>> presence = Presence(4, {"rna": torch.tensor([0, 1, 3]), "atac": torch.tensor([1, 2, 3])})
    >>> [rows.tolist() for rows in presence.shared("rna", "atac")]
    [[1, 2], [0, 2]]
    """

    n_cells: int
    cells: dict[str, torch.Tensor]

    def shared(self, source: str, target: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows, of each of two modalities, of the cells that both measured."""
        ours, theirs = self.cells[source], self.cells[target]
        return torch.isin(ours, theirs).nonzero()[:, 0], torch.isin(theirs, ours).nonzero()[:, 0]
