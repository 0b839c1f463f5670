"""How far predictions stray from base rates, against scipy's own minimum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, softmax

from scvi_xmodal.module import SHARES, Blend, ModalitySpec, Shrinkage, feature_statistics
from scvi_xmodal.module._likelihoods import Bernoulli, NegativeBinomial


@pytest.fixture
def likelihood(make_spec, statistics):
    spec = make_spec("atac")
    own = Bernoulli(spec).double()
    own.fit(statistics(spec))
    return own


def _n_hidden(likelihood):
    return len(likelihood.output.blocks) * likelihood.output.n_input


def _share(likelihood, share):
    base = likelihood.base
    return Blend(base.new_tensor(share), base.new_zeros(1, 0), base.new_zeros(0, base.shape[0]))


def _at_shares(likelihood, hidden):
    return [likelihood.blended(hidden, _share(likelihood, share)) for share in SHARES]


@pytest.mark.parametrize("minimum", [0.2, 0.31, 0.5, 0.97, 1.0])
def test_the_minimum_of_a_parabola_is_found(minimum):
    shrinkage = Shrinkage()
    shrinkage.fit(torch.tensor([7 * (share - minimum) ** 2 + 3 for share in SHARES]))
    assert shrinkage.share.item() == pytest.approx(minimum, abs=1e-5)


@pytest.mark.parametrize("minimum", [1.07, 1.2, 1.5])
def test_nothing_is_carried_further_than_it_was(minimum):
    shrinkage = Shrinkage()
    shrinkage.fit(torch.tensor([(share - minimum) ** 2 for share in SHARES]))
    assert shrinkage.share.item() == 1


@pytest.mark.parametrize(("slope", "share"), [(-1.0, 1.0), (1.0, 0.2), (0.0, 0.2)])
def test_losses_without_a_minimum_inside_take_an_end(slope, share):
    shrinkage = Shrinkage()
    shrinkage.fit(torch.tensor([slope * own for own in SHARES]))
    assert shrinkage.share.item() == pytest.approx(share)


def test_losses_are_the_dense_formulas_and_their_minimum_scipys(likelihood, counts, rows):
    rng = np.random.default_rng(0)
    hidden = torch.from_numpy(rng.normal(0, 3, (counts["atac"].shape[0], _n_hidden(likelihood))))
    measured = rows(counts["atac"])
    eta = likelihood.outputs(hidden).detach().numpy()
    base = likelihood.base.numpy()
    y = counts["atac"] > 0
    depth = np.log(np.maximum(y.sum(1), 1) / likelihood.median_total.item())[:, None]

    def loss(share):
        logit = base + share * (eta - base) + depth
        return -(y * log_expit(logit) + (1 - y) * log_expit(-logit)).sum()

    with torch.inference_mode():
        found = likelihood.losses(_at_shares(likelihood, hidden), measured, None).sum(1)
    np.testing.assert_allclose(found.numpy(), [loss(share) for share in SHARES], rtol=1e-9)
    shrinkage = Shrinkage()
    shrinkage.fit(found)
    best = minimize_scalar(loss, bounds=(0.2, 1.0), method="bounded").x
    assert shrinkage.share.item() == pytest.approx(best, abs=0.02)


def test_base_rates_add_up_over_cells_of_all_depths(rows):
    rng = np.random.default_rng(0)
    depth = rng.lognormal(0, 0.6, 400)
    y = (rng.random((400, 600)) < 0.02 * np.minimum(depth, 8)[:, None]).astype(float)
    spec = ModalitySpec.build("atac", "atac", [f"chr1:{j}0-{j}5" for j in range(600)])
    own = Bernoulli(spec).double()
    own.fit(feature_statistics([sparse.csr_matrix(y)], n_features=600))
    total = torch.from_numpy(np.maximum(y.sum(1), 1))
    with torch.inference_mode():
        hidden = torch.zeros(400, _n_hidden(own), dtype=torch.float64)
        found = own.predict(hidden, total, blend=_share(own, 0.0))["X"]
    assert found.sum().item() == pytest.approx(y.sum(), rel=0.05)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_predictions_keep_a_share_of_the_deviations(likelihood, share):
    hidden = torch.randn(5, _n_hidden(likelihood), dtype=torch.float64)
    total = torch.arange(1.0, 6).double()
    with torch.inference_mode():
        eta, base = likelihood.outputs(hidden).numpy(), likelihood.base.numpy()
        found = likelihood.predict(hidden, total, blend=_share(likelihood, share))["X"]
        mean, variance = likelihood.moments(hidden, total, blend=_share(likelihood, share))
    offset = np.log(total.numpy() / likelihood.median_total.item())[:, None]
    expected = expit(base + share * (eta - base) + offset)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(mean.numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(variance.numpy(), expected * (1 - expected), rtol=1e-6)


def test_errors_of_expression_are_those_of_the_predictions(make_spec, statistics, counts, rows):
    spec = make_spec("rna")
    own = NegativeBinomial(spec).double()
    own.fit(statistics(spec))
    own.log_theta.data.uniform_(-1, 2)
    hidden = torch.randn(counts["rna"].shape[0], _n_hidden(own), dtype=torch.float64)
    y = counts["rna"][:, spec.order]
    median = own.median_total.item()
    measured = np.log1p(median * y / np.maximum(y.sum(1, keepdims=True), 1))
    with torch.inference_mode():
        found = own.losses(_at_shares(own, hidden), rows(y), None).sum(1)
        predicted = [own.predict(hidden, blend=_share(own, a))["X"] for a in SHARES]
        mean, variance = own.moments(hidden, blend=_share(own, 0.4))
        plain = own.predict(hidden)["X"]
    expected = [((x.numpy() - measured) ** 2).sum() for x in predicted]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(predicted[SHARES.index(1.0)].numpy(), plain.numpy(), rtol=1e-5)
    eta = own.outputs(hidden).detach().numpy()
    shrunk = softmax(own.base.numpy() + 0.4 * (eta - own.base.numpy()), axis=1) * median
    np.testing.assert_allclose(mean.numpy(), shrunk, rtol=1e-5)
    theta = own.log_theta.exp().detach().numpy()
    np.testing.assert_allclose(variance.numpy(), shrunk + shrunk**2 / theta, rtol=1e-5)


def test_models_saved_before_keep_everything(likelihood, make_spec):
    state = {k: v for k, v in likelihood.state_dict().items() if k != "base"}
    other = Bernoulli(make_spec("atac")).double()
    other.load_state_dict(state)
    assert not other.base.any()
    shrinkage = Shrinkage()
    shrinkage.share.fill_(0.3)
    shrinkage.load_state_dict({})
    assert shrinkage.share.item() == 1
