from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scvi.distributions
import torch
import torch.nn.functional as F
from scipy.stats import nbinom

from scvi_xmodal.module import LIKELIHOODS, TRANSFORMS
from scvi_xmodal.nn import expected_log1p, expected_log1p_table

KIND_OF = {"nb": "rna", "bernoulli": "atac", "tfidf": "atac", "normal": "rna", "clr": "protein"}
CASES = list(KIND_OF)


class _Case:
    """A fitted likelihood with hidden units of two sources for the same 9 cells."""

    def __init__(self, name, make_spec, statistics, counts, rows, *, use_batch_norm):
        kind = KIND_OF[name]
        changes = {"likelihood": "normal" if name == "clr" else name}
        if name == "tfidf":
            changes["transform"] = "tfidf_max"
        self.spec = make_spec(kind, **changes)
        self.statistics = statistics(self.spec)
        torch.manual_seed(0)
        likelihood = LIKELIHOODS[changes["likelihood"]](self.spec, use_batch_norm=use_batch_norm)
        transform = TRANSFORMS[self.spec.settings.transform](self.spec)
        transform.fit(self.statistics)
        likelihood.fit(self.statistics)
        self.likelihood = likelihood.double()
        if use_batch_norm:
            for part in likelihood.norm.parameters():
                part.data += 0.3 * torch.randn_like(part)
        if name == "nb":
            likelihood.log_theta.data += 0.5 * torch.randn_like(likelihood.log_theta)
        self.y = counts[kind][:, self.spec.order]
        self.counts = rows(self.y)
        self.x = transform.double()(self.counts)
        size = len(self.spec.blocks) * self.spec.settings.n_hidden
        self.hidden = 3 * torch.randn(18, size).double()

    def outputs(self):
        """Return the layer's outputs for all 18 rows, by a dense block-diagonal product."""
        layer = self.likelihood.output
        blocks = [weight.t() for weight in layer.weight.split(layer.blocks)]
        out = self.hidden @ torch.block_diag(*blocks) + layer.bias
        norm = self.likelihood.norm
        if norm is not None:
            scale = (out - out.mean(0)) / (out.var(0, unbiased=False) + 1e-5).sqrt()
            out = scale * norm.weight + norm.bias
        return out.detach()


@pytest.fixture
def make_case(make_spec, statistics, counts, rows):
    def make(name, *, use_batch_norm=False):
        return _Case(name, make_spec, statistics, counts, rows, use_batch_norm=use_batch_norm)

    return make


@pytest.mark.parametrize("use_batch_norm", [False, True])
class TestNLL:
    def _own(self, case):
        return case.likelihood.nll(case.hidden, case.counts, case.x).detach().numpy()

    def test_negative_binomial_is_scipys_and_scvis(self, make_case, use_batch_norm):
        case = make_case("nb", use_batch_norm=use_batch_norm)
        own, y = self._own(case), np.tile(case.y, (2, 1))
        mu = torch.softmax(case.outputs(), 1).numpy() * np.maximum(y.sum(1, keepdims=True), 1)
        theta = case.likelihood.log_theta.detach().exp().numpy()
        scipys = -nbinom.logpmf(y, theta, theta / (theta + mu)).sum(1)
        np.testing.assert_allclose(own, scipys, rtol=1e-9)
        scvis = scvi.distributions.NegativeBinomial(
            mu=torch.from_numpy(mu), theta=torch.from_numpy(theta)
        )
        np.testing.assert_allclose(
            own, -scvis.log_prob(torch.from_numpy(y)).sum(1).numpy(), rtol=1e-6
        )

    def test_bernoulli_is_torchs_with_the_cells_depth(self, make_case, use_batch_norm):
        case = make_case("bernoulli", use_batch_norm=use_batch_norm)
        y = torch.from_numpy((case.y > 0).astype(float)).repeat(2, 1)
        depth = np.maximum((case.y > 0).sum(1), 1) / case.statistics.median_depth
        logits = case.outputs() + torch.from_numpy(np.log(depth)).repeat(2)[:, None]
        expected = -torch.distributions.Bernoulli(logits=logits).log_prob(y).sum(1)
        np.testing.assert_allclose(self._own(case), expected.numpy(), rtol=1e-6)

    def test_tfidf_is_cross_entropy_without_a_depth(self, make_case, use_batch_norm):
        case = make_case("tfidf", use_batch_norm=use_batch_norm)
        x, p = np.tile(case.x.to_dense().numpy(), (2, 1)), torch.sigmoid(case.outputs()).numpy()
        expected = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(1)
        np.testing.assert_allclose(self._own(case), expected, rtol=1e-9)

    def test_tfidf_targets_end_at_one(self, make_case, rows, use_batch_norm):
        """A cell shallower than all training cells must not ask for a probability above 1."""
        case = make_case("tfidf", use_batch_norm=use_batch_norm)
        x = case.x.with_values(case.x.values * 20)
        assert x.values.max() > 1
        own = case.likelihood.nll(case.hidden, case.counts, x)
        y = x.to_dense().clamp(max=1).repeat(2, 1)
        expected = F.binary_cross_entropy_with_logits(case.outputs(), y, reduction="none")
        torch.testing.assert_close(own.detach(), expected.sum(1), rtol=1e-6, atol=1e-9)
        assert (own >= 0).all()

    def test_normal_is_squared_errors_of_log_expression(self, make_case, use_batch_norm):
        case = make_case("normal", use_batch_norm=use_batch_norm)
        x, out = np.tile(case.x.to_dense().numpy(), (2, 1)), case.outputs().numpy()
        if use_batch_norm:
            out = np.where(out > 0, out, 0.01 * out)
        np.testing.assert_allclose(self._own(case), ((x - out) ** 2).sum(1), rtol=1e-9)

    def test_normal_is_squared_errors_of_clr_values(self, make_case, use_batch_norm):
        case = make_case("clr", use_batch_norm=use_batch_norm)
        expected = ((np.tile(case.x.numpy(), (2, 1)) - case.outputs().numpy()) ** 2).sum(1)
        np.testing.assert_allclose(self._own(case), expected, rtol=1e-9)

    @pytest.mark.parametrize("name", CASES)
    def test_gradients_are_those_of_finite_differences(self, make_case, name, use_batch_norm):
        case = make_case(name, use_batch_norm=use_batch_norm)
        case.hidden.requires_grad_()
        parameters = [case.hidden, *case.likelihood.parameters()]
        upstream = torch.linspace(-1, 2, 18).double()

        def value():
            return case.likelihood.nll(case.hidden, case.counts, case.x) @ upstream

        gradients = torch.autograd.grad(value(), parameters)
        torch.manual_seed(5)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            direction, step = torch.randn_like(parameter), 1e-6
            with torch.no_grad():
                parameter += step * direction
                above = value()
                parameter -= 2 * step * direction
                below = value()
                parameter += step * direction
            slope = ((above - below) / (2 * step)).item()
            assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-6)

    @pytest.mark.parametrize("name", CASES)
    def test_empty_cells_are_finite(self, make_case, rows, name, use_batch_norm):
        case = make_case(name, use_batch_norm=use_batch_norm)
        empty = rows(np.zeros_like(case.y))
        x = empty if name != "clr" else torch.zeros(case.y.shape).double()
        assert torch.isfinite(case.likelihood.nll(case.hidden, empty, x)).all()


@pytest.mark.parametrize("name", CASES)
def test_stacked_sources_are_scored_one_by_one(make_case, name):
    case = make_case(name)
    halves = [case.likelihood.nll(h, case.counts, case.x) for h in case.hidden.split(9)]
    together = case.likelihood.nll(case.hidden, case.counts, case.x)
    torch.testing.assert_close(together, torch.cat(halves))


class TestInitialBias:
    """With hidden units at 0 the first predictions are the training cells' base rates."""

    def _first(self, case):
        return case.likelihood.predict(torch.zeros_like(case.hidden[:1]))

    def test_negative_binomial(self, make_case, training_counts):
        case = make_case("nb")
        count_sum = training_counts["rna"].sum(0)
        rate = (count_sum + 1) / (count_sum + 1).sum()
        mean = self._first(case)["mean"][0].detach().numpy()
        np.testing.assert_allclose(mean, rate * case.statistics.median_library, rtol=1e-6)

    def test_bernoulli(self, make_case, training_counts):
        case = make_case("bernoulli")
        n_open = (training_counts["atac"] > 0).sum(0)[case.spec.order]
        own = self._first(case)["X"][0].detach().numpy()
        np.testing.assert_allclose(own, (n_open + 0.5) / 31, rtol=1e-6)
        np.testing.assert_allclose(own, n_open / 30, atol=0.5 / 30)

    def test_normal_on_log_expression(self, make_case, training_counts, transformed):
        y = training_counts["rna"]
        expected = transformed("log_normalize", y, y).mean(0)
        own = self._first(make_case("normal"))["X"][0].detach().numpy()
        np.testing.assert_allclose(own, expected, rtol=1e-6, atol=1e-9)

    def test_normal_on_clr_values(self, make_case, training_counts, transformed):
        y = training_counts["protein"]
        own = self._first(make_case("clr"))["X"][0].detach().numpy()
        np.testing.assert_allclose(own, transformed("clr", y, y).mean(0), rtol=1e-6, atol=1e-7)

    def test_tfidf_takes_all_cells_for_as_deep_as_the_median(
        self, make_case, training_counts, transformed
    ):
        case = make_case("tfidf")
        y = training_counts["atac"][:, case.spec.order]
        b, depth = (y > 0).astype(float), (y > 0).sum(1)
        values = transformed("tfidf_max", y, y)
        as_median = values * depth[:, None] / case.statistics.median_depth * b
        own = self._first(case)["X"][0].detach().numpy()
        np.testing.assert_allclose(own, np.maximum(as_median.mean(0), 1e-6), rtol=1e-6)

    @pytest.mark.parametrize("name", CASES)
    def test_a_batch_norm_leaves_no_bias_to_set(self, make_case, name):
        case = make_case(name, use_batch_norm=True)
        before = case.likelihood.output.bias.detach().clone()
        case.likelihood.fit(case.statistics)
        torch.testing.assert_close(case.likelihood.output.bias.detach(), before, rtol=0, atol=0)
        assert case.likelihood.median_total > 1

    @pytest.mark.parametrize("name", CASES)
    def test_features_that_no_cell_has_are_finite(self, make_case, name):
        case = make_case(name)
        assert 0 in case.statistics.n_detected
        assert torch.isfinite(case.likelihood.output.bias).all()

    @pytest.mark.parametrize("name", CASES)
    def test_first_outputs_stay_close_to_the_bias(self, make_case, name):
        plain, normed = (make_case(name, use_batch_norm=b) for b in (False, True))
        small, large = (c.likelihood.output.weight.abs().max() for c in (plain, normed))
        assert small.item() == pytest.approx(0.1 * large.item(), rel=1e-6)


class TestPredict:
    @pytest.fixture
    def total(self):
        return torch.linspace(1, 40, 18).double()

    def test_negative_binomial_means_add_up_to_the_total(self, make_case, total):
        case = make_case("nb")
        rates = torch.softmax(case.outputs(), 1)
        own = case.likelihood.predict(case.hidden)
        torch.testing.assert_close(own["mean"], rates * case.statistics.median_library)
        theta = case.likelihood.log_theta.detach().exp()
        expected = expected_log1p(own["mean"], expected_log1p_table(theta))
        torch.testing.assert_close(own["X"], expected)
        with torch.no_grad():  # dispersions that change are noticed
            case.likelihood.log_theta.fill_(12.0)
        nearly_poisson = case.likelihood.predict(case.hidden)["X"]
        assert (nearly_poisson > own["X"]).all()
        assert (nearly_poisson <= torch.log1p(own["mean"])).all()
        with torch.no_grad():
            case.likelihood.log_theta.copy_(theta.log())
        deep = case.likelihood.predict(case.hidden, total)
        torch.testing.assert_close(deep["mean"], rates * total[:, None])
        torch.testing.assert_close(deep["X"], own["X"])

    def test_dispersions_that_a_fused_optimiser_changed_are_noticed(self, make_case):
        case = make_case("nb")
        before = case.likelihood.predict(case.hidden)["X"]
        log_theta = case.likelihood.log_theta
        log_theta.grad = -torch.ones_like(log_theta)
        torch.optim.Adam([log_theta], lr=3.0, fused=True).step()
        own = case.likelihood.predict(case.hidden)
        assert (own["X"] > before).all()
        table = expected_log1p_table(log_theta.detach().exp())
        torch.testing.assert_close(own["X"], expected_log1p(own["mean"], table))

    def test_bernoulli_is_a_probability_at_the_given_depth(self, make_case, total):
        case = make_case("bernoulli")
        own = case.likelihood.predict(case.hidden)
        assert set(own) == {"X"}
        torch.testing.assert_close(own["X"], torch.sigmoid(case.outputs()))
        deep = case.likelihood.predict(case.hidden, total)["X"]
        shift = torch.log(total / case.statistics.median_depth)[:, None]
        torch.testing.assert_close(deep, torch.sigmoid(case.outputs() + shift))
        median = torch.full((18,), case.statistics.median_depth).double()
        torch.testing.assert_close(case.likelihood.predict(case.hidden, median), own)

    @pytest.mark.parametrize("use_batch_norm", [False, True])
    def test_tfidf_knows_no_depth(self, make_case, total, use_batch_norm):
        case = make_case("tfidf", use_batch_norm=use_batch_norm)
        own = case.likelihood.predict(case.hidden)
        torch.testing.assert_close(own["X"], torch.sigmoid(case.outputs()))
        torch.testing.assert_close(case.likelihood.predict(case.hidden, total), own)

    @pytest.mark.parametrize("use_batch_norm", [False, True])
    def test_normal_expression_is_not_negative(self, make_case, total, use_batch_norm):
        case = make_case("normal", use_batch_norm=use_batch_norm)
        own = case.likelihood.predict(case.hidden)
        torch.testing.assert_close(own["X"], case.outputs().clamp(min=0))
        share = torch.expm1(own["X"])
        share = share / share.sum(1, keepdim=True)
        torch.testing.assert_close(own["mean"], share * case.statistics.median_library)
        deep = case.likelihood.predict(case.hidden, total)
        scale = (total / case.statistics.median_library)[:, None]
        torch.testing.assert_close(deep["mean"], own["mean"] * scale)
        torch.testing.assert_close(deep["X"], own["X"])

    def test_protein_is_on_the_clr_scale(self, make_case, total):
        case = make_case("clr")
        own = case.likelihood.predict(case.hidden, total)
        assert set(own) == {"X"}
        torch.testing.assert_close(own["X"], case.outputs())
        assert (own["X"] < 0).any()


def test_totals_are_what_the_likelihood_factors_out(make_case, training_counts):
    for name in CASES:
        case, y = make_case(name), training_counts[KIND_OF[name]]
        totals = (y > 0).sum(1) if name == "bernoulli" else y.sum(1)
        np.testing.assert_array_equal(case.likelihood.totals_of(case.statistics), totals)
        median = np.median(totals[totals > 0])
        assert case.likelihood.median_total.item() == pytest.approx(median)


def test_only_published_rna_outputs_are_rectified(make_case, make_spec):
    assert make_case("normal", use_batch_norm=True).likelihood.rectify
    for name, norm in (("normal", False), ("clr", True), ("clr", False)):
        assert not make_case(name, use_batch_norm=norm).likelihood.rectify


def test_one_feature_and_one_cell(make_spec, rows):
    spec = make_spec("atac")
    one = replace(
        spec,
        feature_names=spec.feature_names[:1],
        blocks=(1,),
        block_names=("chr1",),
        order=spec.order[:1],
    )
    for name, likelihood_class in LIKELIHOODS.items():
        likelihood = likelihood_class(one).double()
        hidden = torch.randn(1, spec.settings.n_hidden).double()
        y = rows(np.array([[1.0]]))
        assert likelihood.nll(hidden, y, y).shape == (1,), name
        assert likelihood.predict(hidden)["X"].shape == (1, 1)
