"""Losses added up on the device and logged once an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from scvi.module.base import LossOutput


class LossSums:
    """Sums over the cells of an epoch, under the names of scvi-tools' history.

    To log each term in each step costs Lightning more time than a small network needs to train,
    so terms are added up here and logged as one mean an epoch.

    Examples
    --------
    >>> import torch
    >>> from scvi.module.base import LossOutput
    >>> from scvi_xmodal.train import LossSums
    >>> sums = LossSums()
    >>> sums.add(LossOutput(torch.tensor(3.0), torch.tensor([1.0, 5.0])), torch.tensor(3.0))
    >>> {k: float(v) for k, v in sums.means("train").items()}["reconstruction_loss_train"]
    3.0
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._n_cells = 0
        self._batch_losses: list[torch.Tensor] = []

    @torch.no_grad()
    def add(self, output: LossOutput, loss: torch.Tensor, **further: torch.Tensor) -> None:
        """Add a minibatch's terms.

        Parameters
        ----------
        output
            Terms of each cell.
        loss
            Mean over the minibatch of what is minimised.
        **further
            Further means over the minibatch.
        """
        n_cells = output.n_obs_minibatch
        reconstruction, kl = output.reconstruction_loss_sum, output.kl_local_sum
        terms = {
            "loss": loss * n_cells,
            "elbo": reconstruction + kl,
            "reconstruction_loss": reconstruction,
            "kl_local": kl,
            **{name: own.sum() for name, own in output.reconstruction_loss.items()},
            **{name: mean * n_cells for name, mean in further.items()},
        }
        for name, value in terms.items():
            value = value.detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._n_cells += n_cells
        self._batch_losses.append(loss.detach())

    def mean(self, name: str) -> float:
        """Return one term's mean over the cells so far; waits for the device."""
        return float(self._sums[name]) / self._n_cells if self._n_cells else float("nan")

    def first_bad_batch(self) -> int | None:
        """Return the first minibatch whose loss is NaN or infinite; waits for the device."""
        if not self._batch_losses:
            return None
        bad = ~torch.isfinite(torch.stack(self._batch_losses))
        return int(bad.nonzero()[0]) if bool(bad.any()) else None

    def batch_loss(self, number: int) -> float:
        """Return the loss of a minibatch."""
        return float(self._batch_losses[number])

    def bad_terms(self) -> list[str]:
        """Return the terms whose sums are NaN or infinite."""
        return [name for name, total in self._sums.items() if not torch.isfinite(total)]

    def means(self, mode: str) -> dict[str, torch.Tensor]:
        """Return the means over cells, named for ``"train"`` or ``"validation"``, and restart."""
        names = {name: f"{name}_{mode}" for name in self._sums}
        names["loss"] = f"{mode}_loss"
        means = {names[name]: total / self._n_cells for name, total in self._sums.items()}
        self._sums, self._n_cells, self._batch_losses = {}, 0, []
        return means
