"""The training plan of Pyro models: one path's evidence lower bound."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from scvi.module.base import LossOutput
from scvi.train import LowLevelPyroTrainingPlan
from torch.distributions import Independent, Normal, kl_divergence

from scvi_xmodal._arguments import check_keywords
from scvi_xmodal.train._paths import PLAN_RULES, check_plateau, fused_adam
from scvi_xmodal.train._sums import LossSums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scvi_xmodal.module import PolarbearVAE


class ElboPlan(LowLevelPyroTrainingPlan):
    r"""Maximise the evidence lower bound of one path of a Pyro module.

    .. math::
        L = \frac{1}{n} \sum_i E_{q(z_i)}[-\ln p(y_i \mid z_i)] + \beta KL(q(z_i) \| N(0, I))

    with the divergence in closed form. The model's plate scales a minibatch up to all n training
    cells and this plan scales the bound down by n, so that learning rates do not depend on the
    number of cells.

    A :class:`scvi.train.LowLevelPyroTrainingPlan` rather than the :class:`PyroTrainingPlan` above
    it: the latter's optimiser holds its state by names in Pyro's one global store, which another
    model of the process may fill or clear. This one steps torch's Adam over the parameters of its
    path only.

    Parameters
    ----------
    module
        The network with its ``model`` and ``guide``.
    paths
        The one path to train.
    lr, weight_decay, eps
        Of Adam.
    n_epochs_kl_warmup
        Epochs over which the divergence's weight rises from 0; ``None`` for none.
    max_kl_weight
        Weight after the warm-up, :math:`\beta`.
    max_grad_norm
        Largest L2 norm of the gradient; by default it is not clipped.
    reduce_lr_on_plateau, lr_factor, lr_patience, lr_min
        Schedule of the learning rate, as in :class:`scvi.train.TrainingPlan`.
    lr_scheduler_metric
        Loss that the schedule goes by.
    """

    def __init__(
        self,
        module: PolarbearVAE,
        *,
        paths: Sequence[tuple[str, str]],
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        eps: float = 1e-8,
        n_epochs_kl_warmup: int | None = 50,
        max_kl_weight: float = 1.0,
        max_grad_norm: float | None = None,
        reduce_lr_on_plateau: bool = False,
        lr_factor: float = 0.6,
        lr_patience: int = 30,
        lr_min: float = 0.0,
        lr_scheduler_metric: str = "validation_loss",
    ):
        super().__init__(
            module,
            loss_fn=TraceMeanField_ELBO(),
            n_epochs_kl_warmup=n_epochs_kl_warmup,
            max_kl_weight=max_kl_weight,
        )
        (self.path,) = paths
        self.adam = {"lr": lr, "weight_decay": weight_decay, "eps": eps}
        self.max_grad_norm = max_grad_norm
        self.plateau: dict[str, Any] = {
            "factor": lr_factor,
            "patience": lr_patience,
            "min_lr": lr_min,
        }
        self.reduce_lr_on_plateau = reduce_lr_on_plateau
        self.lr_scheduler_metric = lr_scheduler_metric
        self.train_sums, self.validation_sums = LossSums(), LossSums()

    def on_train_epoch_start(self) -> None:
        """Freeze all but the path; Lightning leaves modes as validation left them."""
        self.module.train_only([self.path])

    def training_step(self, batch: Mapping[str, Any], batch_idx: int) -> torch.Tensor:
        """Return a minibatch's loss for Lightning to minimise."""
        args, kwargs = self.module._get_fn_args_from_batch(batch)
        kwargs |= {"path": self.path, "kl_weight": self.kl_weight, "n_obs": self.n_obs_training}
        scale = 1 / self.n_obs_training
        model = poutine.trace(poutine.scale(self.module.model, scale))
        guide = poutine.trace(poutine.scale(self.module.guide, scale))
        loss = self.differentiable_loss_fn(model, guide, *args, **kwargs)
        self.train_sums.add(self._terms(loss, model.trace, guide.trace), loss)
        return loss

    def validation_step(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Add up the losses of held-out cells, with mean latents."""
        args, kwargs = self.module._get_fn_args_from_batch(batch)
        kwargs |= {"path": self.path}
        guide = poutine.trace(self.module.guide).get_trace(*args, **kwargs)
        at_mean = poutine.condition(self.module.model, {"z": guide.nodes["z"]["fn"].mean})
        model = poutine.trace(at_mean).get_trace(*args, **kwargs)
        output = self._terms(torch.zeros(()), model, guide)
        n_cells = output.n_obs_minibatch
        # at the full weight, so that epochs of the warm-up can be compared with later ones
        loss = output.reconstruction_loss_sum + self.max_kl_weight * output.kl_local_sum
        self.validation_sums.add(output, loss / n_cells)

    def _terms(self, loss: torch.Tensor, model: Any, guide: Any) -> LossOutput:
        """Read each cell's terms, unweighted, off the traces."""
        source, target = self.path
        qz = guide.nodes["z"]["fn"]
        prior = Independent(Normal(torch.zeros_like(qz.mean), 1.0, validate_args=False), 1)
        nll = -model.nodes[target]["fn"].log_factor
        return LossOutput(
            loss=loss,
            reconstruction_loss={f"{source}_to_{target}": nll},
            kl_local={f"kl_{source}": kl_divergence(qz, prior)},
            n_obs_minibatch=nll.shape[0],
        )

    def on_train_epoch_end(self) -> None:
        """Log the epoch's means over training cells."""
        self.log_dict(self.train_sums.means("train"))

    def on_validation_epoch_end(self) -> None:
        """Log the means over validation cells."""
        self.log_dict(self.validation_sums.means("validation"))

    def configure_optimizers(self) -> Any:
        """Return Adam over the path's parameters, and a plateau schedule if one was asked for."""
        parameters = self.module.generator_parameters([self.path])
        trained = {id(parameter) for parameter in parameters}
        for parameter in self.module.parameters():
            parameter.requires_grad_(id(parameter) in trained)
        optimizer = fused_adam(parameters, **self.adam)
        if not self.reduce_lr_on_plateau:
            return optimizer
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **self.plateau)
        monitored = {"scheduler": schedule, "monitor": self.lr_scheduler_metric}
        return {"optimizer": optimizer, "lr_scheduler": monitored}

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip the gradient's norm if asked to."""
        if self.max_grad_norm is not None:
            self.clip_gradients(optimizer, self.max_grad_norm, "norm")


def check_elbo_kwargs(plan_kwargs: Mapping[str, Any] | None) -> None:
    """Raise before anything is trained if :class:`ElboPlan` does not know a keyword or ignores it.

    Examples
    --------
    >>> from scvi_xmodal.train import check_elbo_kwargs
    >>> check_elbo_kwargs({"lr": 1e-3, "max_kl_weight": 0.5})
    """
    known = set(signature(ElboPlan).parameters) - {"module", "paths"}
    given = plan_kwargs or {}
    for name in given:
        if name not in known:
            raise ValueError(
                f"plan_kwargs has an unknown key {name!r}; known are {sorted(known)}."
            )
    check_keywords("plan_kwargs", given, PLAN_RULES)
    check_plateau(given)
