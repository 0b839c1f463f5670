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
    stopping never does. They are also put back if training is stopped by Ctrl-C or an error: then
    the best so far, or, if no epoch was finished, what the phase began with.

    Parameters
    ----------
    monitor
        Logged metric to minimise; ``None`` where there are no validation cells, to keep the last
        finished epoch.
    at_end
        Whether to put them back when training ends by itself too.
    """

    def __init__(self, monitor: str | None, *, at_end: bool = True):
        self.monitor = monitor
        self.at_end = at_end
        self.best = math.inf
        self.best_epoch: int | None = None
        self._weights: dict[str, torch.Tensor] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights that the phase begins with."""
        self._copy(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights if the metric is the best so far."""
        value = None if self.monitor is None else trainer.callback_metrics.get(self.monitor)
        if value is not None and float(value) < self.best:
            self.best, self.best_epoch = float(value), trainer.current_epoch
            self._copy(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights if there is no metric to go by."""
        if self.monitor is None:
            self.best_epoch = trainer.current_epoch
            self._copy(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the copy."""
        if self.at_end and self.best_epoch is not None:
            self._restore(pl_module)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Restore the copy, whatever stopped the training."""
        self._restore(pl_module)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned."""
        self.best, self.best_epoch = state_dict["best"], state_dict["best_epoch"]
        for name, tensor in state_dict["weights"].items():
            self._weights[name].copy_(tensor)

    def _copy(self, pl_module: LightningModule) -> None:
        for name, tensor in pl_module.module.state_dict().items():
            if name in self._weights:
                self._weights[name].copy_(tensor)
            else:
                self._weights[name] = tensor.detach().clone()

    def _restore(self, pl_module: LightningModule) -> None:
        if self._weights:
            pl_module.module.load_state_dict(self._weights)
            self._weights = {}


class StopOnNaN(Callback):
    """Stop with an explanation as soon as the loss is no number.

    Looked at once an epoch, so that no step waits for the device; the minibatch is found then.
    """

    def __init__(self, phase: str):
        self.phase = phase

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise if a minibatch's loss, or the validation cells', is NaN or infinite."""
        epoch, sums = trainer.current_epoch, pl_module.train_sums
        number = sums.first_bad_batch()
        if number is not None:
            raise ValueError(
                f"The training loss became {sums.batch_loss(number)} in epoch {epoch}, minibatch "
                f"{number} (both from 0) of phase {self.phase!r}, in "
                f"{', '.join(sums.bad_terms())}. {_likely_cause(trainer, epoch, number)} The "
                "weights of the best epoch so far, or those before the phase, were put back."
            )
        validation = float(trainer.callback_metrics.get("validation_loss", 0.0))
        if not math.isfinite(validation):
            raise ValueError(
                f"The validation loss became {validation} in epoch {epoch} of phase "
                f"{self.phase!r}, while the training loss did not: look for extreme counts among "
                "the validation cells, or lower the learning rate, plan_kwargs={'lr': 1e-4}."
            )


def _likely_cause(trainer: Trainer, epoch: int, number: int) -> str:
    if epoch == 0 and number == 0:
        return (
            "It was so before the first step: either the weights were no numbers already, and a "
            "new model is needed, or the counts are extreme; look at the largest. If neither, "
            "lower plan_kwargs={'lr': 1e-4} or clip gradients, plan_kwargs={'max_grad_norm': 5}."
        )
    if str(trainer.precision) == "16-mixed":
        return (
            "Likely a number too large for 16 bits: train with precision='bf16-mixed' or "
            "'32-true', or clip gradients, plan_kwargs={'max_grad_norm': 5}."
        )
    rate = trainer.optimizers[0].param_groups[0]["lr"]
    return (
        f"Likely steps that are too long: lower the learning rate, plan_kwargs={{'lr': "
        f"{rate / 10:.0e}}}, or clip gradients, plan_kwargs={{'max_grad_norm': 5}}."
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
