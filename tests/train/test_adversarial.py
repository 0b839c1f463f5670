"""A step of the integrative phase against the same step written out."""

from __future__ import annotations

import copy

import pytest
import torch

from scvi_xmodal.train import AdversarialPathsPlan


def _plan(module, **options):
    """Return a plan that needs no trainer, with its two optimisers."""
    options = {"n_epochs_kl_warmup": None, "max_kl_weight": 0.5, **options}
    plan = AdversarialPathsPlan(module, paths=module.paths, **options)
    (adam, sgd), schedulers = plan.configure_optimizers()
    plan.optimizers = lambda: (adam, sgd)
    plan.manual_backward = lambda loss: loss.backward()
    return plan, adam, sgd, schedulers


def _written_out(module, minibatch, *, gate_open, discriminator_lr=5e-3):
    """Take one step with plain autograd and plain Adam."""
    paths = module.paths
    inputs = module._get_inference_input(minibatch, paths=paths)
    inference = module.inference(**inputs, paths=paths)
    outputs = module._get_generative_input(minibatch, inference)
    generative = module.generative(**outputs, paths=paths)
    loss = module.loss(minibatch, inference, generative, kl_weight=0.5).loss
    embedding, translated = inference["embedding"], generative["translated"]
    own = module.discriminator_loss(
        {key: value.detach() for key, value in embedding.items()},
        {path: value.detach() for path, value in translated.items()},
    )
    weights = list(module.discriminators.parameters())
    with torch.no_grad():
        for weight, gradient in zip(weights, torch.autograd.grad(own, weights), strict=True):
            weight -= discriminator_lr * gradient
    fooled = module.discriminator_loss(embedding, translated)
    if gate_open:
        loss = loss - module.architecture.adversarial_weight * fooled
    parameters = module.generator_parameters(paths)
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    torch.optim.Adam(parameters, lr=1e-3, eps=1e-8, weight_decay=1e-3).step()
    return loss


@pytest.mark.parametrize("gate", [0.0, 100.0], ids=["closed", "open"])
def test_a_step_is_the_one_written_out(make_setting, gate):
    setting = make_setting(adversarial_gate=gate)
    module, other = setting.module.train(), copy.deepcopy(setting.module).train()
    plan, *_ = _plan(module)
    torch.manual_seed(5)
    loss = plan.training_step(setting.minibatch, 0)
    torch.manual_seed(5)
    wanted = _written_out(other, setting.minibatch, gate_open=gate > 0)
    torch.testing.assert_close(loss, wanted.detach())
    state = other.state_dict()
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=1e-4, atol=1e-6, msg=name)


def test_discriminators_learn_in_every_step_and_are_not_pushed_by_the_generator(make_setting):
    setting = make_setting(adversarial_gate=100.0)
    module = setting.module.train()
    plan, adam, sgd, _ = _plan(module, discriminator_lr=0.0)
    before = [p.detach().clone() for p in module.discriminators.parameters()]
    plan.training_step(setting.minibatch, 0)
    for old, new in zip(before, module.discriminators.parameters(), strict=True):
        assert torch.equal(old, new)
    own = {id(p) for p in module.discriminators.parameters()}
    assert {id(p) for group in sgd.param_groups for p in group["params"]} == own
    assert not own & {id(p) for group in adam.param_groups for p in group["params"]}


def test_discriminators_descend_their_loss(make_setting):
    setting = make_setting()
    module = setting.module.train()
    plan, *_ = _plan(module, discriminator_lr=0.3, lr=0.0, weight_decay=0.0)
    losses = []
    for _ in range(30):
        torch.manual_seed(1)
        plan.train_sums.means("train") if losses else None
        plan.training_step(setting.minibatch, 0)
        losses.append(plan.train_sums.mean("discriminator_loss"))
    assert losses[-1] < losses[0]


def test_optimizers(setting):
    _, adam, sgd, schedulers = _plan(setting.module, lr=0.01, discriminator_lr=0.2)
    assert isinstance(adam, torch.optim.Adam)
    assert isinstance(sgd, torch.optim.SGD)
    assert (adam.param_groups[0]["lr"], sgd.param_groups[0]["lr"]) == (0.01, 0.2)
    assert schedulers == []
    *_, schedulers = _plan(setting.module, reduce_lr_on_plateau=True)
    assert len(schedulers) == 1
