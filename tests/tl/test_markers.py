from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from scipy.stats import false_discovery_control, mannwhitneyu, norm, ttest_ind

from scvi_xmodal.metrics._differential import rank_features
from scvi_xmodal.tl import marker_genes, marker_proteins


def test_wilcoxon_equals_scipy_and_bh(rna):
    table = marker_genes(rna, "cell_type", n_genes=None, alpha=1)
    inside = (rna.obs["cell_type"] == "NK").to_numpy()
    expected = mannwhitneyu(
        rna.X[inside], rna.X[~inside], method="asymptotic", use_continuity=False
    ).pvalue
    ours = table[table["group"] == "NK"].set_index("gene")
    of_gene = pd.Series(expected, rna.var_names)
    np.testing.assert_allclose(ours["p_value"], of_gene[ours.index], rtol=1e-4)
    adjusted = pd.Series(false_discovery_control(expected), rna.var_names)
    np.testing.assert_allclose(ours["adjusted_p_value"], adjusted[ours.index], rtol=1e-4)
    means = pd.Series(rna.X[inside].mean(axis=0), rna.var_names)
    others = pd.Series(rna.X[~inside].mean(axis=0), rna.var_names)
    np.testing.assert_allclose(ours["mean"], means[ours.index], rtol=1e-5)
    np.testing.assert_allclose(ours["mean_others"], others[ours.index], rtol=1e-5)


def test_only_higher_and_significant_genes_best_first(rna):
    table = marker_genes(rna, "cell_type", n_genes=5)
    assert (table.groupby("group").size() <= 5).all()
    assert (table["mean"] > table["mean_others"]).all()
    assert (table["adjusted_p_value"] <= 0.05).all()
    for _, group in table.groupby("group"):
        assert group["score"].is_monotonic_decreasing
        assert list(group["rank"]) == list(range(1, len(group) + 1))
    noise = rna.copy()
    noise.X = np.random.default_rng(0).normal(size=rna.shape)
    assert len(marker_genes(noise, "cell_type", alpha=1e-6)) == 0


def test_proteins_are_tested_one_sided_on_negative_values(rna):
    values = AnnData(rna.X, rna.obs, rna.var)  # its record says that it is RNA
    values.X = rna.X - rna.X.mean(axis=1, keepdims=True)
    table = marker_proteins(values, "cell_type", n_proteins=None, alpha=1)
    np.testing.assert_allclose(table["p_value"], norm.sf(table["score"]))
    assert marker_proteins(values, "cell_type").groupby("group").size().max() == 5
    for _, group in rank_features(values, "cell_type", feature="protein", one_sided=True).groupby(
        "group"
    ):
        expected = false_discovery_control(group["p_value"])
        np.testing.assert_allclose(group["adjusted_p_value"], expected)


def test_t_test_equals_scipy(rna):
    table = rank_features(rna, "cell_type", feature="gene", method="t-test")
    inside = (rna.obs["cell_type"] == "B").to_numpy()
    expected = ttest_ind(rna.X[inside].astype(float), rna.X[~inside], equal_var=False).pvalue
    ours = table[table["group"] == "B"].set_index("gene")["p_value"]
    np.testing.assert_allclose(ours[rna.var_names], expected, rtol=1e-3)


def test_unlabelled_cells_odd_labels_and_small_groups(rna):
    cells = rna.copy()
    labels = np.where(cells.obs["cell_type"] == "B", 1, 2).astype(object)
    labels[:3] = None
    cells.obs["cell_type"] = labels
    table = marker_genes(cells, "cell_type")
    assert set(table["group"]) == {"1", "2"}
    expected = marker_genes(cells[3:].copy(), "cell_type")
    pd.testing.assert_frame_equal(table, expected)
    cells.obs["cell_type"] = ["one", *["a/b c"] * 30, *["ü"] * 29]
    with pytest.warns(UserWarning, match=r"1 groups.*one cell.*\['one'\]"):
        table = marker_genes(cells, "cell_type", alpha=1)
    assert set(table["group"]) == {"a/b c", "ü"}


def test_one_gene_and_constant_values():
    adata = AnnData(np.full((6, 1), 0.5, dtype=np.float32))
    adata.obs["group"] = ["a", "b"] * 3
    assert len(marker_genes(adata, "group", alpha=1)) == 0
    adata.X[::2] = 2
    assert marker_genes(adata, "group", alpha=1)["group"].tolist() == ["a"]


def test_raw_counts_are_refused(measured):
    with pytest.raises(ValueError, match=r"whole numbers up to .*scanpy\.pp\.log1p"):
        marker_genes(measured, "cell_type")
    with pytest.raises(ValueError, match=r"whole numbers.*pp\.clr\(data\.X\)"):
        marker_proteins(measured, "cell_type")
    whole = measured.copy()
    whole.X = whole.X.toarray().astype(np.int64)
    with pytest.raises(ValueError, match="whole numbers"):
        marker_genes(whole, "cell_type")
    measured.X = measured.X.log1p()
    assert set(marker_genes(measured, "cell_type")["group"]) == {"B", "T", "NK"}


def test_nothing_is_written_into_the_prediction(rna):
    keys = set(rna.uns)
    before = rna.X.copy()
    marker_genes(rna, "cell_type")
    assert set(rna.uns) == keys
    np.testing.assert_array_equal(rna.X, before)


def test_users_mistakes_are_named(rna):
    with pytest.raises(ValueError, match="'leiden' is no column"):
        marker_genes(rna, "leiden")
    with pytest.raises(ValueError, match="at least 1 is needed"):
        marker_genes(rna, "cell_type", n_genes=0)
    rna.obs["same"] = "a"
    with pytest.raises(ValueError, match="the group 'a' only"):
        marker_genes(rna, "same")
    rna.obs["own"] = rna.obs_names
    with pytest.raises(ValueError, match="No group of obs\\['own'\\] has 2 cells"):
        marker_genes(rna, "own")
    with pytest.raises(ValueError, match="method='anova'"):
        rank_features(rna, "cell_type", feature="gene", method="anova")
    with pytest.raises(ValueError, match="one_sided=True needs"):
        rank_features(rna, "cell_type", feature="gene", method="t-test", one_sided=True)


def test_drawn_counts_are_tested_once_normalised(measured):
    measured.uns["scvi_xmodal"] = {"target_kind": "rna", "options": {"drawn": True}}
    with pytest.raises(ValueError, match=r"drawn counts.*scanpy.pp.log1p"):
        marker_genes(measured, "cell_type")
    sc.pp.normalize_total(measured)
    sc.pp.log1p(measured)
    assert len(marker_genes(measured, "cell_type")) > 0
