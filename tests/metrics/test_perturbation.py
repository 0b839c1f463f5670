from __future__ import annotations

import anndata
import numpy as np
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse
from scipy.stats import pearsonr

import scvi_xmodal as xm
from scvi_xmodal.metrics import evaluate_perturbation

N_GENES = 80


def _cells(values, **kwargs):
    adata = AnnData(values, **kwargs)
    adata.var_names = [f"gene{j}" for j in range(adata.n_vars)]
    return adata


@pytest.fixture
def study():
    """Return a prediction, measured perturbed cells and control cells."""
    rng = np.random.default_rng(0)
    base = rng.gamma(2.0, size=N_GENES)
    changed = base * np.exp(rng.normal(scale=0.8, size=N_GENES) * (np.arange(N_GENES) < 40))
    control, truth = (
        _cells(sparse.csr_matrix(rng.poisson(rate, (n, N_GENES)).astype(np.float32)))
        for rate, n in ((base, 50), (changed, 45))
    )
    noisy = changed * np.exp(rng.normal(scale=0.3, size=(40, N_GENES)))
    return _cells(np.log1p(noisy).astype(np.float32)), truth, control


def _log(counts, library):
    total = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / total * library)


def _scaled(prediction, truth, control):
    """Return truth and control at the total where the truth's mean is the prediction's."""
    counts = truth.X.toarray().astype(float)
    libraries = np.geomspace(1, 1e4, 20001)
    means = np.array([_log(counts, library).mean() for library in libraries[::50]])
    rough = np.abs(means - prediction.X.mean()).argmin() * 50
    near = libraries[max(rough - 60, 0) : rough + 60]
    best = near[np.argmin([abs(_log(counts, n).mean() - prediction.X.mean()) for n in near])]
    return _log(counts, best), _log(control.X.toarray().astype(float), best)


def _top(perturbed, control, n):
    cells = AnnData(np.concatenate([perturbed, control]).astype(np.float32))
    cells.obs["c"] = ["p"] * len(perturbed) + ["c"] * len(control)
    sc.tl.rank_genes_groups(cells, "c", groups=["p"], method="t-test", n_genes=n)
    return set(cells.uns["rank_genes_groups"]["names"]["p"].astype(int))


def test_equals_scanpy_and_loops(study):
    prediction, truth, control = study
    table = evaluate_perturbation(
        prediction, truth, control, n_top=20, n_resamples=3, replace=False, fraction=1
    )
    row = table.loc["prediction"]
    measured, untreated = _scaled(*study)
    real = _top(measured, untreated, 20)
    assert row["common_degs"] == len(real & _top(prediction.X, untreated, 20))
    assert row["common_degs_by_chance"] == 5
    top = sorted(real)
    means = prediction.X[:, top].mean(axis=0), measured[:, top].mean(axis=0)
    assert row["r2"] == pytest.approx(pearsonr(*means)[0] ** 2, rel=1e-3)
    # all cells without replacement are the cells themselves
    assert row["r2_mean"] == pytest.approx(row["r2"])
    assert row["r2_sd"] == pytest.approx(0, abs=1e-9)
    center = untreated[:, top].mean(axis=0)
    expected = pearsonr(means[0] - center, means[1] - center)[0]
    assert row["pearson_change"] == pytest.approx(expected, rel=1e-3)
    assert (row["n_cells_predicted"], row["n_cells_measured"]) == (40, 45)


def test_resamples_scatter_around_all_cells_and_are_seeded(study):
    first, again, other = (
        evaluate_perturbation(*study, n_top=20, seed=seed).loc["prediction"] for seed in (0, 0, 1)
    )
    assert first.equals(again)
    assert first["r2_mean"] != other["r2_mean"]
    assert first["r2_sd"] > 0
    assert abs(first["r2_mean"] - first["r2"]) < 4 * first["r2_sd"] + 0.05


def test_the_control_changes_nothing_and_a_good_prediction_beats_it(study):
    table = evaluate_perturbation(*study, n_top=20)
    assert table.loc["control", ["common_degs", "pearson_change"]].tolist() == [0, 0]
    for column in ("common_degs", "r2_mean", "pearson_change"):
        assert table.loc["prediction", column] > table.loc["control", column]


def test_a_prediction_may_have_any_name(study):
    prediction, truth, control = study
    expected = evaluate_perturbation(prediction, truth, control, n_top=20).loc["prediction"]
    for name in ("control", "truth"):
        table = evaluate_perturbation({name: prediction}, truth, control, n_top=20)
        assert table.loc[name].to_list() == expected.to_list()
        with pytest.raises(ValueError, match="truth has 1 cells"):
            evaluate_perturbation({name: prediction}, truth[:1].copy(), control, n_top=20)


def test_several_predictions_share_genes_in_any_order(study):
    prediction, truth, control = study
    named = {"a": prediction, "b": prediction[:, ::-1].copy()}
    table = evaluate_perturbation(named, truth[:, ::-1].copy(), control, n_top=20)
    assert list(table.index) == ["a", "b", "control"]
    np.testing.assert_allclose(
        table.loc["a"].to_numpy(float), table.loc["b"].to_numpy(float), rtol=1e-5
    )


def test_a_shift_by_other_types_beats_the_control_on_real_cells():
    """Kang: B cells' response from that of all other cells."""
    cells = xm.datasets.kang_pbmc()
    is_b, stimulated = (
        cells.obs["cell_type"] == cells.obs["cell_type"].cat.categories[0],
        cells.obs["condition"] == "stim",
    )
    logged = cells.copy()
    sc.pp.normalize_total(logged, target_sum=1000)
    sc.pp.log1p(logged)
    shift = logged[~is_b & stimulated].X.mean(axis=0) - logged[~is_b & ~stimulated].X.mean(axis=0)
    control = logged[is_b & ~stimulated]
    predicted = control.copy()
    predicted.X = np.asarray(control.X + shift).clip(0)
    table = evaluate_perturbation(
        predicted, cells[is_b & stimulated].copy(), cells[is_b & ~stimulated].copy()
    )
    assert table.loc["prediction", "common_degs"] > 40
    assert table.loc["prediction", "r2_mean"] > table.loc["control", "r2_mean"]


def test_users_mistakes_are_named(study):
    prediction, truth, control = study
    with pytest.raises(ValueError, match="80 genes are shared by all: at least 200"):
        evaluate_perturbation(prediction, truth, control)
    with pytest.raises(ValueError, match="fraction=0"):
        evaluate_perturbation(prediction, truth, control, fraction=0)
    with pytest.raises(ValueError, match="control has 1 cells"):
        evaluate_perturbation(prediction, truth, control[:1], n_top=20)
    logged = truth.copy()
    logged.X = logged.X.log1p()
    with pytest.raises(ValueError, match="not a whole number"):
        evaluate_perturbation(prediction, logged, control, n_top=20)
    with pytest.raises(ValueError, match="With control, 30 genes"):
        evaluate_perturbation(prediction, truth, control[:, :30].copy(), n_top=20)


def test_conditions_that_were_not_parted_are_refused(study):
    prediction, truth, control = study
    truth.obs_names, control.obs_names = "t" + truth.obs_names, "c" + control.obs_names
    cells = anndata.concat([truth, control])
    with pytest.raises(
        ValueError, match=r"truth holds all \d+ cells of control.*truth\[truth.obs"
    ):
        evaluate_perturbation(prediction, cells, control, n_top=20)
    with pytest.raises(ValueError, match=r"control holds all \d+ cells of truth"):
        evaluate_perturbation(prediction, truth, cells, n_top=20)
