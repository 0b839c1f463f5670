"""The integrative phase: all paths together, against discriminators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scvi_xmodal._arguments import check_keywords
from scvi_xmodal.module import PRESENCE
from scvi_xmodal.train._paths import PLAN_RULES, PathsPlan, check_known, check_plateau

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal.module import ButterflyVAE


class AdversarialPathsPlan(PathsPlan):
    r"""Train paths while discriminators tell measured from translated embeddings.

    In each step the discriminators descend :math:`L_{dis}` on detached embeddings; then the
    generator descends :math:`L - \lambda L_{dis}`, the second term only while the new
    :math:`L_{dis}` is below the gate (scButterfly's code; its paper has no gate). The encoders
    run once a step, where the published code runs them three times with fresh masks and noise.

    Parameters
    ----------
    module
        The network.
    discriminator_lr
        Learning rate of the discriminators' SGD.
    **kwargs
        Keywords of :class:`PathsPlan`.
    """

    def __init__(self, module: ButterflyVAE, *, discriminator_lr: float = 5e-3, **kwargs: Any):
        super().__init__(module, **kwargs)
        self.discriminator_lr = discriminator_lr
        self.automatic_optimization = False

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> torch.Tensor:
        """Step the discriminators, then everything else."""
        generator, discriminator = self.optimizers()
        inference, generative, output = self.forward(batch)
        embedding, translated = inference["embedding"], generative["translated"]
        for parameter in self.module.discriminators.parameters():
            parameter.requires_grad_(True)
        presence = batch.get(PRESENCE)
        own_loss = self.module.discriminator_loss(
            {key: value.detach() for key, value in embedding.items()},
            {path: value.detach() for path, value in translated.items()},
            presence,
        )
        discriminator.zero_grad()
        self.manual_backward(own_loss)
        discriminator.step()
        for parameter in self.module.discriminators.parameters():
            parameter.requires_grad_(False)
        architecture = self.module.architecture
        fooled = self.module.discriminator_loss(embedding, translated, presence)
        # a tensor comparison, so that a GPU need not report the loss in every step
        gate = (fooled.detach() < architecture.adversarial_gate).to(fooled.dtype)
        loss = output.loss - architecture.adversarial_weight * gate * fooled
        generator.zero_grad()
        self.manual_backward(loss)
        self.configure_gradient_clipping(generator)
        generator.step()
        self.train_sums.add(output, loss, discriminator_loss=own_loss)
        return loss.detach()

    def on_train_epoch_end(self) -> None:
        """Step the plateau schedule, which Lightning leaves alone under manual optimisation."""
        super().on_train_epoch_end()
        scheduler = self.lr_schedulers()
        metric = self.trainer.callback_metrics.get(self.lr_scheduler_metric)
        if scheduler is not None and metric is not None:
            scheduler.step(metric)

    def configure_optimizers(self) -> Any:
        """Return Adam for the generator and SGD for the discriminators."""
        config = super().configure_optimizers()
        sgd = torch.optim.SGD(self.module.discriminators.parameters(), lr=self.discriminator_lr)
        schedulers = [config["lr_scheduler"]] if "lr_scheduler" in config else []
        return [config["optimizer"], sgd], schedulers


def check_plan_kwargs(
    plan_kwargs: Mapping[str, Any] | None,
    *,
    defaults: Mapping[str, Any] | None = None,
    without_effect: Mapping[str, str] | None = None,
) -> None:
    """Raise before anything is trained if a keyword of the plans is unknown or has no effect.

    Parameters
    ----------
    plan_kwargs
        The user's keywords.
    defaults
        The model's keywords where the user gives none.
    without_effect
        Keywords that the model's phases ignore, and why.

    Examples
    --------
    >>> from scvi_xmodal.train import check_plan_kwargs
    >>> check_plan_kwargs({"lr": 1e-3, "discriminator_lr": 1e-2})
    """
    given = plan_kwargs or {}
    check_known(given, AdversarialPathsPlan, without_effect)
    check_keywords("plan_kwargs", given, PLAN_RULES)
    check_plateau(given, default=bool((defaults or {}).get("reduce_lr_on_plateau")))
