from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

import scvi_xmodal as xm
from scvi_xmodal.tl import binarize, differential_peaks, marker_peaks, nearest_genes


def _genes(**rows):
    return pd.DataFrame(
        list(rows.values()), columns=["chrom", "start", "end", "strand"], index=list(rows)
    )


def test_the_planted_peaks_are_found_by_a_model_for_each_group(atac):
    table = marker_peaks(atac, "cell_type", n_peaks=2)
    found = {group: set(peaks) for group, peaks in table.groupby("group")["peak"]}
    planted = {t: set(atac.var_names[2 * g : 2 * g + 2]) for g, t in enumerate(["B", "T", "NK"])}
    assert found == planted
    inside = (atac.obs["cell_type"] == "T").to_numpy()
    model = LogisticRegression(max_iter=1000).fit(atac.X, inside)
    weights = pd.Series(model.coef_[0], atac.var_names)
    rows = table[table["group"] == "T"].set_index("peak")
    np.testing.assert_allclose(rows["weight"], weights[rows.index], rtol=1e-6)
    assert list(rows["rank"]) == [1, 2]
    np.testing.assert_allclose(rows["mean"], atac[inside, rows.index].X.mean(axis=0), rtol=1e-5)


def test_two_groups_sparse_values_and_unlabelled_cells(atac):
    atac.obs["is_b"] = np.where(atac.obs["cell_type"] == "B", "yes", "no").astype(object)
    atac.obs.loc["cell1", "is_b"] = None
    dense = marker_peaks(atac[atac.obs["is_b"].notna()].copy(), "is_b", n_peaks=3)
    atac.X = sparse.csr_matrix(atac.X)
    pd.testing.assert_frame_equal(marker_peaks(atac, "is_b", n_peaks=3), dense, rtol=1e-3)
    called = marker_peaks(binarize(atac), "is_b", n_peaks=1).set_index("group")["peak"]
    assert called["yes"] in set(atac.var_names[:2])


def test_genes_are_named_where_near(atac):
    genes = _genes(near=("chr1", 5_600, 6_000, "+"), far=("chr1", 17_501, 18_000, "-"))
    table = marker_peaks(atac, "cell_type", n_peaks=2, genes=genes).set_index("peak")
    assert table.loc["chr1:5000-5500", "gene"] == "near"
    assert table.loc["chr1:5000-5500", "distance"] == 100
    only_far = marker_peaks(atac, "cell_type", genes=genes.iloc[1:], n_peaks=2)
    assert only_far["gene"].isna().all()


def test_chromosomes_named_otherwise_are_told():
    genes = pd.DataFrame({"chrom": "chr1", "start": 5, "end": 9, "strand": "+"}, index=["g"])
    with pytest.warns(UserWarning, match=r"peaks are on \['1'\], genes on \['chr1'\]") as caught:
        found = nearest_genes(pd.DataFrame(index=["1:5-9"]), genes)
    assert found["gene"].isna().all()
    assert caught[0].filename == __file__


def test_no_peaks_are_on_no_wrong_chromosomes():
    genes = pd.DataFrame({"chrom": "chr1", "start": 5, "end": 9, "strand": "+"}, index=["g"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nearest_genes(pd.DataFrame(index=pd.Index([], dtype=str)), genes).empty


def test_nearest_equals_a_loop(rng):
    start = rng.integers(0, 100_000, 40)
    peaks = pd.DataFrame({"chrom": rng.choice(["chr1", "chr2", "chr9"], 40), "start": start})
    peaks["end"] = start + 300
    peaks.index = [f"peak{i}" for i in range(40)]
    start = rng.integers(0, 100_000, 15)
    genes = pd.DataFrame({"chrom": rng.choice(["chr1", "chr2"], 15), "start": start})
    genes = genes.assign(end=start + rng.integers(100, 5000, 15), strand="+")
    genes.index = [f"gene{j}" for j in range(15)]
    found = nearest_genes(peaks, genes, max_distance=3000)
    assert list(found.index) == list(peaks.index)
    for peak in peaks.itertuples():
        gaps = {
            gene.Index: max(gene.start - peak.end, peak.start - gene.end, 0)
            for gene in genes.itertuples()
            if gene.chrom == peak.chrom
        }
        least = min(gaps.values(), default=10**9)
        if least > 3000:
            assert found.loc[peak.Index].isna().all()
        else:
            assert found.loc[peak.Index, "distance"] == least
            assert gaps[found.loc[peak.Index, "gene"]] == least


def test_real_peaks_have_real_genes(cortex):
    near = nearest_genes(cortex["atac"].var, xm.datasets.gene_table("mm10"))
    assert near["gene"].notna().mean() > 0.6


def test_users_mistakes_are_named(atac):
    with pytest.raises(ValueError, match="n_peaks=0"):
        marker_peaks(atac, "cell_type", n_peaks=0)
    with pytest.raises(ValueError, match="max_distance=-1"):
        marker_peaks(atac, "cell_type", genes=_genes(a=("chr1", 1, 2, "+")), max_distance=-1)
    rna = atac.copy()
    rna.uns["scvi_xmodal"] = {"target_kind": "rna"}
    for function in (marker_peaks, differential_peaks):
        with pytest.raises(ValueError, match="of rna, not atac: take tl.marker_genes for rna"):
            function(rna, "cell_type")
    atac.obs["same"] = "a"
    with pytest.raises(ValueError, match="the group 'a' only"):
        marker_peaks(atac, "same")
    with pytest.raises(ValueError, match="no gene with a chromosome"):
        marker_peaks(atac, "cell_type", genes=_genes(a=("", 1, 2, "+")))
    atac.var_names = [f"peak{j}" for j in range(atac.n_vars)]
    with pytest.raises(ValueError, match="no coordinates"):
        marker_peaks(atac, "cell_type", genes=_genes(a=("chr1", 1, 2, "+")))
