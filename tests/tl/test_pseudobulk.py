from __future__ import annotations

import warnings

import numpy as np
import pytest
from mudata import MuData
from scipy.optimize import minimize_scalar
from scipy.stats import pearsonr, spearmanr

from scvi_xmodal.tl import pseudobulk_concordance


def _normalized(counts, library):
    total = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / total * library)


def test_equals_means_by_hand_over_shared_genes(rna, measured):
    reference = measured[:, :20].copy()
    found = pseudobulk_concordance(rna, reference)
    genes = [name for name in rna.var_names if name in reference.var_names]
    counts, mean = reference[:, genes].X.toarray().astype(float), rna[:, genes].X.mean()
    library = np.exp(
        minimize_scalar(
            lambda log: (_normalized(counts, np.exp(log)).mean() - mean) ** 2, (0, 5), tol=1e-10
        ).x
    )
    # the translation is of cells with a total of 200 over all genes
    assert library == pytest.approx(np.median(rna[:, genes].layers["mean"].sum(axis=1)), rel=0.1)
    expected = _normalized(counts, library).mean(axis=0)
    profile = found.profiles.loc["all cells"].loc[genes]
    np.testing.assert_allclose(profile["reference"], expected, rtol=1e-4)
    np.testing.assert_allclose(profile["predicted"], rna[:, genes].X.mean(axis=0), rtol=1e-5)
    row = found.table.loc["all cells"]
    assert row["pearson"] == pytest.approx(pearsonr(*profile.to_numpy().T)[0])
    assert row["spearman"] == pytest.approx(spearmanr(*profile.to_numpy().T)[0])
    assert (row["n_cells_predicted"], row["n_cells_reference"]) == (60, 90)


def test_groups_have_rows_and_what_sets_them_apart(rna, measured):
    found = pseudobulk_concordance(rna, measured, groupby="cell_type")
    assert list(found.table.index) == ["all cells", "B", "NK", "T"]
    assert found.table.loc["B", "n_cells_predicted"] == 20
    assert (found.table.loc[["B", "NK", "T"], "pearson_specific"] > 0.9).all()
    profiles = found.profiles["predicted"].unstack("group")
    expected = rna[rna.obs["cell_type"] == "T"].X.mean(axis=0)
    np.testing.assert_allclose(profiles["T"][rna.var_names], expected, rtol=1e-5)
    others = found.profiles.drop(index="all cells").unstack("group")
    specific = others.sub(others.T.groupby(level=0).mean().T, axis=0, level=0)
    expected = pearsonr(specific["predicted"]["T"], specific["reference"]["T"])[0]
    assert found.table.loc["T", "pearson_specific"] == pytest.approx(expected)
    assert "Worst group: " in found.verdict


def test_swapped_groups_pass_overall_and_fail_apart(rna, measured):
    """The paper's test cannot see it; the column beside it can."""
    swapped = rna.copy()
    swapped.obs["cell_type"] = rna.obs["cell_type"].cat.rename_categories(
        {"B": "T", "T": "NK", "NK": "B"}
    )
    found = pseudobulk_concordance(swapped, measured, groupby="cell_type")
    assert found.table.loc["all cells", "pearson"] > 0.9
    assert found.table["pearson_specific"].max() < 0


def test_the_verdict_says_what_was_found(rna, measured):
    assert "at least 0.70" in pseudobulk_concordance(rna, measured).verdict
    shuffled = rna.copy()
    shuffled.var_names = np.roll(rna.var_names, 7)
    assert "don't use it" in pseudobulk_concordance(shuffled, measured).verdict
    found = pseudobulk_concordance(rna, measured, training=measured)
    assert "training cells alone reaches 1.00" in found.verdict
    assert found.table["pearson_training"].item() == pytest.approx(1)
    constant = rna.copy()
    constant.X = np.ones(rna.shape, dtype=np.float32)
    assert "r = 0.00" in pseudobulk_concordance(constant, measured).verdict
    flat = measured.copy()
    flat.X = np.ones(measured.shape, dtype=np.float32)
    assert "r = nan" in pseudobulk_concordance(rna, flat).verdict


def test_other_kinds_mudata_layers_and_one_cell(rna, atac, measured):
    other = measured.copy()
    other.layers["raw"] = other.X
    other.X = None
    by_layer = pseudobulk_concordance(rna, MuData({"rna": other}), layer="raw")
    first = pseudobulk_concordance(rna, measured)
    assert by_layer.table.equals(first.table)
    counts = atac.copy()
    counts.X = np.random.default_rng(0).binomial(1, atac.X).astype(np.float32)
    found = pseudobulk_concordance(atac, counts)
    open_fraction = found.profiles.loc["all cells", "reference"]
    np.testing.assert_allclose(open_fraction[atac.var_names], counts.X.mean(axis=0), rtol=1e-6)
    assert np.isfinite(pseudobulk_concordance(rna[:1], measured[:1]).table["pearson"].item())


def test_groups_of_one_side_are_named_and_nothing_changes(rna, measured):
    before, counts = rna.X.copy(), measured.X.copy()
    part = measured[measured.obs["cell_type"] != "B"].copy()
    with pytest.warns(UserWarning, match=r"1 groups are on one side only.*\['B'\]"):
        found = pseudobulk_concordance(rna, part, groupby="cell_type")
    assert list(found.table.index) == ["all cells", "NK", "T"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pseudobulk_concordance(rna, measured, groupby="cell_type")
    np.testing.assert_array_equal(rna.X, before)
    assert (measured.X != counts).nnz == 0


def test_users_mistakes_are_named(rna, measured):
    unknown = measured.copy()
    unknown.var_names = [f"ENSG{j}" for j in range(measured.n_vars)]
    with pytest.raises(ValueError, match="share 0 features.*at least 3"):
        pseudobulk_concordance(rna, unknown)
    logged = measured.copy()
    logged.X = logged.X.log1p()
    with pytest.raises(ValueError, match="not a whole number"):
        pseudobulk_concordance(rna, logged)
    with pytest.raises(ValueError, match="'leiden' is no column of prediction.obs"):
        pseudobulk_concordance(rna, measured, groupby="leiden")
    strangers = measured.copy()
    strangers.obs["cell_type"] = "other"
    with pytest.raises(ValueError, match="share no group"):
        pseudobulk_concordance(rna, strangers, groupby="cell_type")
    silent = rna.copy()
    del silent.uns["scvi_xmodal"]
    with pytest.raises(ValueError, match="give kind="):
        pseudobulk_concordance(silent, measured)
    with pytest.raises(ValueError, match="reference has no cells"):
        pseudobulk_concordance(rna, measured[:0])


def test_a_group_does_not_take_the_place_of_all_cells(rna, measured):
    rna, measured = rna.copy(), measured.copy()
    for cells in (rna, measured):
        cells.obs["set"] = np.where(np.arange(cells.n_obs) % 2, "all cells", "some")
    with pytest.raises(ValueError, match="is called 'all cells', as the row of all cells is"):
        pseudobulk_concordance(rna, measured, groupby="set")
