from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import nbinom

from scvi_xmodal.model._presets import PRESETS
from scvi_xmodal.module import PUBLISHED, Architecture, ButterflyVAE, ModalitySpec

TWO, THREE = ["rna", "atac"], ["rna", "atac", "protein"]
PUBLISHED_SETTINGS = PRESETS["scbutterfly"].settings


def _run(module, tensors, *, paths=None, kl_weight=1.0):
    """Call the module as the training plan does."""
    keywords = {"paths": paths or module.paths}
    return module(
        tensors,
        get_inference_input_kwargs=keywords,
        inference_kwargs=keywords,
        generative_kwargs=keywords,
        loss_kwargs={"kl_weight": kl_weight},
    )


@pytest.fixture(params=["default", "scbutterfly"])
def preset(request):
    """Keywords of ``make_module`` for a preset."""
    published = request.param == "scbutterfly"
    return {
        "architecture": PUBLISHED if published else Architecture(),
        **({"base": PUBLISHED_SETTINGS} if published else {}),
    }


def _terms(output):
    parts = {**output.reconstruction_loss, **output.kl_local, "loss": output.loss}
    return {name: value.mean().item() for name, value in parts.items()}


class TestLoss:
    @pytest.mark.parametrize("n_batch", [0, 3])
    @pytest.mark.parametrize("keys", [TWO, ["rna", "protein"], THREE], ids="-".join)
    def test_equals_a_plain_recomputation(
        self, make_module, tensors, plain, counts, training_counts, preset, keys, n_batch
    ):
        module = make_module(keys, n_batch=n_batch, **preset).eval()
        batch = None
        if n_batch:
            batch = {key: np.roll(np.arange(9) % n_batch, i) for i, key in enumerate(keys)}
        *_, output = _run(module, tensors(module, counts, batch), kl_weight=0.3)
        expected = plain(module, training_counts).loss(
            counts, paths=module.paths, batch=batch, kl_weight=0.3
        )
        assert _terms(output) == pytest.approx(expected, rel=1e-8)
        assert output.n_obs_minibatch == 9

    @pytest.mark.parametrize("keys", [TWO, THREE], ids="-".join)
    def test_equals_it_in_training_too_with_batch_statistics_and_sampled_latents(
        self, make_module, tensors, plain, counts, training_counts, preset, keys
    ):
        preset["architecture"] = replace(preset["architecture"], dropout_rate=0.0)
        module = make_module(keys, mask_rate=0.0, **preset).train()
        reference = plain(module, training_counts)
        inference, _, output = _run(module, tensors(module, counts), kl_weight=0.3)
        z = {key: value.detach().numpy() for key, value in inference["z"].items()}
        expected = reference.loss(counts, paths=module.paths, z=z, kl_weight=0.3)
        assert _terms(output) == pytest.approx(expected, rel=1e-8)

    def test_single_precision_is_close(
        self, make_module, tensors, plain, counts, training_counts, preset
    ):
        module = make_module(THREE, **preset).eval()
        expected = plain(module, training_counts).loss(counts, paths=module.paths)
        minibatch = {
            key: rows.with_values(rows.values.float())
            for key, rows in tensors(module, counts).items()
        }
        *_, output = _run(module.float(), minibatch)
        assert output.loss.dtype == torch.float32
        assert _terms(output) == pytest.approx(expected, rel=1e-4)

    @pytest.mark.parametrize("key", THREE)
    def test_alone_a_modality_has_its_own_translator_and_no_weight(
        self, make_module, tensors, plain, counts, training_counts, preset, key
    ):
        module, path = make_module(THREE, **preset).eval(), [(key, key)]
        *_, output = _run(module, tensors(module, counts), paths=path, kl_weight=0.3)
        expected = plain(module, training_counts).loss(counts, paths=path, kl_weight=0.3)
        assert _terms(output) == pytest.approx(expected, rel=1e-8)
        assert set(expected) == {f"{key}_to_{key}", f"kl_{key}", "loss"}

    def test_some_paths_only(self, make_module, tensors, plain, counts, training_counts):
        module = make_module(THREE).eval()
        paths = [("rna", "atac"), ("protein", "atac"), ("rna", "rna")]
        *_, output = _run(module, tensors(module, counts), paths=paths)
        expected = plain(module, training_counts).loss(counts, paths=paths)
        assert _terms(output) == pytest.approx(expected, rel=1e-8)

    def test_weights_multiply_their_targets(self, make_module, tensors, counts):
        module = make_module(TWO).eval()
        *_, output = _run(module, tensors(module, counts), kl_weight=0.0)
        own = {name: value.mean() for name, value in output.reconstruction_loss.items()}
        to_rna, to_atac = (sum(v for n, v in own.items() if n.endswith(k)) for k in TWO)
        torch.testing.assert_close(output.loss, to_rna + 2 * to_atac)

    @pytest.mark.parametrize("base", [None, PUBLISHED_SETTINGS])
    def test_mean_is_the_sum_over_the_number_of_elements(self, make_module, tensors, counts, base):
        options = {} if base is None else {"base": base}
        results = {}
        for reduction in ("sum", "mean"):
            module = make_module(THREE, Architecture(reduction=reduction), **options).eval()
            *_, output = _run(module, tensors(module, counts))
            results[reduction] = {**output.reconstruction_loss, **output.kl_local}
        for name, value in results["sum"].items():
            target = name.removeprefix("kl_").split("_to_")[-1]
            size = 4 if name.startswith("kl_") else module.specs[target].n_features
            torch.testing.assert_close(results["mean"][name], value / size)

    @pytest.mark.parametrize("keys", [TWO, THREE], ids="-".join)
    def test_sharing_a_pass_changes_nothing_in_evaluation(
        self, make_module, tensors, counts, preset, keys
    ):
        results = []
        for stack in (False, True):
            preset["architecture"] = replace(preset["architecture"], stack_sources=stack)
            module = make_module(keys, n_batch=2, **preset).eval()
            batch = {key: np.arange(9) % 2 for key in keys}
            *_, output = _run(module, tensors(module, counts, batch))
            results.append(_terms(output))
        assert results[0] == pytest.approx(results[1], rel=1e-10)

    @pytest.mark.parametrize("stack", [False, True])
    def test_in_training_the_decoder_runs_once_per_target_or_path(
        self, make_module, tensors, counts, stack
    ):
        module = make_module(THREE, Architecture(stack_sources=stack)).train()
        calls = []
        module.decoders["atac"].register_forward_hook(lambda *args: calls.append(args[2].shape[0]))
        _run(module, tensors(module, counts))
        assert calls == ([27] if stack else [9, 9, 9])

    def test_empty_cells_and_unseen_features_are_finite(
        self, make_module, tensors, counts, preset
    ):
        module = make_module(THREE, **preset).train()
        empty = {key: np.zeros_like(y) for key, y in counts.items()}
        for minibatch in (empty, counts):
            *_, output = _run(module, tensors(module, minibatch))
            output.loss.backward()
            assert torch.isfinite(output.loss)
        parameters = module.generator_parameters(module.paths)
        assert all(torch.isfinite(p.grad).all() for p in parameters)

    def test_a_cell_has_the_same_loss_alone_and_in_company(self, make_module, tensors, counts):
        module = make_module(THREE).eval()
        *_, together = _run(module, tensors(module, counts))
        *_, alone = _run(module, tensors(module, {key: y[3:4] for key, y in counts.items()}))
        for name, value in together.reconstruction_loss.items():
            torch.testing.assert_close(alone.reconstruction_loss[name][0], value[3])


class TestParameters:
    def test_paths(self, make_module):
        assert set(make_module(TWO).paths) == {(s, t) for s in TWO for t in TWO}
        assert len(make_module(THREE).paths) == 9

    @pytest.mark.parametrize("keys", [TWO, THREE], ids="-".join)
    def test_the_generator_is_all_but_discriminators_and_pretraining_translators(
        self, make_module, preset, keys
    ):
        module = make_module(keys, **preset)
        generator = module.generator_parameters(module.paths)
        names = {id(p): name for name, p in module.named_parameters()}
        own = [names[id(p)] for p in generator]
        apart = ("discriminators.", "pretraining_translators.")
        assert sorted(own) == sorted(n for n in names.values() if not n.startswith(apart))

    @pytest.mark.parametrize("key", THREE)
    def test_pretraining_touches_one_modality(self, make_module, key):
        module = make_module(THREE)
        names = {id(p): name for name, p in module.named_parameters()}
        own = [names[id(p)] for p in module.generator_parameters([(key, key)])]
        parts = tuple(f"{part}.{key}." for part in ("encoders", "decoders"))
        parts = (*parts, f"pretraining_translators.{key}.")
        assert sorted(own) == sorted(n for n in names.values() if n.startswith(parts))

    @pytest.mark.parametrize("paths", [None, [("atac", "atac")]])
    def test_every_named_parameter_gets_a_gradient_and_no_other(
        self, make_module, tensors, counts, preset, paths
    ):
        module = make_module(TWO, **preset).train()
        *_, output = _run(module, tensors(module, counts), paths=paths)
        output.loss.backward()
        own = {id(p) for p in module.generator_parameters(paths or module.paths)}
        reached = {id(p) for p in module.parameters() if p.grad is not None}
        assert reached == own

    def test_state_dict_round_trip(self, make_module, make_spec, tensors, counts):
        module = make_module(THREE, n_batch=2).eval()
        other = ButterflyVAE(list(module.specs.values()), module.architecture, n_batch=2)
        other.double().eval()
        other.load_state_dict(module.state_dict())
        x = tensors(module, counts)["rna"]
        batch = torch.zeros(9, dtype=torch.long)
        for key in THREE:
            ours = module.translate(x, "rna", key, batch=batch)["X"]
            theirs = other.translate(x, "rna", key, batch=batch)["X"]
            torch.testing.assert_close(theirs, ours, rtol=0, atol=0)
            torch.testing.assert_close(
                other.predict_depth(x, "rna", key), module.predict_depth(x, "rna", key)
            )

    def test_statistics_are_saved(self, make_module):
        saved = make_module(TWO).state_dict()
        assert saved["transforms.atac.idf"].shape == (11,)
        assert saved["transforms.rna.median_library"] > 1
        assert saved["decoders.rna.likelihood.median_total"] > 1
        assert saved["depth_predictors.rna_to_atac.coefficients"].any()


class TestTranslate:
    @pytest.mark.parametrize("source", THREE)
    @pytest.mark.parametrize("target", THREE)
    def test_is_the_plain_networks_prediction(
        self, make_module, tensors, plain, counts, training_counts, preset, source, target
    ):
        module = make_module(THREE, **preset).eval()
        own = module.translate(tensors(module, counts)[source], source, target)
        reference = plain(module, training_counts)
        mean, _ = reference.posterior(
            "translator", source, reference.embedding(source, counts[source])
        )
        out = reference.outputs(target, reference.dense(f"translator.output.{target}", mean), None)
        likelihood = module.specs[target].settings.likelihood
        if likelihood == "nb":
            median = np.median(training_counts["rna"].sum(1)[training_counts["rna"].sum(1) > 0])
            rate = np.exp(out) / np.exp(out).sum(1, keepdims=True) * median
            np.testing.assert_allclose(own["mean"].numpy(), rate)
            theta = module.decoders[target].likelihood.log_theta.detach().exp().numpy()
            y = np.arange(4000)[:, None, None]
            probability = nbinom.pmf(y, theta, theta / (theta + rate))
            out = (np.log1p(y) * probability).sum(0)
            np.testing.assert_allclose(own["X"].numpy(), out, rtol=1e-4, atol=1e-5)
            return
        elif likelihood in ("bernoulli", "tfidf"):
            out = 1 / (1 + np.exp(-out))
        elif target == "rna":
            out = np.maximum(out, 0)
        np.testing.assert_allclose(own["X"].numpy(), out, rtol=1e-6, atol=1e-9)

    def test_totals_scale_means_and_shift_logits(self, make_module, tensors, counts):
        module = make_module(TWO).eval()
        x = tensors(module, counts)
        total = torch.arange(1.0, 10).double()
        plain, deep = (module.translate(x["atac"], "atac", "rna", total=t) for t in (None, total))
        torch.testing.assert_close(deep["mean"].sum(1), total)
        torch.testing.assert_close(deep["X"], plain["X"])
        plain, deep = (module.translate(x["rna"], "rna", "atac", total=t) for t in (None, total))
        shift = torch.log(total / module.decoders["atac"].likelihood.median_total)
        moved = torch.logit(deep["X"]) - torch.logit(plain["X"])
        torch.testing.assert_close(moved, shift[:, None].expand_as(moved))

    def test_given_latents_are_decoded_instead_of_the_means(self, make_module, tensors, counts):
        module = make_module(TWO).eval()
        x = tensors(module, counts)["rna"]
        qz = module.latent("rna", x)
        means = module.translate(x, "rna", "atac")["X"]
        torch.testing.assert_close(module.translate(x, "rna", "atac", z=qz.mean)["X"], means)
        assert not torch.allclose(module.translate(x, "rna", "atac", z=qz.sample())["X"], means)

    def test_each_cell_alone_comes_out_the_same(self, make_module, tensors, counts):
        module = make_module(THREE).eval()
        together = module.translate(tensors(module, counts)["protein"], "protein", "rna")["X"]
        for i in range(9):
            one = tensors(module, {key: y[i : i + 1] for key, y in counts.items()})["protein"]
            torch.testing.assert_close(
                module.translate(one, "protein", "rna")["X"][0], together[i]
            )

    def test_batches_are_decoded_in(self, make_module, tensors, counts):
        module = make_module(TWO, n_batch=2).eval()
        x = tensors(module, counts)["rna"]
        first, second = (
            module.translate(x, "rna", "atac", batch=torch.full((9,), code))["X"]
            for code in (0, 1)
        )
        mixed = module.translate(x, "rna", "atac", batch=torch.arange(9) % 2)["X"]
        assert not torch.allclose(first, second)
        torch.testing.assert_close(mixed[::2], first[::2])
        torch.testing.assert_close(mixed[1::2], second[1::2])

    def test_latents_are_samples_in_training_and_means_otherwise(
        self, make_module, tensors, counts
    ):
        module = make_module(TWO, mask_rate=0.0).eval()
        x = tensors(module, counts)
        paths = [("rna", "atac"), ("rna", "rna")]
        inference = module.inference({"rna": x["rna"]}, paths)
        torch.testing.assert_close(inference["z"]["rna"], inference["qz"]["rna"].mean)
        torch.testing.assert_close(inference["z"]["rna"], module.latent("rna", x["rna"]).mean)
        assert set(inference["z"]) == {"rna"}
        inference = module.train().inference({"rna": x["rna"]}, paths)
        noise = (inference["z"]["rna"] - inference["qz"]["rna"].mean).abs()
        assert (noise > 0).all()

    def test_no_sample(self, make_module):
        with pytest.raises(TypeError, match="translate"):
            make_module(TWO).sample()


class TestPermutations:
    """Order of features, chromosomes and modalities is bookkeeping: predictions do not change."""

    def test_peak_and_chromosome_order(self, make_module, make_spec, tensors, counts):
        module = make_module(TWO).eval()
        spec = module.specs["atac"]
        reversed_names = tuple(reversed(spec.block_names))
        chromosome_of = np.repeat(spec.block_names, spec.blocks)[spec.position]
        shuffled = np.random.default_rng(0).permutation(11)
        other_spec = ModalitySpec.build(
            "atac",
            "atac",
            spec.feature_names[shuffled],
            chromosome_of[shuffled],
            block_order=reversed_names,
            settings=spec.settings,
        )
        other = ButterflyVAE([module.specs["rna"], other_spec], module.architecture).double()
        state = {k: v.clone() for k, v in module.state_dict().items()}
        # where each of the other network's peaks stands in the first network
        peaks = spec.position[shuffled[other_spec.order]]
        hidden = np.arange(9).reshape(3, 3)[::-1].ravel().copy()
        for name in ("encoders.atac.first.weight", "transforms.atac.idf"):
            state[name] = state[name][peaks]
        for name in ("weight", "bias"):
            full = f"decoders.atac.likelihood.output.{name}"
            state[full] = state[full][peaks]
        for name, value in state.items():
            if name.startswith(("encoders.atac.hidden", "decoders.atac.hidden")) and value.dim():
                state[name] = value[hidden]
        state["encoders.atac.first.bias"] = state["encoders.atac.first.bias"][hidden]
        embedding = "encoders.atac.embedding.linear.weight"
        state[embedding] = state[embedding][:, hidden]
        other.load_state_dict(state)
        other.eval()
        moved = {"rna": counts["rna"], "atac": counts["atac"][:, shuffled]}
        x, y = tensors(module, counts), tensors(other, moved)
        torch.testing.assert_close(
            other.translate(y["atac"], "atac", "rna")["X"],
            module.translate(x["atac"], "atac", "rna")["X"],
        )
        ours = module.translate(x["rna"], "rna", "atac")["X"][:, spec.position]
        theirs = other.translate(y["rna"], "rna", "atac")["X"][:, other_spec.position]
        torch.testing.assert_close(theirs, ours[:, shuffled])


class TestDiscriminators:
    @pytest.mark.parametrize("keys", [TWO, THREE], ids="-".join)
    def test_each_sees_translations_from_another_modality(
        self, make_module, tensors, counts, keys, monkeypatch
    ):
        module = make_module(keys).eval()
        inference, generative, _ = _run(module, tensors(module, counts))
        origin = {id(e): path for path, e in generative["translated"].items()}
        seen = set()

        def record(discriminators, real, fake):
            assert set(discriminators) == set(real) == set(fake) == set(keys)
            for target in keys:
                assert real[target] is inference["embedding"][target]
                path = origin[id(fake[target])]
                assert path[1] == target
                assert path[0] != target
                seen.add(path)
            return torch.tensor(0.0)

        monkeypatch.setattr("scvi_xmodal.module._butterfly.discriminator_loss", record)
        for _ in range(30):
            module.discriminator_loss(inference["embedding"], generative["translated"])
        assert seen == {(s, t) for s, t in module.paths if s != t}

    def test_loss_is_the_layers_sum(self, make_module, tensors, counts):
        module = make_module(TWO).eval()
        inference, generative, _ = _run(module, tensors(module, counts))
        torch.manual_seed(4)
        own = module.discriminator_loss(inference["embedding"], generative["translated"])
        torch.manual_seed(4)
        u = torch.rand(9).double()
        expected = 0.0
        for target, other in (("rna", "atac"), ("atac", "rna")):
            real, fake = inference["embedding"][target], generative["translated"][other, target]
            logit = module.discriminators[target](torch.where((u > 0.5)[:, None], real, fake))
            label = torch.where(u > 0.5, u.clamp(min=0.8), u.clamp(max=0.2))
            expected -= (
                label * torch.sigmoid(logit).log() + (1 - label) * torch.sigmoid(-logit).log()
            ).mean()
        assert own.item() == pytest.approx(expected.item(), rel=1e-6)


class TestFitStatistics:
    def test_unpaired_cells_leave_the_depth_predictors_alone(self, make_spec, statistics):
        specs = [make_spec(key) for key in TWO]
        module = ButterflyVAE(specs)
        module.fit_statistics({s.key: statistics(s) for s in specs}, paired=False)
        assert not any(p.coefficients.any() for p in module.depth_predictors.values())
        assert module.transforms["rna"].median_library > 1

    def test_depth_is_open_peaks_for_atac_and_counts_otherwise(
        self, make_module, tensors, counts, training_counts
    ):
        module = make_module(TWO).eval()
        x = tensors(module, training_counts)["rna"]
        for target, totals in (
            ("atac", (training_counts["atac"] > 0).sum(1)),
            ("rna", training_counts["rna"].sum(1)),
        ):
            predicted = module.predict_depth(x, "rna", target).sum().item()
            assert predicted == pytest.approx(np.maximum(totals, 1).sum(), rel=1e-5)
