"""What networks are told of a cell's batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np


class BatchShares(nn.Module):
    r"""Turn batch codes into the covariate that networks are given.

    A batch that the modality was trained in is its one-hot vector. Any other (a query's, of an
    experiment that nobody has seen, or one that measured only the other modality) has no weights
    of its own: such a cell takes the shares that the batches had of the training cells, which is
    the average of the batches' effects. Neither published code has such cells.

    Parameters
    ----------
    n_batch
        Number of batches; below 2 there is no covariate.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from scvi_xmodal.module import BatchShares
    >>> batches = BatchShares(3)
    >>> batches.fit(np.array([0, 0, 0, 1]))
    >>> batches(torch.tensor([1, 2, -1]))
    tensor([[0.0000, 1.0000, 0.0000],
            [0.7500, 0.2500, 0.0000],
            [0.7500, 0.2500, 0.0000]])
    """

    shares: torch.Tensor

    def __init__(self, n_batch: int):
        super().__init__()
        self.n_batch = n_batch if n_batch > 1 else 0
        self.register_buffer("shares", torch.full((self.n_batch,), 1 / max(self.n_batch, 1)))

    def fit(self, codes: np.ndarray) -> None:
        """Count the training cells of each batch, from their codes of shape (n_cells,)."""
        counts = torch.bincount(torch.from_numpy(codes), minlength=self.n_batch)
        self.shares.copy_(counts / counts.sum().clamp(min=1))

    def forward(self, codes: torch.Tensor | None) -> torch.Tensor | None:
        """Map codes of shape (n_cells,), -1 where unknown, to (n_cells, n_batch)."""
        if not self.n_batch or codes is None:
            return None
        codes = codes.view(-1)
        known = (codes >= 0) & (self.shares[codes.clamp(min=0)] > 0)
        own = nn.functional.one_hot(codes.clamp(min=0), self.n_batch).to(self.shares.dtype)
        return torch.where(known[:, None], own, self.shares)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # models saved before shares were kept take each batch for one that was trained in
        state_dict.setdefault(f"{prefix}shares", self.shares)  # type: ignore[attr-defined]
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
