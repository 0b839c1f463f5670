"""The published preset, layer by layer, against what scButterfly 0.0.9's code is known to be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from scvi_xmodal.model._presets import PRESETS
from scvi_xmodal.module import PUBLISHED, Architecture, ButterflyVAE, ModalitySpec
from scvi_xmodal.nn import BlockedLinear, BlockedSparseLinear, DenseLayer, Mask, SparseRows

N_GENES, N_PROTEINS, N_CHROMOSOMES = 2000, 40, 20


def _published(n_peaks):
    settings = PRESETS["scbutterfly"].settings
    chromosomes = [f"chr{j % N_CHROMOSOMES}" for j in range(n_peaks)]
    return ButterflyVAE(
        [
            ModalitySpec.build("rna", "rna", np.arange(N_GENES), settings=settings["rna"]),
            ModalitySpec.build(
                "atac", "atac", np.arange(n_peaks), chromosomes, settings=settings["atac"]
            ),
            ModalitySpec.build(
                "protein", "protein", np.arange(N_PROTEINS), settings=settings["protein"]
            ),
        ],
        PUBLISHED,
    )


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return _published(19_936)


def _n_parameters(part):
    return sum(p.numel() for p in part.parameters())


def _linear_norm(n_input, n_output):
    return n_input * n_output + n_output + 2 * n_output


def _calls(parts, run):
    """Return the layers in the order in which ``run`` calls them, without identities."""
    calls, handles = [], []
    for part in parts:
        for layer in part.modules():
            if not list(layer.children()) and not isinstance(layer, nn.Identity):
                hook = lambda layer, *_: calls.append(layer)  # noqa: E731
                handles.append(layer.register_forward_hook(hook))
    with torch.no_grad():
        run()
    for handle in handles:
        handle.remove()
    return calls


def _minibatch(n_features, n_rows=4):
    matrix = sparse.random(n_rows, n_features, 0.05, format="csr", dtype=np.float32)
    matrix.data[:] = 1
    matrix.sort_indices()
    return SparseRows.from_scipy(matrix)


NORMED = [nn.BatchNorm1d, nn.LeakyReLU]


class TestParameterCounts:
    """Reference section 3, "Sizes", to the two digits given there and exactly by its layers."""

    def test_rna(self, module):
        encoder, decoder = module.encoders["rna"], module.decoders["rna"]
        assert _n_parameters(encoder) == _linear_norm(N_GENES, 256) + _linear_norm(256, 128)
        assert _n_parameters(decoder) == _linear_norm(128, 256) + _linear_norm(256, N_GENES)
        assert round(_n_parameters(encoder) / 1e6, 2) == 0.55
        assert round(_n_parameters(decoder) / 1e6, 2) == 0.55

    @pytest.mark.parametrize(("n_peaks", "sizes"), [(19_936, (0.72, 0.78)), (59_767, (2.0, 2.18))])
    def test_atac(self, module, n_peaks, sizes):
        module = module if n_peaks == 19_936 else _published(n_peaks)
        encoder, decoder = module.encoders["atac"], module.decoders["atac"]
        width = 32 * N_CHROMOSOMES
        blocked = n_peaks * 32
        assert _n_parameters(encoder) == blocked + 3 * width + _linear_norm(width, 128)
        assert _n_parameters(decoder) == _linear_norm(128, width) + blocked + 3 * n_peaks
        assert tuple(round(_n_parameters(p) / 1e6, 2) for p in (encoder, decoder)) == sizes

    def test_protein(self, module):
        encoder, decoder = module.encoders["protein"], module.decoders["protein"]
        assert _n_parameters(encoder) == _linear_norm(N_PROTEINS, 128) + _linear_norm(128, 128)
        assert _n_parameters(decoder) == _linear_norm(128, 128) + _linear_norm(128, N_PROTEINS)

    def test_discriminators_have_129_weights_and_2_of_batch_norm(self, module):
        for discriminator in module.discriminators.values():
            sizes = [p.numel() for p in discriminator.parameters()]
            assert sizes == [128, 1, 1, 1]

    def test_translators(self, module):
        layer = _linear_norm(128, 128)
        # two heads for every source, one block for every target, shared by the sources
        assert _n_parameters(module.translator) == 3 * 2 * layer + 3 * layer
        for single in module.pretraining_translators.values():
            assert _n_parameters(single) == 2 * layer + layer


class TestLayerOrder:
    """Reference section 3: Linear, BatchNorm, LeakyReLU everywhere, dropout after the first."""

    @pytest.mark.parametrize(
        ("key", "first", "width"),
        [
            ("rna", BlockedSparseLinear, 256),
            ("atac", BlockedSparseLinear, 640),
            ("protein", nn.Linear, 128),
        ],
    )
    def test_encoders(self, module, key, first, width):
        encoder, n_features = module.encoders[key], module.specs[key].n_features
        x = torch.randn(4, n_features) if key == "protein" else _minibatch(n_features)
        calls = _calls([encoder], lambda: encoder.train()(x))
        expected = [Mask, first, *NORMED, nn.Dropout, nn.Linear, *NORMED]
        assert [type(layer) for layer in calls] == expected
        assert [c.num_features for c in calls if isinstance(c, nn.BatchNorm1d)] == [width, 128]
        assert calls[4].p == 0.1
        assert calls[0].rate == {"rna": 0.5, "atac": 0.3, "protein": 0.0}[key]

    @pytest.mark.parametrize(("key", "width"), [("rna", 256), ("atac", 640), ("protein", 128)])
    def test_decoders_end_in_a_batch_norm(self, module, key, width):
        decoder = module.decoders[key].train()
        calls = _calls(
            [decoder], lambda: decoder.likelihood.outputs(decoder(torch.randn(4, 128), None))
        )
        expected = [nn.Linear, *NORMED, nn.Dropout, BlockedLinear, nn.BatchNorm1d]
        assert [type(layer) for layer in calls] == expected
        sizes = [c.num_features for c in calls if isinstance(c, nn.BatchNorm1d)]
        assert sizes == [width, module.specs[key].n_features]
        assert calls[3].p == 0.1

    @pytest.mark.parametrize("key", ["rna", "atac", "protein"])
    def test_output_activations(self, module, key):
        """RNA ends in a LeakyReLU, ATAC in a sigmoid, protein in nothing."""
        decoder = module.decoders[key].eval()
        likelihood = decoder.likelihood
        with torch.no_grad():
            hidden = decoder(torch.randn(4, 128), None)
            normed = likelihood.norm(likelihood.output(hidden))
            outputs, x = likelihood.outputs(hidden), likelihood.predict(hidden)["X"]
        assert (normed < 0).any()
        expected = {
            "rna": torch.where(normed > 0, normed, 0.01 * normed),
            "atac": normed,
            "protein": normed,
        }[key]
        torch.testing.assert_close(outputs, expected)
        # values below 1e-4 are set to 0 in the published predictions; negative ones are here
        shown = {"rna": expected.clamp(min=0), "atac": torch.sigmoid(normed), "protein": normed}
        torch.testing.assert_close(x, shown[key])

    @pytest.mark.parametrize("key", ["rna", "atac", "protein"])
    def test_translators(self, module, key):
        e = torch.randn(4, 128)
        for translator in (module.translator, module.pretraining_translators[key]):
            translator.train()
            for run in (
                lambda t=translator: t.mean[key](e),
                lambda t=translator: t.log_variance[key](e),
                lambda t=translator: t.decode(key, e),
            ):
                calls = _calls([translator], run)
                assert [type(layer) for layer in calls] == [nn.Linear, *NORMED]

    def test_discriminators(self, module):
        for discriminator in module.discriminators.values():
            calls = _calls([discriminator], lambda d=discriminator: d.train()(torch.randn(4, 128)))
            assert [type(layer) for layer in calls] == [nn.Linear, nn.BatchNorm1d]

    def test_constants_of_the_layers(self, module):
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm1d):
                assert (layer.eps, layer.momentum) == (1e-5, 0.1)
            if isinstance(layer, nn.LeakyReLU):
                assert layer.negative_slope == 0.01

    def test_weights_are_xavier_uniform(self, module):
        for layer in module.modules():
            if isinstance(layer, DenseLayer) and isinstance(layer.linear, nn.Linear):
                bound = (6 / sum(layer.linear.weight.shape)) ** 0.5
                assert 0.8 * bound < layer.linear.weight.abs().max() <= bound

    def test_chromosomes_are_blocks(self, module):
        assert module.encoders["atac"].first.blocks == module.specs["atac"].blocks
        assert len(module.specs["atac"].blocks) == N_CHROMOSOMES
        assert sum(module.specs["atac"].blocks) == 19_936


class TestChoices:
    def test_losses_are_means_over_elements_with_weights_one_and_two(self, module):
        settings = {key: spec.settings for key, spec in module.specs.items()}
        assert module.architecture.reduction == "mean"
        assert [settings[key].likelihood for key in settings] == ["normal", "tfidf", "normal"]
        assert [settings[key].weight for key in settings] == [1, 2, 2]
        transforms = [settings[key].transform for key in settings]
        assert transforms == ["log_normalize", "tfidf_max", "clr"]

    def test_kl_weights_are_twenty_over_the_features(self, module):
        preset = PRESETS["scbutterfly"]
        assert preset.kl_weight(module.specs, ("rna",)) == pytest.approx(20 / N_GENES)
        assert preset.kl_weight(module.specs, ("atac",)) == pytest.approx(20 / 19_936)
        assert preset.kl_weight(module.specs, ("protein",)) == pytest.approx(1 / 150)
        both = preset.kl_weight(module.specs, ("rna", "atac"))
        assert both == pytest.approx(20 / N_GENES + 20 / 19_936)

    def test_schedule_and_gate(self):
        preset = PRESETS["scbutterfly"]
        assert (preset.pretrain_epochs, preset.max_epochs, preset.patience) == (100, 200, 50)
        assert preset.plan_kwargs["n_epochs_kl_warmup"] == 50
        assert preset.plan_kwargs["weight_decay"] == 0
        assert (PUBLISHED.adversarial_weight, PUBLISHED.adversarial_gate) == (1, 1.35)

    def test_our_own_default_differs_where_the_design_says_so(self):
        own = Architecture()
        assert (own.head_activation, own.output_batch_norm, own.reduction) == (False, False, "sum")
        assert own.n_discriminator_layers == 2

    def test_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            PUBLISHED.n_latent = 3


@pytest.mark.parametrize("n_layers", [0, 3])
def test_impossible_discriminators(n_layers):
    specs = [ModalitySpec.build(key, key, ["a", "b"]) for key in ("rna", "atac")]
    with pytest.raises(ValueError, match="1 or 2 layers"):
        ButterflyVAE(specs, Architecture(n_discriminator_layers=n_layers))
