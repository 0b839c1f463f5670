"""Linear paths, against scikit-learn's ridge regression and dense formulas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import Ridge

from scvi_xmodal.module import Architecture, Blend, ButterflyVAE, LinearPath, Projection, RidgeSums
from scvi_xmodal.module._likelihoods import Bernoulli, NegativeBinomial, Normal
from scvi_xmodal.nn import Presence


@pytest.mark.parametrize("as_sparse", [False, True])
@pytest.mark.parametrize("alpha", [0.3, 40.0])
def test_sums_over_blocks_solve_ridge_regression(rng, as_sparse, alpha):
    z, y = rng.normal(5, 1, (50, 4)), rng.poisson(1.0, (50, 3)).astype(float)
    sums = RidgeSums(4, 3)
    for rows in np.array_split(np.arange(50), 7):
        sums.add(z[rows], sparse.csr_matrix(y[rows]) if as_sparse else y[rows])
    expected = Ridge(alpha=alpha).fit(z, y)
    coefficients, used = sums.solve(alpha=alpha)
    np.testing.assert_allclose(coefficients, expected.coef_.T, rtol=1e-8)
    np.testing.assert_allclose(sums.mean, y.mean(0))
    np.testing.assert_allclose(sums.center, z.mean(0))
    assert used == alpha


def test_the_penalty_has_the_lowest_generalised_cross_validation_score(rng):
    z = rng.normal(size=(40, 6))
    y = z[:, :2] @ rng.normal(size=(2, 5)) + rng.normal(0, 2, (40, 5))
    sums = RidgeSums(6, 5)
    sums.add(z, y)
    alpha = sums.solve()[1]

    def score(penalty):
        centred = z - z.mean(0)
        hat = centred @ np.linalg.solve(centred.T @ centred + penalty * np.eye(6), centred.T)
        residual = (y - y.mean(0)) - hat @ y
        return (residual**2).sum() / (40 - 1 - np.trace(hat)) ** 2

    assert 0 < alpha < np.inf
    assert score(alpha) <= min(score(alpha * 2), score(alpha / 2))


def test_projections_of_sparse_rows_are_dense_products(rng, rows):
    x = rng.poisson(0.5, (6, 9)).astype(float)
    projection = Projection(9).double()
    projection.fit(torch.from_numpy(rng.normal(size=(9, 3))))
    expected = x @ projection.components.numpy()
    np.testing.assert_allclose(projection(rows(x)).numpy(), expected)
    np.testing.assert_allclose(projection(torch.from_numpy(x)).numpy(), expected)


def test_outputs_are_blended_as_the_formula_says(rng):
    outputs, base = rng.normal(size=(4, 5)), rng.normal(size=5)
    scores, coefficients = rng.normal(size=(4, 3)), rng.normal(size=(3, 5))
    blend = Blend(*map(torch.as_tensor, (np.float64(0.3), scores, coefficients)))
    found = blend(torch.from_numpy(outputs.copy()), torch.from_numpy(base)).numpy()
    np.testing.assert_allclose(found, base + 0.3 * (outputs - base) + scores @ coefficients)


@pytest.mark.parametrize(("kind", "cls"), [("atac", Bernoulli), ("rna", NegativeBinomial)])
def test_tangents_are_those_of_what_is_predicted(kind, cls, make_spec, statistics):
    spec = make_spec(kind)
    own = cls(spec).double()
    own.fit(statistics(spec))
    n_hidden = len(own.output.blocks) * own.output.n_input
    hidden, step = torch.zeros(1, n_hidden, dtype=torch.float64), 1e-3
    predicted = []
    with torch.inference_mode():
        for shift in (-step, 0, step):
            own.output.bias.copy_(own.base)
            own.output.bias[3] += shift
            predicted.append(own.predict(hidden)["X"][0].numpy().copy())
        mean = torch.from_numpy(predicted[1])
        offset, slope = own.tangent(mean, mean)
    np.testing.assert_allclose(offset.numpy(), 0, atol=1e-4)  # the table of X is that exact
    expected = (predicted[2] - predicted[0])[3] / (2 * step)
    if kind == "rna":  # the softmax takes from all what one gains
        share = softmax(own.base.numpy())[3]
        expected = expected / (1 - share)
    assert slope[3].item() == pytest.approx(expected, rel=0.02)


def test_the_mean_of_logarithms_is_met(make_spec, statistics):
    spec = make_spec("rna")
    own = NegativeBinomial(spec).double()
    own.fit(statistics(spec))
    with torch.inference_mode():
        nothing, slope = own.tangent(*2 * (torch.zeros(spec.n_features).double(),))
        assert (nothing >= -2).all()  # a gene without expression is not infinitely far away
        steps, _ = own.tangent(*2 * (torch.full((spec.n_features,), 1e-3).double(),))
    near = nothing > -2
    assert near.any()
    difference = ((steps - nothing) * slope)[near]
    np.testing.assert_allclose(difference.numpy(), 1e-3, rtol=1e-6)


def test_a_gene_that_none_of_many_cells_has_leaves_numbers(make_spec, statistics):
    spec = make_spec("rna")
    few = statistics(spec)
    own = NegativeBinomial(spec)
    # as of 300,000 times as many cells: beyond the lowest mean of which X is tabulated
    own.fit(replace(few, count_sum=3e5 * few.count_sum, n_cells=300_000 * few.n_cells))
    mean = torch.from_numpy(few.log_normalized_mean).float()
    offset, slope = own.tangent(mean, mean)
    assert (few.count_sum == 0).any()
    assert ((slope > 0) & (offset.abs() <= 2)).all()


def test_squared_errors_predict_the_inputs(make_spec, statistics, rng):
    spec = make_spec("protein")
    own = Normal(spec).double()
    own.fit(statistics(spec))
    mean = torch.from_numpy(rng.normal(size=spec.n_features))
    offset, slope = own.tangent(mean, mean)
    np.testing.assert_allclose((own.base + offset).numpy(), mean.numpy())
    assert (slope == 1).all()


def test_what_is_saved_sets_the_sizes():
    path, other = LinearPath(5), LinearPath(5)
    assert not path.is_fitted
    path.fit(torch.ones(2), torch.zeros(5), torch.full((2, 5), 3.0))
    path.weigh(0.4)
    other.load_state_dict(path.state_dict())
    assert other.is_fitted
    assert other.weight.item() == pytest.approx(0.4)
    torch.testing.assert_close(other(torch.ones(1, 2)), torch.tensor([[1.0, 0, 0]]))
    path.load_state_dict(LinearPath(5).state_dict())
    assert not path.is_fitted


def test_it_is_used_from_the_weight_that_was_set_last():
    path = LinearPath(5)
    path.weigh(0.5)
    assert not path.is_used  # there is no regression yet
    path.fit(torch.ones(2), torch.zeros(5), torch.ones(2, 5))
    for weight in (0.0, 0.4, 0.0, 0.7):
        path.weight = path.weight.clone()  # as moving between devices leaves it
        path.weigh(weight)
        assert path.is_used == (weight > 0)
    path.reset()
    assert not path.is_used


def test_models_saved_before_have_none():
    path, projection = LinearPath(5), Projection(4)
    path.load_state_dict({})
    projection.load_state_dict({})
    assert not path.is_fitted
    assert projection.components.shape == (4, 0)


def test_several_sources_say_the_mean_of_what_each_says(make_spec, counts, rows):
    module = ButterflyVAE([make_spec(k) for k in ("rna", "atac", "protein")]).double().eval()
    rng = np.random.default_rng(0)
    for key, projection in module.projections.items():
        projection.fit(torch.from_numpy(rng.normal(size=(module.specs[key].n_features, 2))))
    for name in ("rna_to_protein", "atac_to_protein"):
        n_features = module.specs["protein"].n_features
        center, offset = torch.zeros(2), torch.from_numpy(rng.normal(size=n_features))
        module.linear_paths[name].fit(center, offset, torch.randn(2, n_features).double())
        module.linear_paths[name].weigh(1.0)
    own = {key: rows(counts[key][:6]) for key in ("rna", "atac")}
    alone = {key: module.translate(own[key], key, "protein")["X"].numpy() for key in own}
    both = module.translate(own, ("rna", "atac"), "protein")["X"].numpy()
    np.testing.assert_allclose(both, (alone["rna"] + alone["atac"]) / 2, rtol=1e-10)
    cells = {"rna": torch.arange(4), "atac": torch.arange(2, 6)}
    parts = {key: rows(counts[key][:6][cells[key]]) for key in cells}
    parts["presence"] = Presence(6, cells)
    partly = module.translate(parts, ("rna", "atac"), "protein")["X"].numpy()
    np.testing.assert_allclose(partly[:2], alone["rna"][:2], rtol=1e-10)
    np.testing.assert_allclose(partly[2:4], both[2:4], rtol=1e-10)
    np.testing.assert_allclose(partly[4:], alone["atac"][4:], rtol=1e-10)


@pytest.mark.parametrize(
    ("architecture", "n_batch", "expected"),
    [
        (Architecture(), 0, {"rna_to_atac", "atac_to_rna"}),
        (Architecture(n_components=0), 0, set()),
        (Architecture(), 2, set()),
        (Architecture(output_batch_norm=True), 0, set()),
    ],
)
def test_who_has_one(make_spec, architecture, n_batch, expected):
    specs = [make_spec(kind) for kind in ("rna", "atac")]
    assert set(ButterflyVAE(specs, architecture, n_batch=n_batch).linear_paths) == expected
