"""Polarbear's model and guide against the same bound written in numpy and scipy."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from scipy import sparse
from scipy.special import expit, log_softmax
from scipy.stats import nbinom, norm

from scvi_xmodal.module import (
    POLARBEAR_DEFAULTS,
    BatchShares,
    ModalitySpec,
    PolarbearVAE,
    feature_statistics,
)
from scvi_xmodal.nn import SparseRows, zero_inflation

N_CELLS = 9
SIZES = {"rna": 7, "atac": 11, "protein": 4}
CHROMOSOMES = [f"chr{1 + j % 3}" for j in range(SIZES["atac"])]

N_BATCH, N_OBS, KL_WEIGHT = 3, 50, 0.3
BATCH = np.arange(N_CELLS) % 2  # batch 2 occurs in no training cell


def draw_counts(kind: str, n_cells: int, seed: int = 0) -> np.ndarray:
    """Return Poisson counts; cell 1 and feature 2 are empty."""
    rng = np.random.default_rng([seed, SIZES[kind]])
    counts = rng.poisson(rng.gamma(2, 0.6, size=(n_cells, SIZES[kind]))).astype(np.float64)
    counts[1], counts[:, 2] = 0, 0
    return counts


def to_rows(counts: np.ndarray) -> SparseRows:
    return SparseRows.from_scipy(sparse.csr_matrix(counts))


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def _module(*, n_batch: int = N_BATCH, **options) -> PolarbearVAE:
    """Return a small module in float64, in eval mode, every parameter of it drawn."""
    specs = [
        ModalitySpec.build(
            kind,
            kind,
            [f"{kind}{j}" for j in range(SIZES[kind])],
            CHROMOSOMES if kind == "atac" else None,
            settings=POLARBEAR_DEFAULTS[kind],
        )
        for kind in SIZES
    ]
    torch.manual_seed(0)
    module = PolarbearVAE(specs, n_latent=4, n_hidden=6, n_batch=n_batch, **options).double()
    train = {
        kind: draw_counts(kind, 12, seed=1)[:, specs[i].order] for i, kind in enumerate(SIZES)
    }
    statistics = {
        kind: feature_statistics([sparse.csr_matrix(y)], n_features=SIZES[kind])
        for kind, y in train.items()
    }
    everyone = (np.arange(12), np.arange(12))
    module.fit_statistics(
        statistics,
        pairs=dict.fromkeys(module.paths, everyone),
        batches=dict.fromkeys(SIZES, np.arange(12) % 2) if n_batch > 1 else None,
    )
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


def _tensors(module: PolarbearVAE) -> tuple[dict, dict]:
    counts = {kind: draw_counts(kind, N_CELLS)[:, module.specs[kind].order] for kind in SIZES}
    tensors = {kind: to_rows(y) for kind, y in counts.items()}
    batch = torch.from_numpy(BATCH)
    return counts, {**tensors, **{f"{kind}_batch": batch for kind in SIZES}}


def _layer(layer, x):
    """Linear, layer norm and LeakyReLU as numpy does them."""
    linear, normed = layer[0], layer[1]
    if isinstance(linear, torch.nn.Linear):
        x = x @ _array(linear.weight).T + _array(linear.bias)
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    x = x * _array(normed.weight) + _array(normed.bias)
    return np.where(x > 0, x, 0.01 * x)


def _one_hot(codes):
    return np.eye(N_BATCH)[codes]


def _posterior(module, kind, y):
    """Return mean and standard deviation of q(z), by the formulas."""
    encoder, transform = module.encoders[kind], module.transforms[kind]
    x = transform(to_rows(y))
    x = _array(x if isinstance(x, torch.Tensor) else x.to_dense())
    if kind == "protein":
        hidden = x @ _array(encoder.first.weight).T + _array(encoder.first.bias)
    else:
        weight, spec = _array(encoder.first.weight), module.specs[kind]
        cuts = np.cumsum([0, *spec.blocks])
        parts = [x[:, a:b] @ weight[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
        hidden = np.concatenate(parts, axis=1) + _array(encoder.first.bias)
    hidden = hidden + _one_hot(BATCH) @ _array(encoder.covariate.weight).T
    hidden = _layer(encoder.second, _layer(encoder.norm, hidden))
    head = [
        hidden @ _array(h.weight).T + _array(h.bias) for h in (encoder.mean, encoder.log_variance)
    ]
    return head[0], np.exp(head[1] / 2)


def _log_likelihood(module, kind, z, y):
    """Return ln p(y | z) of each cell by scipy's distributions."""
    decoder = module.decoders[kind]
    hidden = np.concatenate([z, _one_hot(BATCH)], axis=1)
    for layer in decoder.hidden:
        hidden = _layer(layer, hidden)
    own, spec = decoder.likelihood, module.specs[kind]
    weight, cuts = _array(own.output.weight), np.cumsum([0, *spec.blocks])
    parts = np.split(hidden, len(spec.blocks), axis=1)
    outputs = np.concatenate(
        [h @ weight[a:b].T for h, a, b in zip(parts, cuts, cuts[1:], strict=False)], axis=1
    )
    outputs = outputs + _array(own.output.bias)
    if kind == "atac":
        depth = np.maximum((y > 0).sum(1), 1) / float(own.median_total)
        p = expit(outputs + np.log(depth)[:, None])
        return np.where(y > 0, np.log(p), np.log1p(-p)).sum(1)
    if kind == "protein":
        x = _array(module.transforms[kind](to_rows(y)))
        return norm.logpdf(x, outputs, np.exp(_array(own.log_scale))).sum(1)
    mu = np.exp(log_softmax(outputs, axis=1)) * np.maximum(y.sum(1), 1)[:, None]
    theta = np.exp(_array(own.log_theta))[BATCH]
    chance = nbinom.pmf(y, theta, theta / (theta + mu))
    if own.gate is not None:
        gate = expit(hidden @ _array(own.gate.weight).T + _array(own.gate.bias))
        chance = gate * (y == 0) + (1 - gate) * chance
    return np.log(chance).sum(1)


class TestBound:
    @pytest.mark.parametrize("zero_inflated", [False, True])
    @pytest.mark.parametrize(
        "path",
        [
            ("rna", "rna"),
            ("atac", "atac"),
            ("protein", "protein"),
            ("atac", "rna"),
            ("rna", "atac"),
        ],
    )
    def test_is_the_hand_written_one(self, path, zero_inflated):
        module = _module(zero_inflated=zero_inflated)
        counts, tensors = _tensors(module)
        source, target = path
        options = {"path": path, "n_obs": N_OBS, "kl_weight": KL_WEIGHT}
        torch.manual_seed(1)
        guide = poutine.trace(module.guide).get_trace(tensors, **options)
        z = guide.nodes["z"]["value"]
        torch.manual_seed(1)  # the same latents once more
        bound = TraceMeanField_ELBO()
        loss = bound.differentiable_loss(module.model, module.guide, tensors, **options)
        mean, deviation = _posterior(module, source, counts[source])
        np.testing.assert_allclose(_array(guide.nodes["z"]["fn"].base_dist.loc), mean, rtol=1e-6)
        divergence = 0.5 * (mean**2 + deviation**2 - 1 - 2 * np.log(deviation)).sum(1)
        latent = _array(z)
        if source != target:
            linear = module.translators[f"{source}_to_{target}"]
            latent = latent @ _array(linear.weight).T + _array(linear.bias)
        fit = _log_likelihood(module, target, latent, counts[target])
        wanted = (KL_WEIGHT * divergence - fit).sum() * N_OBS / N_CELLS
        assert float(loss.detach()) == pytest.approx(wanted, rel=1e-6)


class TestLikelihood:
    @pytest.mark.parametrize("kind", ["rna", "atac", "protein"])
    @pytest.mark.parametrize("zero_inflated", [False, True])
    def test_loss_is_of_the_distribution(self, kind, zero_inflated):
        module = _module(zero_inflated=zero_inflated)
        counts, tensors = _tensors(module)
        z = torch.randn(N_CELLS, 4, dtype=torch.float64)
        likelihood = module.decoders[kind].likelihood
        hidden = module.decoders[kind](z, tensors[f"{kind}_batch"])
        x = module.transforms[kind](tensors[kind])
        nll = likelihood.nll(hidden, tensors[kind], x)
        observed = counts[kind] if kind == "rna" else counts[kind] > 0
        observed = _array(x) if kind == "protein" else observed
        total = np.maximum((counts[kind] if kind == "rna" else counts[kind] > 0).sum(1), 1.0)
        law = likelihood.distribution(hidden, torch.from_numpy(total))
        log_prob = law.log_prob(torch.from_numpy(observed.astype(float)))
        np.testing.assert_allclose(_array(-log_prob), _array(nll), rtol=1e-6)
        mean, variance = likelihood.moments(hidden, torch.from_numpy(total))
        np.testing.assert_allclose(_array(mean), _array(law.mean), rtol=1e-6)
        np.testing.assert_allclose(_array(variance), _array(law.variance), rtol=1e-6)

    def test_zero_inflation_has_scipys_gradient(self):
        rng = np.random.default_rng(0)
        y = rng.poisson(0.7, size=(4, 5)).astype(float)
        log_mu, theta, gate = (
            torch.tensor(rng.normal(size=y.shape), requires_grad=True) for _ in range(3)
        )
        assert torch.autograd.gradcheck(
            lambda a, b, c: zero_inflation(a, b.exp(), c, to_rows(y)), (log_mu, theta, gate)
        )

    def test_no_inflation_far_below_zero(self):
        y = to_rows(np.array([[0.0, 3.0]]))
        zeros = torch.zeros(1, 2, dtype=torch.float64)
        assert float(zero_inflation(zeros, zeros + 1, zeros - 50, y)) == pytest.approx(0, abs=1e-9)


class TestBatches:
    def test_unseen_ones_take_the_average(self):
        module = _module()
        z = torch.randn(2, 4, dtype=torch.float64)
        seen = module.decoders["rna"](z, torch.tensor([0, 0]))
        unseen = module.decoders["rna"](z, torch.tensor([2, -1]))
        np.testing.assert_allclose(_array(unseen)[:, -N_BATCH:], [[0.5, 0.5, 0]] * 2)
        assert not np.allclose(_array(seen), _array(unseen))

    def test_none_without(self):
        module = _module(n_batch=1)
        assert module.decoders["rna"].batches(torch.tensor([0])) is None
        assert BatchShares(0)(torch.tensor([0])) is None


class TestPredictive:
    def test_averages_to_the_prediction_where_the_latent_is_certain(self):
        module = _module(zero_inflated=True)
        counts, tensors = _tensors(module)
        with torch.no_grad():
            for encoder in module.encoders.values():
                encoder.log_variance.weight.zero_()
                encoder.log_variance.bias.fill_(-100)
        batch = tensors["rna_batch"]
        torch.manual_seed(0)
        for target, layer in (("rna", "mean"), ("atac", "X")):
            drawn = module.predictive(
                tensors["atac"], "atac", target, n_samples=500, batch=batch, own_batch=batch
            )
            assert drawn[target].shape == (500, N_CELLS, SIZES[target])
            assert drawn["z"].shape == (500, N_CELLS, 4)
            wanted = module.translate(
                tensors["atac"], "atac", target, batch=batch, own_batch=batch
            )[layer]
            error = drawn[target].std(0) / np.sqrt(500)
            assert (((drawn[target].mean(0) - wanted) / error.clamp(min=1e-3)).abs() < 5).all()

    def test_nothing_enters_the_global_store(self):
        pyro.clear_param_store()
        pyro.param("another_models", torch.ones(2))
        module = _module()
        _, tensors = _tensors(module)
        module.predictive(tensors["rna"], "rna", "atac", n_samples=2)
        bound = TraceMeanField_ELBO()
        bound.differentiable_loss(module.model, module.guide, tensors, path=("rna", "rna"))
        assert list(pyro.get_param_store().keys()) == ["another_models"]
        pyro.clear_param_store()
