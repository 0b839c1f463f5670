"""Losses added up on the device and logged once an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from scvi.module.base import LossOutput

_COMPOSED = ("reconstruction_loss", "kl_local")


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
        self._restart()

    def _restart(self) -> None:
        self._parts: dict[str, dict[str, torch.Tensor]] = {name: {} for name in _COMPOSED}
        self._sizes: dict[str, int] = {}
        self._further: dict[str, torch.Tensor] = {}
        self._n_cells = 0
        self._batch_losses: list[torch.Tensor] = []

    @torch.no_grad()
    def add(self, output: LossOutput, loss: torch.Tensor, **further: torch.Tensor) -> None:
        """Add a minibatch's terms.

        Parameters
        ----------
        output
            Terms of each cell. Where ``extra_metrics`` has ``n_<term>``, that many cells have the
            term and the mean is over those; others, not measured in the modality, have 0.
        loss
            Mean over the minibatch of what is minimised.
        **further
            Further means over the minibatch.
        """
        n_cells = output.n_obs_minibatch
        for composed, parts in self._parts.items():
            for name, own in getattr(output, composed).items():
                _add(parts, name, own.sum())
                size = output.extra_metrics.get(f"n_{name}", own.numel())
                self._sizes[name] = self._sizes.get(name, 0) + int(size)
        for name, mean in {"loss": loss, **further}.items():
            _add(self._further, name, mean * n_cells)
        self._n_cells += n_cells
        self._batch_losses.append(loss.detach())

    def mean(self, name: str) -> float:
        """Return one term's mean over the cells so far; waits for the device."""
        return float(self._means()[name]) if self._n_cells else float("nan")

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
        return [name for name, mean in self._means().items() if not torch.isfinite(mean)]

    def means(self, mode: str) -> dict[str, torch.Tensor]:
        """Return the means over cells, named for ``"train"`` or ``"validation"``, and restart."""
        means = self._means()
        self._restart()
        return {
            f"{mode}_loss" if name == "loss" else f"{name}_{mode}": mean
            for name, mean in means.items()
        }

    def _means(self) -> dict[str, torch.Tensor]:
        if not self._n_cells:
            return {}
        own = {name: total / self._n_cells for name, total in self._further.items()}
        parts = {
            composed: {name: total / self._sizes[name] for name, total in sums.items()}
            for composed, sums in self._parts.items()
        }
        whole = {name: torch.stack(list(means.values())).sum() for name, means in parts.items()}
        loss, elbo = own.pop("loss"), torch.stack(list(whole.values())).sum()
        paths = parts["reconstruction_loss"]
        return {"loss": loss, "elbo": elbo, **whole, **paths, **own}


def _add(sums: dict[str, torch.Tensor], name: str, value: torch.Tensor) -> None:
    value = value.detach()
    sums[name] = sums[name] + value if name in sums else value
