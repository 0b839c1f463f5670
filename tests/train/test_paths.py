"""The plan of a single optimiser against plain torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scvi_xmodal.train import PathsPlan
from scvi_xmodal.train._paths import fused_adam

PATHS = (("rna", "atac"), ("atac", "atac"))


def test_fused_adam_is_torchs_adam():
    torch.manual_seed(0)
    networks = [nn.Linear(4, 3) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    optimizers = [
        fused_adam(list(networks[0].parameters()), lr=0.1, eps=1e-8, weight_decay=0.01),
        torch.optim.Adam(networks[1].parameters(), lr=0.1, eps=1e-8, weight_decay=0.01),
    ]
    for _ in range(5):
        x = torch.randn(6, 4)
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad()
            network(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(networks[0].weight, networks[1].weight)
    assert optimizers[0].param_groups[0]["fused"]


def test_optimizer_holds_the_paths_parameters_alone(setting):
    plan = PathsPlan(setting.module, paths=PATHS, lr=0.02, weight_decay=0.3, eps=1e-5)
    group = plan.configure_optimizers()["optimizer"].param_groups[0]
    assert (group["lr"], group["weight_decay"], group["eps"]) == (0.02, 0.3, 1e-5)
    module = setting.module
    wanted = [module.encoders, module.decoders["atac"], module.translator]
    wanted = {id(p) for part in wanted for p in part.parameters()}
    assert {id(p) for p in group["params"]} == wanted
    free = {id(p) for p in module.parameters() if p.requires_grad}
    assert free == wanted


def test_pretraining_has_its_own_translator(setting):
    module = setting.module
    plan = PathsPlan(module, paths=[("rna", "rna")])
    plan.configure_optimizers()
    free = {name.split(".")[0] for name, p in module.named_parameters() if p.requires_grad}
    assert free == {"encoders", "decoders", "pretraining_translators"}


def test_no_schedule_unless_asked_for(setting):
    plan = PathsPlan(setting.module, paths=PATHS)
    assert "lr_scheduler" not in plan.configure_optimizers()
    plan = PathsPlan(setting.module, paths=PATHS, reduce_lr_on_plateau=True)
    assert "lr_scheduler" in plan.configure_optimizers()


def test_loss_is_the_weighted_sum_of_its_terms(setting):
    module = setting.module.eval()
    paths = (("rna", "atac"), ("atac", "atac"), ("atac", "rna"))
    plan = PathsPlan(module, paths=paths, n_epochs_kl_warmup=None, max_kl_weight=0.7)
    _, _, output = plan.forward(setting.minibatch)
    weights = {key: spec.settings.weight for key, spec in module.specs.items()}
    assert weights == {"rna": 1.0, "atac": 2.0}
    terms = output.reconstruction_loss
    assert set(terms) == {"rna_to_atac", "atac_to_atac", "atac_to_rna"}
    wanted = sum(weights[name.split("_to_")[1]] * own.mean() for name, own in terms.items())
    wanted = wanted + 0.7 * sum(own.mean() for own in output.kl_local.values())
    torch.testing.assert_close(output.loss, wanted)
    assert output.n_obs_minibatch == 20


def test_only_the_paths_modalities_are_read(setting):
    plan = PathsPlan(setting.module, paths=[("rna", "rna")])
    inference, _, output = plan.forward({"rna": setting.minibatch["rna"]})
    assert list(inference["z"]) == ["rna"]
    assert list(output.reconstruction_loss) == ["rna_to_rna"]


@pytest.mark.parametrize("norm", [None, 0.5, 1e6])
def test_gradients_are_clipped_by_their_norm(setting, norm):
    plan = PathsPlan(setting.module, paths=PATHS, max_grad_norm=norm)
    optimizer = plan.configure_optimizers()["optimizer"]
    plan.forward(setting.minibatch)[2].loss.backward()
    parameters = [p for p in optimizer.param_groups[0]["params"] if p.grad is not None]

    def total():
        return float(torch.stack([p.grad.norm() for p in parameters]).norm())

    before = total()
    assert before > 0.5
    plan._trainer = object()
    plan.clip_gradients = lambda optimizer, value, kind: torch.nn.utils.clip_grad_norm_(
        parameters, value
    )
    plan.configure_gradient_clipping(optimizer)
    wanted = before if norm is None else min(before, norm)
    assert total() == pytest.approx(wanted, rel=1e-4)


def test_kl_weight_of_an_epoch(setting):
    plan = PathsPlan(setting.module, paths=PATHS, n_epochs_kl_warmup=4, max_kl_weight=0.8)
    assert plan.current_epoch == 0
    assert float(plan.kl_weight) == 0.0
    plan = PathsPlan(setting.module, paths=PATHS, n_epochs_kl_warmup=None, max_kl_weight=0.8)
    assert float(plan.kl_weight) == pytest.approx(0.8)


def test_unknown_keywords_are_refused(setting):
    with pytest.raises(ValueError, match=r"plan_kwargs has an unknown key 'betas'; known .*'lr'"):
        PathsPlan(setting.module, paths=PATHS, betas=(0.5, 0.9))
    with pytest.raises(ValueError, match="cannot set 'n_steps_kl_warmup'"):
        PathsPlan(setting.module, paths=PATHS, n_steps_kl_warmup=5)
    PathsPlan(setting.module, paths=PATHS, reduce_lr_on_plateau=True, lr_patience=3)


def test_training_draws_latents_and_validation_takes_means(setting):
    plan = PathsPlan(setting.module, paths=PATHS)
    setting.module.eval()
    losses = [plan.forward(setting.minibatch)[2].loss.item() for _ in range(2)]
    assert losses[0] == losses[1]
    setting.module.train()
    losses = [plan.forward(setting.minibatch)[2].loss.item() for _ in range(2)]
    assert losses[0] != losses[1]
    assert np.isfinite(losses).all()
