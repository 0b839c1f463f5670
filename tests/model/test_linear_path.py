"""What trained models owe to their linear paths."""

from __future__ import annotations

import numpy as np
import pytest
from mudata import MuData
from sklearn.linear_model import Ridge

import scvi_xmodal as xm
from scvi_xmodal.model._linear_fit import PRIOR_WEIGHT, WEIGHTS

QUIET = {"pretrain_epochs": 0, "enable_progress_bar": False}


def _data(**kwargs):
    options = {"n_genes": 40, "n_peaks": 60, "n_proteins": 8, "atac_density": 0.3, "seed": 1}
    return xm.datasets.synthetic(**{"n_cells": 240, **options, **kwargs})


def _train(mdata, split, *, epochs=3, **kwargs):
    xm.model.Butterfly.setup_mudata(mdata)
    model = xm.model.Butterfly(mdata, n_latent=8, **kwargs)
    model.train(epochs, split=split, **QUIET)
    return model


@pytest.fixture(scope="module")
def mdata():
    return _data()


@pytest.fixture(scope="module")
def split(mdata):
    return xm.pp.split(mdata, by="cell", seed=0)


@pytest.fixture(scope="module")
def model(mdata, split):
    return _train(mdata, split)


def test_alone_it_is_ridge_regression_on_the_components(model, mdata, split):
    module = model.module
    path = module.linear_paths["rna_to_protein"]
    weight, scale = path.weight.item(), path.scale.item()
    path.weigh(1.0)
    found = model.translate(mdata, source="rna", target="protein", indices=split.test).X
    path.weigh(weight, scale)
    counts = mdata["rna"].X.toarray()
    library = counts.sum(1, keepdims=True)
    x = np.log1p(counts / library * np.median(library[split.train]))
    z = x @ module.projections["rna"].components.numpy()
    logged = np.log1p(mdata["protein"].X.toarray())
    y = logged - logged.mean(1, keepdims=True)
    likeliest = min(
        (
            Ridge(alpha=alpha).fit(z[split.train], y[split.train])
            for alpha in np.logspace(-4, 4, 600)
        ),
        key=lambda own: np.abs(own.predict(z[split.test]) - found).max(),
    )
    np.testing.assert_allclose(likeliest.predict(z[split.test]), found, atol=0.02)


def test_components_are_the_leading_ones(model, mdata, split):
    counts = mdata["rna"].X.toarray()[split.train]
    library = counts.sum(1, keepdims=True)
    x = np.log1p(counts / library * np.median(library))
    components = model.module.projections["rna"].components.numpy()
    exact = np.linalg.svd(x, full_matrices=False)[2].T
    assert components.shape == (40, 20)
    np.testing.assert_allclose(np.abs((exact[:, :5] * components[:, :5]).sum(0)), 1, atol=1e-3)
    np.testing.assert_allclose(components.T @ components, np.eye(20), atol=1e-4)


def test_a_barely_trained_network_leaves_it_to_the_regression(model, mdata, split):
    paths = model.module.linear_paths
    for path in paths.values():  # halfway between one of those tried and the prior
        best = 2 * path.weight.item() - PRIOR_WEIGHT * path.scale.item()
        assert any(abs(best - weight) < 1e-6 for weight in WEIGHTS)
    assert paths["rna_to_protein"].weight.item() >= 0.5
    with_it, without = (
        _errors(own, mdata, split) for own in (model, _train(mdata, split, n_components=0))
    )
    assert with_it < without


def _errors(model, mdata, split):
    found = model.translate(mdata, source="rna", target="protein", indices=split.test).X
    logged = np.log1p(mdata["protein"].X.toarray()[split.test])
    return ((found - (logged - logged.mean(1, keepdims=True))) ** 2).sum()


def test_nothing_is_learned_of_held_out_cells(model, mdata, split):
    other = mdata.copy()
    for key in other.mod:
        x = other[key].X.tolil()
        x[split.test] = 7
        other[key].X = x.tocsr()
    again = _train(other, split)
    for name, path in model.module.linear_paths.items():
        own = again.module.linear_paths[name]
        np.testing.assert_array_equal(own.center, path.center)
        if not name.endswith("_to_rna"):  # genes' tangents depend on their trained dispersions
            np.testing.assert_array_equal(own.coefficients, path.coefficients)


def test_it_is_saved(model, mdata, tmp_path):
    model.save(tmp_path / "model")
    again = xm.model.Butterfly.load(tmp_path / "model", adata=False)
    for target in ("rna", "atac"):
        found, expected = (
            own.translate(mdata["protein"], source="protein", target=target).X
            for own in (again, model)
        )
        np.testing.assert_array_equal(found, expected)


def test_quantiles_are_of_what_is_predicted(model, mdata, split):
    options = {"source": "protein", "target": "rna", "indices": split.test}
    found = model.translate(mdata, quantiles=(0.5, 0.99), **options)
    mean = found.layers["mean"]
    assert (np.corrcoef(mean.ravel(), found.layers["q50"].ravel())[0, 1]) > 0.9
    assert (found.layers["q99"] >= mean * 0.9).mean() > 0.98


def test_few_validation_cells_leave_the_weight_to_experience(mdata):
    cells = np.arange(240)
    own = _train(mdata, xm.data.Split(cells[:100], cells[100:110], cells[110:]), epochs=1)
    weights = [path.weight.item() for path in own.module.linear_paths.values()]
    assert weights == pytest.approx([PRIOR_WEIGHT] * len(weights))


def test_few_training_cells_have_none(mdata):
    cells = np.arange(240)
    own = _train(mdata, xm.data.Split(cells[:15], cells[15:60], cells[60:]), epochs=1)
    assert not any(path.is_fitted for path in own.module.linear_paths.values())


def test_cells_without_partners_have_none():
    both = _data(n_proteins=0)
    apart = MuData({"rna": both["rna"][:120].copy(), "atac": both["atac"][120:].copy()})
    xm.model.Butterfly.setup_mudata(apart, pairing="unpaired", labels_key="cell_type")
    own = xm.model.Butterfly(apart, n_latent=8)
    own.train(1, **QUIET)
    assert not any(path.is_fitted for path in own.module.linear_paths.values())


def test_a_second_training_fits_it_anew(mdata, split):
    own = _train(mdata, split, epochs=1)
    before = own.module.linear_paths["rna_to_atac"].coefficients.clone()
    own.module.linear_paths["rna_to_atac"].coefficients.fill_(7)
    own.train(1, split=split, **QUIET)
    np.testing.assert_array_equal(own.module.linear_paths["rna_to_atac"].coefficients, before)


@pytest.mark.filterwarnings("ignore:.*no counts at all")
@pytest.mark.parametrize(
    "sizes", [{"n_genes": 1}, {"n_peaks": 6}, {"n_genes": 2, "n_proteins": 1}]
)
def test_ugly_sizes(sizes):
    small = _data(n_cells=80, **sizes)
    own = _train(small, xm.pp.split(small, by="cell", seed=0), epochs=1)
    for source, target in (("rna", "protein"), ("protein", "rna"), ("rna", "atac")):
        assert np.isfinite(own.translate(small, source=source, target=target).X).all()


def test_rare_features_do_not_run_away(mdata, split):
    rare = mdata.copy()
    for key in ("rna", "atac"):
        x = rare[key].X.tolil()
        x[:, :10] = 0
        for feature in range(10):
            x[split.train[[feature, feature + 20]], feature] = 3
        rare[key].X = x.tocsr()
    own = _train(rare, split)
    for source, target in (("rna", "atac"), ("atac", "rna")):
        path = own.module.linear_paths[f"{source}_to_{target}"]
        path.weigh(1.0)
        found = own.translate(rare, source=source, target=target, indices=split.test)
        if target == "atac":
            assert found.X[:, :10].max() < 0.25
        else:
            assert found.layers["mean"][:, :10].max() < 1


def test_pairs_of_one_kind_predict_their_own_rates():
    both = _data(n_cells=300, n_proteins=0)
    first = both.obs["cell_type"] == both.obs["cell_type"].iloc[0]
    atac = both["atac"].copy()
    other = np.flatnonzero(~first)
    paired = np.sort(np.concatenate([np.flatnonzero(first), other[:5]]))
    mosaic = MuData({"rna": both["rna"][paired].copy(), "atac": atac})
    xm.model.Butterfly.setup_mudata(mosaic, pairing="mosaic")
    own = xm.model.Butterfly(mosaic, n_latent=8)
    own.train(1, **QUIET)
    own.module.linear_paths["rna_to_atac"].weigh(1.0)
    found = own.translate(both["rna"][first], source="rna", target="atac").X.mean(0)
    theirs, all_cells = ((atac.X[rows] > 0).mean(0) for rows in (first.to_numpy(), slice(None)))
    errors = [np.square(found - np.asarray(rate).ravel()).mean() for rate in (theirs, all_cells)]
    assert errors[0] < errors[1]


def test_an_interrupted_fit_leaves_the_network_alone(mdata, split, monkeypatch):
    own = _train(mdata, split, epochs=1)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("scvi_xmodal.model._linear_fit._regress", stop)
    with pytest.raises(KeyboardInterrupt):
        own.train(1, split=split, **QUIET)
    assert not any(path.is_used for path in own.module.linear_paths.values())
    assert own.trust_ is None


@pytest.mark.parametrize("n_components", [-1, 2.5, "3", None])
def test_wrong_numbers_of_components_are_named(mdata, n_components):
    xm.model.Butterfly.setup_mudata(mdata)
    with pytest.raises(ValueError, match="n_components"):
        xm.model.Butterfly(mdata, n_components=n_components)
