from __future__ import annotations

import tracemalloc
import warnings
from typing import TYPE_CHECKING, Any

import anndata
import mudata
import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scvi_xmodal import pp
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def names(data: MuData) -> dict[str, list[str]]:
    return {key: adata.var_names.tolist() for key, adata in data.mod.items()}


def dense(adata: AnnData) -> np.ndarray:
    return adata.X.toarray() if sparse.issparse(adata.X) else np.asarray(adata.X)


def test_any_matrix_gives_the_same(
    mdata: MuData, join: Callable[[Any], MuData], container: Callable[[np.ndarray], Any]
) -> None:
    options = {"n_top_genes": 8, "min_peak_fraction": 0.3, "indices": np.arange(30)}
    other = join(
        {
            key: AnnData(container(dense(adata)), obs=adata.obs, var=adata.var)
            for key, adata in mdata.mod.items()
        }
    )
    assert names(pp.select_features(other, **options)) == names(
        pp.select_features(mdata, **options)
    )


def test_files_are_read(mdata: MuData, tmp_path: Path) -> None:
    options = {"n_top_genes": 8, "min_peak_fraction": 0.3, "indices": np.arange(30)}
    expected = pp.select_features(mdata, **options)
    mdata["rna"].X = dense(mdata["rna"])  # dense on disk
    mdata.write_h5mu(tmp_path / "all.h5mu")
    with own_columns_only():
        backed = mudata.read_h5mu(tmp_path / "all.h5mu", backed="r")
    result = pp.select_features(backed, **options)
    assert names(result) == names(expected)
    assert not result["atac"].isbacked
    np.testing.assert_array_equal(dense(result["rna"]), dense(expected["rna"]))
    np.testing.assert_array_equal(dense(result["atac"]), dense(expected["atac"]))
    assert backed["atac"].X[:1].shape == (1, 24)  # the user's file is still open

    mdata["atac"].write_h5ad(tmp_path / "atac.h5ad")
    alone = anndata.read_h5ad(tmp_path / "atac.h5ad", backed="r")
    options.pop("n_top_genes")
    assert pp.select_features(alone, **options).var_names.tolist() == names(expected)["atac"]


def test_a_gene_and_a_protein_may_share_a_name(mdata: MuData) -> None:
    shared = mdata["protein"].copy()
    shared.var_names = [f"gene{i}" for i in range(5)]
    with own_columns_only(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        citeseq = MuData({"rna": mdata["rna"], "protein": shared})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = pp.select_features(citeseq, n_top_genes=8)
    expected = pp.select_features(mdata["rna"], n_top_genes=8)
    assert names(result)["rna"] == expected.var_names.tolist()
    assert names(result)["protein"] == shared.var_names.tolist()
    np.testing.assert_array_equal(dense(result["rna"]), dense(expected))
    np.testing.assert_array_equal(dense(result["protein"]), dense(shared))


def test_views_are_accepted(mdata: MuData) -> None:
    options = {"n_top_genes": 8, "min_peak_fraction": 0.3}
    expected = pp.select_features(mdata, indices=np.arange(10, 30), **options)
    result = pp.select_features(mdata[10:30], **options)
    assert names(result) == names(expected)
    assert result.n_obs == 20


def test_cells_without_a_modality_do_not_count(
    mdata: MuData, join: Callable[[Any], MuData]
) -> None:
    mosaic = join({"rna": mdata["rna"][10:].copy(), "atac": mdata["atac"][:25][::-1].copy()})
    train = mosaic.obs_names.get_indexer([f"cell{i}" for i in range(5, 20)])
    result = pp.select_features(mosaic, n_top_genes=8, min_peak_fraction=0.3, indices=train)
    both = {"rna": np.arange(10, 20), "atac": np.arange(5, 20)}
    for key, rows in both.items():
        alone = pp.select_features(mdata[key], n_top_genes=8, min_peak_fraction=0.3, indices=rows)
        assert names(result)[key] == alone.var_names.tolist()
    only_rna = mosaic.obs_names.get_indexer(["cell30", "cell31"])
    with pytest.raises(ValueError, match="None of the given cells was measured in 'atac'"):
        pp.select_features(mosaic, indices=only_rna)


def test_layers_hold_the_counts(mdata: MuData) -> None:
    expected = names(pp.select_features(mdata, n_top_genes=8))
    for key in ("rna", "atac"):
        mdata[key].layers["counts"] = mdata[key].X.copy()
        mdata[key].X = mdata[key].X.copy()
        mdata[key].X.data = np.log1p(mdata[key].X.data)
    layers = {"rna": "counts", "atac": "counts"}
    assert names(pp.select_features(mdata, n_top_genes=8, layers=layers)) == expected
    alone = pp.select_features(mdata["rna"], n_top_genes=8, layers={"rna": "counts"})
    assert alone.var_names.tolist() == expected["rna"]
    with pytest.raises(ValueError, match="not a whole number"):
        pp.select_features(mdata, n_top_genes=8)
    with pytest.raises(ValueError, match="'raw'.* does not exist"):
        pp.select_features(mdata, layers={"rna": "raw"})
    with pytest.raises(ValueError, match="layers names"):
        pp.select_features(mdata, layers={"gex": "counts"})


def test_anndata_kind_is_told_by_features(mdata: MuData) -> None:
    atac = pp.select_features(mdata["atac"], min_peak_fraction=0.5)
    assert (
        atac.var_names.tolist() == names(pp.select_features(mdata, min_peak_fraction=0.5))["atac"]
    )
    unnamed = mdata["atac"].copy()
    unnamed.var_names = [f"peak{i}" for i in range(24)]
    unnamed.var["feature_types"] = "Peaks"
    assert pp.select_features(unnamed, min_peak_fraction=0.5).shape == atac.shape
    proteins = mdata["protein"].copy()
    proteins.var["feature_types"] = "Antibody Capture"
    assert pp.select_features(proteins).shape == proteins.shape


def test_memory_follows_the_stored_values(
    join: Callable[[Any], MuData], rng: np.random.Generator
) -> None:
    columns = rng.integers(40_000, size=240_000)
    parts = (np.ones(240_000, dtype=np.float32), columns, np.arange(0, 240_001, 80))
    matrix = sparse.csr_matrix(parts, shape=(3000, 40_000))
    mdata = join({"atac": AnnData(matrix)})
    size = matrix.data.nbytes + matrix.indices.nbytes
    tracemalloc.start()
    pp.select_features(mdata, indices=np.arange(2000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * size + 40_000 * 600  # names take hundreds of bytes each
    assert peak < 0.3 * matrix.shape[0] * matrix.shape[1] * 4


def test_one_odd_name_makes_no_genes_of_peaks(mdata: MuData) -> None:
    atac = mdata["atac"].copy()
    atac.var_names = [*atac.var_names[:-1], f"{atac.var_names[0]}-1"]  # as made unique
    chosen = pp.select_features(atac, min_peak_fraction=0.5, n_top_genes=1)
    assert chosen.n_vars == pp.select_features(mdata["atac"], min_peak_fraction=0.5).n_vars


@pytest.mark.parametrize(
    "function",
    [
        pp.select_features,
        pp.exclude_chromosomes,
        pp.filter_cells_by_genes,
        pp.filter_peaks,
        pp.annotate_peaks,
        pp.merge_overlapping_peaks,
        lambda whole: pp.repool_peaks(whole, ["chr1:1-9"]),
        lambda whole: pp.liftover(whole, "some.chain"),
        lambda whole: pp.split(whole, by="cluster"),
    ],
)
def test_one_table_of_genes_and_peaks_is_refused(
    mdata: MuData, function: Callable[[AnnData], Any]
) -> None:
    parts = {key: mdata[key] for key in ("rna", "atac")}
    whole = anndata.concat(parts, axis="var", merge="first")
    whole.var["feature_types"] = ["Gene Expression"] * parts["rna"].n_vars + ["Peaks"] * (
        parts["atac"].n_vars
    )
    with pytest.raises(ValueError, match="xm.pp.to_mudata"):
        function(whole)
