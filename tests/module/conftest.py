"""Small counts, small modules, and the same network written once more in numpy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.special import expit, log_softmax
from scipy.stats import nbinom

from scvi_xmodal.module import (
    KIND_DEFAULTS,
    Architecture,
    ButterflyVAE,
    ModalitySpec,
    feature_statistics,
)
from scvi_xmodal.nn import SparseRows

if TYPE_CHECKING:
    from collections.abc import Callable

N_TRAIN, N_CELLS = 30, 9
SIZES = {"rna": 7, "atac": 11, "protein": 4}
RATES = {"rna": 1.5, "atac": 0.5, "protein": 6.0}
CHROMOSOMES = np.array([f"chr{1 + j % 3}" for j in range(SIZES["atac"])])
N_HIDDEN = {"rna": 5, "atac": 3, "protein": 4}


def draw_counts(kind: str, n_cells: int, seed: int = 0) -> np.ndarray:
    """Return Poisson counts; cell 1 and feature 2 are empty, depths differ."""
    rng = np.random.default_rng([seed, SIZES[kind]])
    depth = np.exp(rng.normal(scale=0.5, size=(n_cells, 1)))
    base = rng.gamma(2, 0.5, size=SIZES[kind])
    counts = rng.poisson(RATES[kind] * depth * base).astype(np.float64)
    counts[1], counts[:, 2] = 0, 0
    return counts


def to_rows(counts: np.ndarray, dtype: type = np.float64) -> SparseRows:
    return SparseRows.from_scipy(sparse.csr_matrix(counts.astype(dtype)))


def plain_transform(name: str, y: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the encoder inputs by the formulas of the docstrings, on dense arrays."""
    if name == "log_normalize":
        library = y.sum(1, keepdims=True)
        median = np.median(train.sum(1)[train.sum(1) > 0])
        share = np.divide(y, library, out=np.zeros_like(y), where=library > 0)
        return np.log(1 + share * median)
    if name == "clr":
        return np.log(1 + y) - np.log(1 + y).mean(1, keepdims=True)
    df = (train > 0).sum(0)
    idf = np.where(df > 0, np.log(1 + len(train) / np.maximum(df, 1)), 0)

    def tfidf(counts: np.ndarray) -> np.ndarray:
        b = (counts > 0).astype(float)
        return b / np.maximum(b.sum(1, keepdims=True), 1) * idf

    fitted = tfidf(train)
    scale = fitted.max() if name == "tfidf_max" else fitted[train > 0].mean()
    return tfidf(y) / scale


class PlainButterfly:
    """The forward pass and loss in numpy, from the module's weights and the formulas alone."""

    def __init__(self, module: ButterflyVAE, train: dict[str, np.ndarray]):
        self.weights = {k: v.double().numpy().copy() for k, v in module.state_dict().items()}
        self.architecture, self.specs, self.train = module.architecture, module.specs, train
        self.batch_statistics = module.training

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        if f"{name}.weight" not in self.weights:
            return x
        mean, var = x.mean(0), x.var(0)
        if not self.batch_statistics:
            mean = self.weights[f"{name}.running_mean"]
            var = self.weights[f"{name}.running_var"]
        scaled = (x - mean) / np.sqrt(var + 1e-5)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def dense(self, name: str, x: np.ndarray, *, activation: bool = True) -> np.ndarray:
        weight = self.weights.get(f"{name}.linear.weight")
        if weight is not None:
            x = x @ weight.T + self.weights[f"{name}.linear.bias"]
        x = self.norm(f"{name}.norm", x)
        return np.where(x > 0, x, 0.01 * x) if activation else x

    def network_order(self, key: str, counts: np.ndarray) -> np.ndarray:
        return counts[:, self.specs[key].order]

    def inputs(self, key: str, counts: np.ndarray) -> np.ndarray:
        name = self.specs[key].settings.transform
        return self.network_order(key, plain_transform(name, counts, self.train[key]))

    def slices(self, key: str) -> list[slice]:
        borders = np.cumsum([0, *self.specs[key].blocks])
        return [slice(a, b) for a, b in zip(borders[:-1], borders[1:], strict=True)]

    def embedding(self, key: str, counts: np.ndarray) -> np.ndarray:
        x, name = self.inputs(key, counts), f"encoders.{key}"
        if f"{name}.first.weight" in self.weights:
            weight = self.weights[f"{name}.first.weight"]
            x = np.concatenate([x[:, s] @ weight[s] for s in self.slices(key)], axis=1)
            x = x + self.weights[f"{name}.first.bias"]
        return self.dense(f"{name}.embedding", self.dense(f"{name}.hidden", x))

    def posterior(self, translator: str, key: str, e: np.ndarray) -> tuple[np.ndarray, ...]:
        activation = self.architecture.head_activation
        mean = self.dense(f"{translator}.mean.{key}", e, activation=activation)
        return mean, self.dense(f"{translator}.log_variance.{key}", e, activation=activation)

    def outputs(self, target: str, embedding: np.ndarray, batch: np.ndarray | None) -> np.ndarray:
        name = f"decoders.{target}"
        if batch is not None:
            embedding = np.concatenate([embedding, np.eye(batch.max() + 1)[batch]], axis=1)
        hidden = self.dense(f"{name}.hidden", embedding)
        weight = self.weights[f"{name}.likelihood.output.weight"]
        parts = np.split(hidden, len(self.specs[target].blocks), axis=1)
        slices = zip(parts, self.slices(target), strict=True)
        out = np.concatenate([part @ weight[s].T for part, s in slices], axis=1)
        out = out + self.weights[f"{name}.likelihood.output.bias"]
        return self.norm(f"{name}.likelihood.norm", out)

    def nll(self, target: str, out: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Return the loss of every cell and feature."""
        settings = self.specs[target].settings
        y = self.network_order(target, counts)
        x = self.inputs(target, counts)
        if settings.likelihood == "nb":
            theta = np.exp(self.weights[f"decoders.{target}.likelihood.log_theta"])
            mu = np.exp(log_softmax(out, axis=1)) * np.maximum(y.sum(1, keepdims=True), 1)
            return -nbinom.logpmf(y, theta, theta / (theta + mu))
        if settings.likelihood == "normal":
            if settings.transform == "log_normalize" and self.architecture.output_batch_norm:
                out = np.where(out > 0, out, 0.01 * out)
            return (x - out) ** 2
        if settings.likelihood == "bernoulli":
            train = (self.train[target] > 0).sum(1)
            depth = np.maximum((y > 0).sum(1, keepdims=True), 1)
            out, x = out + np.log(depth / np.median(train[train > 0])), (y > 0).astype(float)
        x = np.minimum(x, 1)
        return -(x * np.log(expit(out)) + (1 - x) * np.log(expit(-out)))

    def loss(
        self,
        counts: dict[str, np.ndarray],
        *,
        paths: list[tuple[str, str]],
        z: dict[str, np.ndarray] | None = None,
        batch: dict[str, np.ndarray] | None = None,
        kl_weight: float = 1.0,
    ) -> dict[str, float]:
        """Return every term of the documented loss, averaged over cells, and their sum."""
        published = self.architecture.reduction == "mean"
        alone = len(paths) == 1
        translator = f"pretraining_translators.{paths[0][0]}" if alone else "translator"
        terms, means = {}, {}
        for key in dict.fromkeys(s for s, _ in paths):
            mean, log_var = self.posterior(translator, key, self.embedding(key, counts[key]))
            kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var)
            means[key] = mean
            terms[f"kl_{key}"] = kl.mean() if published else kl.sum(1).mean()
        z = means if z is None else z
        total = kl_weight * sum(terms.values())
        for target in dict.fromkeys(t for _, t in paths):
            sources = [s for s, t in paths if t == target]
            groups = [sources] if self.architecture.stack_sources else [[s] for s in sources]
            for group in groups:
                e = [self.dense(f"{translator}.output.{target}", z[s]) for s in group]
                codes = None if batch is None else np.tile(batch[target], len(group))
                out = self.outputs(target, np.concatenate(e), codes)
                for source, own in zip(group, np.split(out, len(group)), strict=True):
                    nll = self.nll(target, own, counts[target])
                    value = nll.mean() if published else nll.sum(1).mean()
                    terms[f"{source}_to_{target}"] = value
                    weight = 1 if alone else self.specs[target].settings.weight
                    total += weight * value
        return {**terms, "loss": total}


@pytest.fixture(scope="session")
def training_counts() -> dict[str, np.ndarray]:
    """Counts of shape (30, n_features) for each kind."""
    return {kind: draw_counts(kind, N_TRAIN) for kind in SIZES}


@pytest.fixture(scope="session")
def counts() -> dict[str, np.ndarray]:
    """Other counts of shape (9, n_features) for each kind, in the user's feature order."""
    return {kind: draw_counts(kind, N_CELLS, seed=1) for kind in SIZES}


@pytest.fixture(scope="session")
def rows() -> Callable[..., SparseRows]:
    return to_rows


@pytest.fixture(scope="session")
def transformed() -> Callable[..., np.ndarray]:
    return plain_transform


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., ModalitySpec]:
    """Return a function that makes the small spec of a kind, with settings changed at will."""

    def make(kind: str, base=KIND_DEFAULTS, **changes) -> ModalitySpec:
        settings = replace(base[kind], **{"n_hidden": N_HIDDEN[kind], **changes})
        names = [f"{kind}{j}" for j in range(SIZES[kind])]
        return (
            ModalitySpec.build(kind, kind, names, CHROMOSOMES, settings=settings)
            if (kind == "atac")
            else ModalitySpec.build(kind, kind, names, settings=settings)
        )

    return make


@pytest.fixture
def tensors() -> Callable[..., dict[str, object]]:
    """Return a function that makes a minibatch of counts in the network's order."""

    def make(module: ButterflyVAE, counts: dict[str, np.ndarray], batch=None) -> dict[str, object]:
        minibatch: dict[str, object] = {}
        for key, spec in module.specs.items():
            minibatch[key] = to_rows(counts[key][:, spec.order])
            if batch is not None:
                minibatch[f"{key}_batch"] = torch.from_numpy(batch[key])
        return minibatch

    return make


@pytest.fixture
def statistics(training_counts) -> Callable[[ModalitySpec], object]:
    """Return a function that collects a spec's statistics of the training cells."""

    def collect(spec: ModalitySpec) -> object:
        matrix = sparse.csr_matrix(training_counts[spec.kind][:, spec.order])
        return feature_statistics([matrix], n_features=spec.n_features)

    return collect


@pytest.fixture
def make_module(make_spec, statistics) -> Callable[..., ButterflyVAE]:
    """Return a function that makes a fitted module in double precision, none of it at 0."""

    def make(
        keys: list[str],
        architecture: Architecture | None = None,
        *,
        n_batch: int = 0,
        base=KIND_DEFAULTS,
        **changes,
    ) -> ButterflyVAE:
        torch.manual_seed(0)
        architecture = replace(architecture or Architecture(), n_embedding=6, n_latent=4)
        specs = [make_spec(key, base, **changes) for key in keys]
        module = ButterflyVAE(specs, architecture, n_batch=n_batch).double()
        module.fit_statistics({spec.key: statistics(spec) for spec in specs})
        generator = torch.Generator().manual_seed(1)
        for name, value in module.state_dict().items():
            if name.endswith(("norm.weight", "norm.bias", "running_mean", "log_theta")):
                value.add_(0.3 * torch.randn(value.shape, generator=generator).double())
            if name.endswith("running_var"):
                value.mul_(torch.rand(value.shape, generator=generator).double() + 0.5)
        return module

    return make


@pytest.fixture(scope="session")
def plain() -> type[PlainButterfly]:
    return PlainButterfly
