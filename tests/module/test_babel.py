"""The network against the paper's numbers, and against the same network in plain torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import sparse
from scipy.stats import nbinom

from scvi_xmodal.module import (
    BABEL_DEFAULTS,
    BabelAE,
    ModalitySpec,
    ProteinHead,
    feature_statistics,
    standard_scores,
)

TWO, THREE = ["rna", "atac"], ["rna", "atac", "protein"]
GENES, PEAKS, AUTOSOMES = 34_861, 223_897, 22
"""The paper's human model."""


def _specs(make_spec, keys, **changes):
    return [make_spec(key, BABEL_DEFAULTS, **changes) for key in keys]


@pytest.fixture
def make_babel(make_spec, training_counts):
    """Return a function that makes a fitted network in double precision, none of it at 0."""

    def make(keys=TWO, *, n_latent=4, dtype=torch.float64, **changes):
        torch.manual_seed(0)
        specs = _specs(make_spec, keys, **changes)
        module = BabelAE(specs, n_latent=n_latent).to(dtype)
        statistics, scores = {}, {}
        for spec in specs:
            block = sparse.csr_matrix(training_counts[spec.kind][:, spec.order])
            own = feature_statistics([block], n_features=spec.n_features)
            statistics[spec.key] = own
            if spec.kind == "rna":
                scores[spec.key] = standard_scores(
                    [block], median_library=own.median_library, n_features=spec.n_features
                )
        module.fit_statistics(statistics, scores)
        for name, value in module.state_dict().items():
            if name.endswith(("norm.weight", "norm.bias", "slope", "running_mean")):
                value.add_(0.3 * torch.randn_like(value))
            if name.endswith("running_var"):
                value.mul_(torch.rand_like(value) + 0.5)
        return module

    return make


def _run(module, tensors, *, paths=None):
    keywords = {"paths": paths or module.paths}
    return module(
        tensors,
        get_inference_input_kwargs=keywords,
        inference_kwargs=keywords,
        generative_kwargs=keywords,
    )


class PlainBabel:
    """The network by the paper's description on dense tensors, one chromosome after another."""

    def __init__(self, module, train):
        self.module, self.train = module, train
        self.w = dict(module.named_parameters()) | dict(module.named_buffers())

    def norm_prelu(self, name, x, n_blocks=1):
        mean, var = self.w[f"{name}.norm.running_mean"], self.w[f"{name}.norm.running_var"]
        if self.module.training:
            mean, var = x.mean(0), x.var(0, unbiased=False)
        x = (x - mean) / torch.sqrt(var + 1e-5)
        x = x * self.w[f"{name}.norm.weight"] + self.w[f"{name}.norm.bias"]
        parts = zip(x.chunk(n_blocks, dim=1), self.w[f"{name}.slope"], strict=True)
        return torch.cat([torch.where(p > 0, p, slope * p) for p, slope in parts], dim=1)

    def layer(self, name, x):
        x = x @ self.w[f"{name}.0.weight"].T + self.w[f"{name}.0.bias"]
        return self.norm_prelu(f"{name}.1", x)

    def inputs(self, key, y):
        if key == "protein":
            return torch.log1p(y) - torch.log1p(y).mean(1, keepdim=True)
        if key == "atac":
            return (y > 0).double()
        x = torch.log1p(self.normalized(y))
        train = torch.log1p(self.normalized(torch.from_numpy(self.train[key])))
        deviation = train.std(0)
        deviation = torch.where(deviation > 0, deviation, 1.0)
        limits = self.module.encoders[key].standardize.limits
        return ((x - train.mean(0)) / deviation).clamp(*limits.tolist())

    def normalized(self, y):
        library = torch.from_numpy(self.train["rna"].sum(1))
        median = np.median(library[library > 0])
        return y / y.sum(1, keepdim=True).clamp(min=1) * median

    def blocks(self, key):
        return torch.tensor(self.module.specs[key].blocks).cumsum(0)[:-1].tolist()

    def encode(self, key, y):
        name, x = f"encoders.{key}", self.inputs(key, y)
        if key == "protein":
            return self.layer(f"{name}.1", self.layer(f"{name}.0", x))
        weight, n_blocks = self.w[f"{name}.first.weight"], len(self.module.specs[key].blocks)
        parts = zip(
            x.tensor_split(self.blocks(key), dim=1),
            weight.tensor_split(self.blocks(key)),
            strict=True,
        )
        h = torch.cat([p @ w for p, w in parts], dim=1) + self.w[f"{name}.first.bias"]
        h = self.norm_prelu(f"{name}.activation", h, n_blocks)
        if key == "atac":
            h = self.by_chromosome(f"{name}.second", h)
            h = self.norm_prelu(f"{name}.second_activation", h, n_blocks)
        return self.layer(f"{name}.latent", h)

    def by_chromosome(self, name, h):
        weights = self.w[f"{name}.weight"]
        parts = zip(h.chunk(len(weights), dim=1), weights, strict=True)
        return torch.cat([p @ w for p, w in parts], dim=1) + self.w[f"{name}.bias"]

    def decode(self, key, z):
        name = f"decoders.{key}"
        if key == "rna":
            h = self.layer(f"{name}.hidden", z)
            log_mean, raw = (
                h @ self.w[f"{name}.{head}.weight"].T + self.w[f"{name}.{head}.bias"]
                for head in ("log_mean", "dispersion")
            )
            return torch.exp(log_mean), torch.log1p(torch.exp(raw))
        if key == "protein":
            h = self.layer(f"{name}.hidden", z)
            return h @ self.w[f"{name}.output.weight"].T + self.w[f"{name}.output.bias"]
        n_blocks = len(self.module.specs[key].blocks)
        h = self.by_chromosome(f"{name}.second", self.layer(f"{name}.first", z))
        h = self.norm_prelu(f"{name}.activation", h, n_blocks)
        weight = self.w[f"{name}.output.weight"].tensor_split(self.blocks(key))
        parts = zip(h.chunk(n_blocks, dim=1), weight, strict=True)
        logits = torch.cat([p @ w.T for p, w in parts], dim=1) + self.w[f"{name}.output.bias"]
        return torch.sigmoid(logits)

    def nll(self, key, output, y):
        if key == "rna":
            mean, theta = (part.detach().numpy() for part in output)
            target = self.normalized(y).numpy()
            # scipy's negative binomial is 0 off the whole numbers, so in between by its formula
            whole = np.rint(target)
            own = torch.as_tensor(-nbinom.logpmf(whole, theta, theta / (theta + mean)))
            parts = [torch.as_tensor(part) for part in (mean, theta)]
            own = own + _formula(torch.as_tensor(target), *parts)
            own = own - _formula(torch.as_tensor(whole), *parts)
            return own.mean(1)
        x = self.inputs(key, y)
        if key == "protein":
            return (x - output).square().mean(1)
        return F.binary_cross_entropy(output, x, reduction="none").mean(1)


def _formula(y, mean, theta):
    """Minus the logarithm of the paper's P(y; mean, theta)."""
    return -(
        torch.lgamma(y + theta)
        - torch.lgamma(y + 1)
        - torch.lgamma(theta)
        + theta * torch.log(theta / (theta + mean))
        + y * torch.log(mean / (theta + mean))
    )


class TestAgainstThePaper:
    @pytest.fixture(scope="class")
    def human(self):
        with torch.device("meta"):
            specs = [
                ModalitySpec.build("rna", "rna", np.arange(GENES), settings=BABEL_DEFAULTS["rna"]),
                ModalitySpec.build(
                    "atac",
                    "atac",
                    np.arange(PEAKS),
                    [f"chr{1 + j % AUTOSOMES}" for j in range(PEAKS)],
                    settings=BABEL_DEFAULTS["atac"],
                ),
            ]
            return BabelAE(specs)

    def test_layers(self, human):
        shapes = {
            name: tuple(p.shape)
            for name, p in human.named_parameters()
            if name.endswith("weight") and "norm" not in name
        }
        assert shapes == {
            "encoders.rna.first.weight": (GENES, 64),
            "encoders.rna.latent.0.weight": (16, 64),
            "encoders.atac.first.weight": (PEAKS, 32),
            "encoders.atac.second.weight": (22, 32, 16),
            "encoders.atac.latent.0.weight": (16, 352),
            "decoders.rna.hidden.0.weight": (64, 16),
            "decoders.rna.log_mean.weight": (GENES, 64),
            "decoders.rna.dispersion.weight": (GENES, 64),
            "decoders.atac.first.0.weight": (352, 16),
            "decoders.atac.second.weight": (22, 16, 32),
            "decoders.atac.output.weight": (PEAKS, 32),
        }

    @pytest.mark.parametrize(
        ("part", "linear", "normed", "slopes"),
        [
            ("encoders.rna", (GENES + 1) * 64 + 65 * 16, 64 + 16, 2),
            ("decoders.rna", 17 * 64 + 2 * 65 * GENES, 64, 1),
            (
                "encoders.atac",
                PEAKS * 32 + 22 * 32 + 22 * 33 * 16 + 353 * 16,
                22 * 32 + 352 + 16,
                22 + 22 + 1,
            ),
            ("decoders.atac", 17 * 352 + 22 * 17 * 32 + 33 * PEAKS, 352 + 22 * 32, 1 + 22),
        ],
    )
    def test_parameters(self, human, part, linear, normed, slopes):
        n_parameters = sum(p.numel() for p in human.get_submodule(part).parameters())
        assert n_parameters == linear + 2 * normed + slopes

    def test_nothing_is_dead(self, human, make_babel, tensors, counts):
        n_parameters = sum(p.numel() for p in human.parameters())
        # the published code's parameters that are read
        assert n_parameters == pytest.approx(21.3e6, rel=0.005)
        module = make_babel().train()
        _run(module, tensors(module, counts))[2].loss.backward()
        assert all(p.grad is not None and p.grad.any() for p in module.parameters())

    def test_weights_and_paths(self, human):
        assert sorted(human.paths) == [(s, t) for s in sorted(TWO) for t in sorted(TWO)]
        assert [human.specs[k].settings.weight for k in TWO] == [1.0, 1.33]


class TestLoss:
    @pytest.mark.parametrize("training", [True, False])
    @pytest.mark.parametrize("keys", [TWO, ["rna", "protein"], THREE], ids="-".join)
    def test_equals_a_plain_recomputation(
        self, make_babel, tensors, counts, training_counts, keys, training
    ):
        module = make_babel(keys).train(training)
        plain = PlainBabel(module, training_counts)
        y = {k: torch.from_numpy(counts[k][:, module.specs[k].order]) for k in keys}
        plain.train = {k: training_counts[k][:, module.specs[k].order] for k in keys}
        z = {key: plain.encode(key, y[key]) for key in keys}
        expected, total = {}, 0.0
        for source, target in module.paths:
            own = plain.nll(target, plain.decode(target, z[source]), y[target])
            expected[f"{source}_to_{target}"] = own
            total += module.specs[target].settings.weight * own.mean()
        _, _, output = _run(module, tensors(module, counts))
        assert set(output.reconstruction_loss) == set(expected)
        for name, own in expected.items():
            torch.testing.assert_close(output.reconstruction_loss[name], own, rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(output.loss, total, rtol=1e-6, atol=1e-8)
        assert output.n_obs_minibatch == 9

    def test_every_decoder_call_has_its_own_batch_statistics(self, make_babel, tensors, counts):
        module = make_babel().train()
        norm = module.decoders["rna"].hidden[1].norm
        calls = int(norm.num_batches_tracked)
        alone = _run(module, tensors(module, counts), paths=[("atac", "rna")])[2]
        together = _run(module, tensors(module, counts))[2]
        assert int(norm.num_batches_tracked) == calls + 3
        torch.testing.assert_close(
            alone.reconstruction_loss["atac_to_rna"], together.reconstruction_loss["atac_to_rna"]
        )

    def test_far_outputs_are_held(self, make_babel, tensors, counts):
        module = make_babel(dtype=torch.float64).eval()
        for bias in (1e4, -1e4):
            module.decoders["rna"].log_mean.bias.data.fill_(bias)
            module.decoders["rna"].dispersion.bias.data.fill_(-bias)
            assert torch.isfinite(_run(module, tensors(module, counts))[2].loss)


class TestTranslate:
    @pytest.mark.parametrize("source", THREE)
    @pytest.mark.parametrize("target", THREE)
    def test_is_the_plain_networks_prediction(
        self, make_babel, tensors, counts, training_counts, source, target
    ):
        module = make_babel(THREE).eval()
        plain = PlainBabel(
            module, {k: training_counts[k][:, module.specs[k].order] for k in THREE}
        )
        y = torch.from_numpy(counts[source][:, module.specs[source].order])
        expected = plain.decode(target, plain.encode(source, y))
        own = module.translate(tensors(module, counts)[source], source, target)
        if target == "rna":
            torch.testing.assert_close(own["mean"], expected[0], rtol=1e-6, atol=1e-8)
            expected = torch.log1p(expected[0])
        torch.testing.assert_close(own["X"], expected, rtol=1e-6, atol=1e-8)

    def test_each_cell_alone_comes_out_the_same(self, make_babel, tensors, counts):
        module = make_babel().eval()
        together = module.translate(tensors(module, counts)["rna"], "rna", "atac")["X"]
        for i in range(9):
            one = tensors(module, {key: y[i : i + 1] for key, y in counts.items()})["rna"]
            torch.testing.assert_close(module.translate(one, "rna", "atac")["X"][0], together[i])

    def test_latents_are_points(self, make_babel, tensors, counts):
        module = make_babel().eval()
        latent = module.latent("atac", tensors(module, counts)["atac"])
        assert latent.mean.shape == (9, 4)
        assert not latent.variance.any()

    def test_proteins_straight_and_through_inferred_expression(
        self, make_babel, tensors, counts, rows
    ):
        module = make_babel().eval()
        module.protein_head = ProteinHead(4, 3).double()
        x = tensors(module, counts)["atac"]
        straight = module.translate(x, "atac", "protein")["X"]
        torch.testing.assert_close(
            straight, module.protein_head(module.latent("atac", x).mean.clone())
        )
        inferred = module.translate(x, "atac", "rna")["mean"]
        z = module.latent("rna", rows(inferred.numpy())).mean.clone()
        through = module.translate(x, "atac", "protein", via="rna")["X"]
        torch.testing.assert_close(through, module.protein_head(z))
        assert not torch.allclose(through, straight)

    def test_no_sample(self, make_babel):
        with pytest.raises(TypeError, match="translate"):
            make_babel().sample()


def test_statistics_are_saved(make_babel):
    saved = make_babel().state_dict()
    assert saved["encoders.rna.standardize.mean"].any()
    assert torch.isfinite(saved["encoders.rna.standardize.limits"]).all()
    assert saved["decoders.rna.median_library"] > 1
    assert saved["transforms.rna.median_library"] == saved["decoders.rna.median_library"]


def test_one_gene_one_chromosome(rows):
    settings = {k: replace(v, n_hidden=2) for k, v in BABEL_DEFAULTS.items()}
    specs = [
        ModalitySpec.build(k, k, ["a"], ["chr1"], settings=settings[k]) for k in ("rna", "atac")
    ]
    module = BabelAE(specs).double()
    batch = {"rna": rows(np.array([[0.0], [2.0]])), "atac": rows(np.array([[1.0], [0.0]]))}
    assert torch.isfinite(_run(module, batch)[2].loss)


class TestProteinHead:
    @pytest.mark.parametrize(("activation", "extra"), [("tanh", 0), ("prelu", 2 * 64 + 1)])
    def test_is_16_64_25(self, activation, extra):
        head = ProteinHead(16, 25, activation=activation)
        assert sum(p.numel() for p in head.parameters()) == 17 * 64 + 65 * 25 + extra

    def test_equals_the_formula(self):
        head, z = ProteinHead(16, 25), torch.randn(4, 16)
        hidden = torch.tanh(z @ head.hidden.weight.T + head.hidden.bias)
        torch.testing.assert_close(head(z), hidden @ head.output.weight.T + head.output.bias)
