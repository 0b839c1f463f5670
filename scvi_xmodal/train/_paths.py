"""The training plan that all phases share: some paths of the network, one Adam."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from scvi.train import TrainingPlan

from scvi_xmodal._arguments import (
    ABOVE_ZERO,
    COUNT,
    FLAG,
    NOT_NEGATIVE,
    one_of,
    within,
)
from scvi_xmodal.train._stopping import MONITORS
from scvi_xmodal.train._sums import LossSums

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

    Raises
    ------
    ValueError
        If a keyword is unknown, where scvi-tools' plan would hand it on to the loss, or would have
        no effect here.
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
        check_known(kwargs)
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
        self.train_sums, self.validation_sums = LossSums(), LossSums()

    def forward(self, batch: Mapping[str, Any]) -> tuple[dict, dict, LossOutput]:
        """Run the module along this plan's paths; the batch is on the device already."""
        module, paths = self.module, self.paths
        inference = module.inference(
            **module._get_inference_input(batch, paths=paths), paths=paths
        )
        generative = module.generative(
            **module._get_generative_input(batch, inference), paths=paths
        )
        output = module.loss(batch, inference, generative, kl_weight=self.kl_weight)
        return inference, generative, output

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> torch.Tensor:
        """Return the loss of a minibatch for Lightning to minimise."""
        _, _, output = self.forward(batch)
        self.train_sums.add(output, output.loss)
        return output.loss

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Add up the losses of held-out cells, with mean latents and no masks."""
        _, _, output = self.forward(batch)
        self.validation_sums.add(output, output.loss)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means over training cells."""
        self.log_dict(self.train_sums.means("train"), sync_dist=self.use_sync_dist)

    def on_validation_epoch_end(self) -> None:
        """Log the means over validation cells."""
        self.log_dict(self.validation_sums.means("validation"), sync_dist=self.use_sync_dist)

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


PLAN_RULES = {
    "eps": ABOVE_ZERO,
    **dict.fromkeys(["lr", "discriminator_lr"], NOT_NEGATIVE),
    "max_grad_norm": ABOVE_ZERO.or_none(),
    **dict.fromkeys(["weight_decay", "max_kl_weight", "min_kl_weight", "lr_min"], NOT_NEGATIVE),
    "lr_threshold": NOT_NEGATIVE,
    "n_epochs_kl_warmup": COUNT.or_none(),
    "lr_factor": within(0, 1, above=True, below=True),
    "lr_patience": COUNT,
    "reduce_lr_on_plateau": FLAG,
    "lr_scheduler_metric": one_of(*MONITORS),
}
"""What keywords of a plan may be."""

_WITHOUT_EFFECT = {
    "optimizer": "it is Adam, whose lr, weight_decay and eps can be set",
    "optimizer_creator": "it is Adam, whose lr, weight_decay and eps can be set",
    "update_only_decoder": "each phase trains all of its paths",
    "on_step": "losses are logged once an epoch",
    "on_epoch": "losses are logged once an epoch",
    # Lightning counts the steps of both optimisers, so that they would pass twice as fast
    "n_steps_kl_warmup": "the divergence's weight rises by epochs, set n_epochs_kl_warmup",
    "compile": "networks read sparse minibatches and are not compiled",
    "compile_kwargs": "networks read sparse minibatches and are not compiled",
}


def check_known(
    kwargs: Mapping[str, Any],
    plan: type[TrainingPlan] = PathsPlan,
    without_effect: Mapping[str, str] | None = None,
) -> None:
    """Raise a ``ValueError`` if a plan doesn't know a keyword or ignores it.

    Parameters
    ----------
    kwargs
        Keywords of the plan.
    plan
        Class of the plan.
    without_effect
        Further keywords that are ignored, and why.
    """
    ignored = {**_WITHOUT_EFFECT, **(without_effect or {})}
    for name in kwargs:
        if name in ignored:
            raise ValueError(f"plan_kwargs cannot set {name!r}: {ignored[name]}.")
    known = {
        name
        for own in plan.__mro__
        if issubclass(own, TrainingPlan)
        for name, parameter in signature(own).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in {"paths", *ignored}
    }
    for name in kwargs:
        if name not in known:
            raise ValueError(
                f"plan_kwargs has an unknown key {name!r}; known are {sorted(known)}."
            )


def check_plateau(given: Mapping[str, Any], *, default: bool = False) -> None:
    """Raise a ``ValueError`` if a plateau schedule is described, but none was asked for."""
    if given.get("reduce_lr_on_plateau", default):
        return
    for name in ("lr_factor", "lr_patience", "lr_threshold", "lr_min", "lr_scheduler_metric"):
        if name in given:
            raise ValueError(
                f"plan_kwargs[{name!r}]={given[name]!r} has no effect without a plateau "
                "schedule: add 'reduce_lr_on_plateau': True."
            )


def fused_adam(parameters: list[nn.Parameter], **options: Any) -> torch.optim.Adam:
    """Return Adam, updating all parameters in one kernel where the device can."""
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
    return torch.optim.Adam(parameters, fused=fused, **options)
