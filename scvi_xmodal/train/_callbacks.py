"""What watches a phase of training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback

from scvi_xmodal._compat import ProgressBar

if TYPE_CHECKING:
    import torch
    from lightning.pytorch import LightningModule, Trainer


class RestoreBest(Callback):
    """Keep the weights of the best validation epoch in memory and put them back at the end.

    scButterfly's code restores the best weights only if early stopping fires; scvi-tools' early
    stopping never does.

    Parameters
    ----------
    monitor
        Logged metric to minimise.
    """

    def __init__(self, monitor: str):
        self.monitor = monitor
        self.best = math.inf
        self.best_epoch: int | None = None
        self._weights: dict[str, torch.Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights if the metric is the best so far."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is not None and float(value) < self.best:
            self.best, self.best_epoch = float(value), trainer.current_epoch
            for name, tensor in pl_module.module.state_dict().items():
                if name in self._weights:
                    self._weights[name].copy_(tensor)
                else:
                    self._weights[name] = tensor.detach().clone()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the copy."""
        if self._weights:
            pl_module.module.load_state_dict(self._weights)
            self._weights = {}


class StopOnNaN(Callback):
    """Stop with an explanation as soon as the loss is no number.

    Looked at once an epoch, so that no step waits for the device.
    """

    def __init__(self, phase: str):
        self.phase = phase

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise if the epoch's mean loss is NaN or infinite."""
        loss = pl_module.train_sums.mean("loss")
        if not math.isfinite(loss):
            raise ValueError(
                f"The training loss became {loss} in epoch {trainer.current_epoch} of "
                f"phase {self.phase!r}. Make a new model, whose weights are numbers again, and "
                "lower the learning rate, plan_kwargs={'lr': 1e-4}, or clip gradients, "
                "plan_kwargs={'max_grad_norm': 5}."
            )


class PhaseProgressBar(ProgressBar):
    """scvi-tools' progress bar, saying which phase it shows."""

    def __init__(self, phase: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.phase = phase

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Name the phase before the epoch."""
        super().on_train_epoch_start(trainer, pl_module)
        if self.is_enabled:
            epoch = trainer.current_epoch + 1
            self.main_progress_bar.set_description(
                f"{self.phase} epoch {epoch}/{trainer.max_epochs}"
            )

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Show the losses per cell of training and validation cells."""
        name = "reconstruction_loss"
        shown = {"train": _shown(pl_module.train_sums.mean(name))}
        validation = trainer.callback_metrics.get(f"{name}_validation")
        if validation is not None:
            shown["validation"] = _shown(float(validation))
        return shown


def _shown(loss: float) -> str:
    # sums over features are large, means over them small
    return f"{loss:.1f}" if abs(loss) >= 10 else f"{loss:.4f}"
