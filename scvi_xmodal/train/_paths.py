"""The training plan that all phases share: some paths of the network, one Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scvi.train import TrainingPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scvi.module.base import LossOutput
    from torch import nn

    from scvi_xmodal.module import ButterflyVAE


class PathsPlan(TrainingPlan):
    """Train the given source-to-target paths of a module.

    A :class:`scvi.train.TrainingPlan` with torch's own Adam (epsilon 1e-8, not scvi-tools'
    .01), fused, over the parameters of those paths only.

    Parameters
    ----------
    module
        The network.
    paths
        Pairs of source and target to train.
    lr
        Learning rate of Adam.
    weight_decay
        Weight decay of Adam.
    eps
        Epsilon of Adam.
    n_epochs_kl_warmup
        Epochs over which the KL weight rises from 0, anew in every phase.
    max_kl_weight
        KL weight after the warm-up.
    max_grad_norm
        Largest L2 norm of the gradient; by default it is not clipped.
    **kwargs
        Keywords of :class:`scvi.train.TrainingPlan`.
    """

    def __init__(
        self,
        module: ButterflyVAE,
        *,
        paths: Sequence[tuple[str, str]],
        lr: float = 1e-3,
        weight_decay: float = 1e-3,
        eps: float = 1e-8,
        n_epochs_kl_warmup: int | None = 50,
        max_kl_weight: float = 0.05,
        max_grad_norm: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            module,
            lr=lr,
            weight_decay=weight_decay,
            eps=eps,
            n_epochs_kl_warmup=n_epochs_kl_warmup,
            max_kl_weight=max_kl_weight,
            **kwargs,
        )
        self.paths = tuple(paths)
        self.max_grad_norm = max_grad_norm

    def forward(self, batch: Mapping[str, Any], **kwargs: Any) -> Any:
        """Run the module along this plan's paths."""
        paths = {"paths": self.paths}
        return self.module(
            batch,
            get_inference_input_kwargs=paths,
            inference_kwargs=paths,
            generative_kwargs=paths,
            loss_kwargs={"kl_weight": self.kl_weight},
            **kwargs,
        )

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the loss of a minibatch for Lightning to minimise."""
        _, _, output = self.forward(batch)
        self.record(output, output.loss, "train")
        return output.loss

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Log the losses of held-out cells, with mean latents and no masks."""
        _, _, output = self.forward(batch)
        self.record(output, output.loss, "validation")

    def record(self, output: LossOutput, loss: torch.Tensor, mode: str) -> None:
        """Log the loss, scvi-tools' metrics and every path's own loss, averaged over the epoch."""
        metrics = self.train_metrics if mode == "train" else self.val_metrics
        self.compute_and_log_metrics(output, metrics, mode)
        name = "train_loss" if mode == "train" else "validation_loss"
        values = {name: loss.detach()}
        for path, own in output.reconstruction_loss.items():
            values[f"{path}_{mode}"] = own.detach().mean()
        self.log_dict(
            values,
            on_step=False,
            on_epoch=True,
            batch_size=output.n_obs_minibatch,
            sync_dist=self.use_sync_dist,
        )

    def configure_optimizers(self) -> Any:
        """Return Adam over the paths' parameters, and a plateau schedule if one was asked for."""
        self.optimizer_name = "Custom"
        self.optimizer_creator = self._fused_adam
        parameters = self.module.generator_parameters(self.paths)
        trained = {id(parameter) for parameter in parameters}
        for parameter in self.module.parameters():
            parameter.requires_grad_(id(parameter) in trained)
        return super().configure_optimizers()

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient's norm if asked to."""
        if self.max_grad_norm is not None:
            self.clip_gradients(optimizer, self.max_grad_norm, "norm")

    def _fused_adam(self, parameters: Any) -> torch.optim.Adam:
        return fused_adam(
            list(parameters), lr=self.lr, eps=self.eps, weight_decay=self.weight_decay
        )


def fused_adam(parameters: list[nn.Parameter], **options: float) -> torch.optim.Adam:
    """Return Adam, updating all parameters in one kernel where the device can."""
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
    return torch.optim.Adam(parameters, fused=fused, **options)
