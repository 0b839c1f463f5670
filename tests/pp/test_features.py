from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable

    from mudata import MuData


def names(data: MuData) -> dict[str, list[str]]:
    return {key: adata.var_names.tolist() for key, adata in data.mod.items()}


def dense(adata: AnnData) -> np.ndarray:
    return adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)


def test_genes_are_scanpys_choice(cortex: MuData) -> None:
    rows = np.arange(0, 2000, 3)
    rna = cortex["rna"][rows].copy()
    rna = rna[:, dense(rna).any(axis=0)].copy()
    sc.pp.normalize_total(rna)
    sc.pp.log1p(rna)
    sc.pp.highly_variable_genes(rna, n_top_genes=300)
    chosen = pp.select_features(cortex, n_top_genes=300, indices=rows)
    assert chosen["rna"].var_names.tolist() == rna.var_names[rna.var["highly_variable"]].tolist()


def test_peaks_are_open_in_enough_cells(mdata: MuData) -> None:
    rows = np.arange(5, 35)
    n_open = (dense(mdata["atac"])[rows] != 0).sum(axis=0)
    for low, high in [(0.1, None), (0.0, 0.5), (0.2, 0.6), (0.005, 1.0)]:
        result = pp.select_features(
            mdata, min_peak_fraction=low, max_peak_fraction=high, indices=rows
        )
        fewest = max(-(-round(low * 1000) * 30 // 1000), 1)  # ceil in whole numbers
        expected = (n_open >= fewest) & (n_open <= 30 * (1 if high is None else high))
        assert result["atac"].var_names.tolist() == mdata["atac"].var_names[expected].tolist()


def test_a_tenth_of_thirty_cells_is_three() -> None:
    counts = np.zeros((30, 2))
    counts[:3, 0] = 1
    counts[:2, 1] = 1
    adata = AnnData(counts, var=pd.DataFrame(index=["chr1:1-2", "chr1:3-4"]))
    assert pp.select_features(adata, min_peak_fraction=0.1).var_names.tolist() == ["chr1:1-2"]


def test_other_cells_change_nothing(mdata: MuData, rng: np.random.Generator) -> None:
    train = np.sort(rng.choice(40, size=25, replace=False))
    options = {"n_top_genes": 12, "min_peak_fraction": 0.2, "indices": train}
    expected = names(pp.select_features(mdata, **options))
    other = np.setdiff1d(np.arange(40), train)
    for _ in range(5):
        changed = mdata.copy()
        for key in ("rna", "atac"):
            values = dense(changed[key])
            values[other] = rng.poisson(
                rng.gamma(1, 20, size=values.shape[1]), size=values[other].shape
            )
            changed[key].X = sparse.csr_matrix(values)
        assert names(pp.select_features(changed, **options)) == expected


def test_order_of_genes_peaks_and_cells_changes_nothing(
    mdata: MuData, join: Callable[[Any], MuData], rng: np.random.Generator
) -> None:
    train = np.arange(0, 40, 2)
    options = {"n_top_genes": 12, "min_peak_fraction": 0.2}
    expected = names(pp.select_features(mdata, indices=train, **options))
    cells = rng.permutation(40)
    permuted = join(
        {
            key: adata[cells][:, rng.permutation(adata.n_vars)].copy()
            for key, adata in mdata.mod.items()
        }
    )
    rows = np.flatnonzero(np.isin(cells, train))
    found = names(pp.select_features(permuted, indices=rows, **options))
    assert {key: sorted(value) for key, value in found.items()} == {
        key: sorted(value) for key, value in expected.items()
    }


def test_ties_are_broken_by_name() -> None:
    column = np.array([0, 4, 0, 9, 1, 0, 0, 2], dtype=float)
    counts = np.column_stack([column] * 6)
    for order in (list("abcdef"), list("fdbeca")):
        adata = AnnData(counts, var=pd.DataFrame(index=order))
        result = pp.select_features(adata, n_top_genes=2)
        assert sorted(result.var_names) == ["a", "b"]


def test_result_is_a_copy_with_the_counts_in_old_order(
    mdata: MuData, digest: Callable[[Any], str]
) -> None:
    mdata["rna"].layers["other"] = mdata["rna"].X * 2
    mdata.obs["site"] = "a"
    mdata.uns["note"] = 1
    before = digest(mdata)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = pp.select_features(mdata, n_top_genes=10, indices=np.arange(20))
    assert digest(mdata) == before
    assert result["rna"].n_vars == 10
    for key, adata in result.mod.items():
        original = mdata[key][:, adata.var_names]
        np.testing.assert_array_equal(dense(adata), dense(original))
        kept = mdata[key].var_names.isin(adata.var_names)
        assert adata.var_names.tolist() == mdata[key].var_names[kept].tolist()
        assert sparse.issparse(adata.X)
        assert adata.obs["batch"].tolist() == mdata[key].obs["batch"].tolist()
    np.testing.assert_array_equal(
        result["rna"].layers["other"].toarray(), 2 * dense(result["rna"])
    )
    assert result.obs["site"].tolist() == ["a"] * 40
    assert result.uns["note"] == 1
    assert result.n_vars == sum(adata.n_vars for adata in result.mod.values())
    result["protein"].X.data[:] = 0
    assert digest(mdata) == before


def test_dead_features_go_and_proteins_stay(mdata: MuData) -> None:
    result = pp.select_features(mdata, min_peak_fraction=0)
    for key in ("rna", "atac"):
        alive = dense(mdata[key]).any(axis=0)
        assert not alive.all()
        assert names(result)[key] == mdata[key].var_names[alive].tolist()
    assert names(result)["protein"] == names(mdata)["protein"]
    assert names(pp.select_features(mdata, n_top_genes=None))["rna"] == names(result)["rna"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"indices": [40]}, "go up to 40"),
        ({"indices": [-1]}, "contain -1"),
        ({"indices": [1, 1]}, "twice"),
        ({"indices": np.ones(39, dtype=bool)}, "mask indices"),
        ({"indices": []}, "no cells"),
        ({"n_top_genes": 0}, "n_top_genes=0"),
        ({"min_peak_fraction": 2}, "min_peak_fraction=2"),
        ({"min_peak_fraction": 5, "indices": [0]}, "min_peak_fraction=5"),
        ({"max_peak_fraction": 0.001}, "max_peak_fraction=0.001"),
        ({"n_top_genes": 2, "indices": [0]}, "One cell cannot tell"),
    ],
)
def test_mistakes_are_named(mdata: MuData, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pp.select_features(mdata, **options)


def test_split_itself_is_refused(mdata: MuData) -> None:
    with pytest.raises(ValueError, match=r"indices=split\.train"):
        pp.select_features(mdata, indices=pp.split(mdata))


def test_nothing_left_is_an_error(mdata: MuData, join: Callable[[Any], MuData]) -> None:
    with pytest.raises(ValueError, match=r"No peak of 'atac'"):
        pp.select_features(mdata, min_peak_fraction=1.0)
    with pytest.raises(ValueError, match="No gene"):
        pp.select_features(AnnData(np.zeros((3, 2))))
    with pytest.raises(ValueError, match="is known as RNA"):
        pp.select_features(join({"a": mdata["rna"]}))


def test_one_cell_keeps_what_it_has(mdata: MuData) -> None:
    result = pp.select_features(mdata, indices=[7])
    assert result["rna"].n_vars == (dense(mdata["rna"])[7] > 0).sum()
    assert result["atac"].n_vars == (dense(mdata["atac"])[7] > 0).sum()


def test_empty_cells_are_no_trouble(mdata: MuData) -> None:
    values = dense(mdata["rna"])
    values[:4] = 0
    mdata["rna"].X = sparse.csr_matrix(values)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = pp.select_features(mdata, n_top_genes=9)
    assert result["rna"].n_vars == 9
