from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import scvi_xmodal as xm
from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mudata import MuData


@pytest.fixture
def adata() -> AnnData:
    """Return three cells of genes a to d, with Ensembl identifiers."""
    counts = np.arange(12, dtype=np.float32).reshape(3, 4)
    var = pd.DataFrame(
        {
            "gene_ids": ["ENSG01.1", "ENSG02.5", "ENSG03.2", None],
            "highly_variable": [True, False, True, False],
            "n_cells": [1, 2, 3, 4],
            "chrom": pd.Categorical(["chr1", "chr1", "chr2", "chrX"]),
        },
        index=list("abcd"),
    )
    adata = AnnData(sparse.csr_matrix(counts), var=var, layers={"double": 2 * counts})
    adata.obs["batch"] = ["x", "y", "x"]
    adata.obsm["Z"] = np.ones((3, 2))
    adata.obsp["graph"] = sparse.eye(3, format="csr")
    adata.uns["note"] = {"deep": [1]}
    return adata


def dense(matrix: Any) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def expected(adata: AnnData, names: list[str], layer: str | None = None) -> np.ndarray:
    """Return the aligned matrix by pandas' own reindexing."""
    matrix = dense(adata.X if layer is None else adata.layers[layer])
    table = pd.DataFrame(matrix, columns=adata.var_names)
    return table.reindex(columns=names, fill_value=0).to_numpy()


def test_features_are_ordered_by_name(
    adata: AnnData, container: Callable[[np.ndarray], Any], digest: Callable[[Any], str]
) -> None:
    adata.X = container(dense(adata.X))
    adata.layers["double"] = container(dense(adata.layers["double"]))
    before = digest(adata)
    result = pp.align_features(adata, ["d", "a", "b"])
    assert result.var_names.tolist() == ["d", "a", "b"]
    np.testing.assert_array_equal(dense(result.X), expected(adata, ["d", "a", "b"]))
    np.testing.assert_array_equal(
        dense(result.layers["double"]), expected(adata, ["d", "a", "b"], "double")
    )
    assert sparse.issparse(result.X) == sparse.issparse(adata.X)
    assert result.var["n_cells"].tolist() == [4, 1, 2]
    assert result.var["n_cells"].dtype == adata.var["n_cells"].dtype
    assert result.obs["batch"].tolist() == ["x", "y", "x"]
    assert result.obsm["Z"].shape == (3, 2)
    assert result.obsp["graph"].shape == (3, 3)
    result.uns["note"]["deep"].append(2)
    result.obsm["Z"][:] = 0
    assert digest(adata) == before
    assert adata.uns["note"] == {"deep": [1]}
    assert adata.obsm["Z"].all()


def test_missing_features_are_refused_or_filled(
    adata: AnnData, container: Callable[[np.ndarray], Any], tmp_path: Path
) -> None:
    names = ["new", "c", "other", "a", "last"]
    adata.X = container(dense(adata.X))
    with pytest.raises(ValueError, match=r"lack 3 of the reference's 5 features.*'new', 'other'"):
        pp.align_features(adata, names)
    with pytest.warns(UserWarning, match=r"lack 3 of .*coverage 40.0%"):
        result = pp.align_features(adata, names, missing="zero")
    np.testing.assert_array_equal(dense(result.X), expected(adata, names))
    np.testing.assert_array_equal(result.layers["double"], expected(adata, names, "double"))
    assert type(result.X) is type(adata.X)
    assert result.X.dtype == adata.X.dtype
    if sparse.issparse(result.X):
        assert result.X.nnz == np.count_nonzero(expected(adata, names))
        assert result.X.has_sorted_indices
    assert result.var["n_cells"].isna().tolist() == [True, False, True, False, True]
    assert result.var["n_cells"].dropna().tolist() == [3, 1]
    assert result.var["highly_variable"].dropna().tolist() == [True, True]
    result.write_h5ad(tmp_path / "aligned.h5ad")  # no column is of mixed types
    assert anndata.read_h5ad(tmp_path / "aligned.h5ad").shape == (3, 5)


def test_reference_table_is_taken_over(adata: AnnData) -> None:
    table = pd.DataFrame({"start": [5, 6]}, index=["b", "new"])
    for reference in (table, AnnData(np.zeros((1, 2)), var=table)):
        with pytest.warns(UserWarning, match="coverage 50.0%"):
            result = pp.align_features(adata, reference, missing="zero")
        pd.testing.assert_frame_equal(result.var, table)
    result.var["start"] = 0
    assert table["start"].tolist() == [5, 6]


def test_identifiers_can_be_matched(adata: AnnData) -> None:
    result = pp.align_features(adata, ["ENSG03.2", "ENSG01.1"], match="gene_ids")
    assert result.var_names.tolist() == ["ENSG03.2", "ENSG01.1"]
    np.testing.assert_array_equal(dense(result.X), dense(adata.X)[:, [2, 0]])
    table = pd.DataFrame({"gene_ids": ["ENSG02.7", "ENSG03.9"]}, index=["B", "C"])
    with pytest.raises(ValueError, match="lack 2 of the reference's 2"):
        pp.align_features(adata, table, match="gene_ids")
    result = pp.align_features(adata, table, match="gene_ids", strip_versions=True)
    assert result.var_names.tolist() == ["B", "C"]
    np.testing.assert_array_equal(dense(result.X), dense(adata.X)[:, [1, 2]])
    with pytest.raises(ValueError, match="match='symbol' is no column"):
        pp.align_features(adata, ["a"], match="symbol")


def test_features_without_identifier_match_nothing(adata: AnnData) -> None:
    table = pd.DataFrame({"gene_ids": [None, "ENSG01.1"]}, index=["d", "a"])
    with pytest.raises(ValueError, match=r"lack 1 of .*'d'"):
        pp.align_features(adata, table, match="gene_ids")


def test_versions_are_stripped_from_ensembl_names_alone() -> None:
    names = ["ENSMUSG07.12", "ENSG5.1_PAR_Y", "AC1234.5"]
    adata = AnnData(np.array([[1.0, 2.0, 3.0]]), var=pd.DataFrame(index=names))
    reference = ["AC1234.5", "ENSG5.9_PAR_Y", "ENSMUSG07"]
    result = pp.align_features(adata, reference, strip_versions=True)
    assert result.X.tolist() == [[3, 2, 1]]
    with pytest.raises(ValueError, match="lack 1"):
        pp.align_features(adata, ["AC1234", "AC1234.5"], strip_versions=True)


def test_duplicates_are_refused(adata: AnnData) -> None:
    with pytest.raises(ValueError, match=r"reference's features are not unique.*\['a'\]"):
        pp.align_features(adata, ["a", "b", "a"])
    twice = adata.copy()
    twice.var_names = ["a", "b", "b", "c"]
    with pytest.raises(ValueError, match=r"adata's features are not unique.*\['b'\]"):
        pp.align_features(twice, ["a"])
    twice.var["gene_ids"] = ["ENSG01.1", "ENSG01.2", "ENSG3", "ENSG4"]
    assert pp.align_features(twice, ["ENSG4"], match="gene_ids").shape == (3, 1)
    with pytest.raises(ValueError, match="gene_ids.* not unique"):
        pp.align_features(twice, ["ENSG4"], match="gene_ids", strip_versions=True)


def test_nothing_shared_is_refused_even_with_zeros(adata: AnnData) -> None:
    with pytest.raises(ValueError, match=r"None is shared.*\['a', 'b', 'c'\]"):
        pp.align_features(adata, ["x", "y"], missing="zero")


def test_other_mistakes_are_named(adata: AnnData, mdata: MuData) -> None:
    with pytest.raises(ValueError, match="missing='nan'"):
        pp.align_features(adata, ["a"], missing="nan")
    for reference in ("a", [], None, 5):
        with pytest.raises(ValueError, match="reference must be names"):
            pp.align_features(adata, reference)
    with pytest.raises(ValueError, match="give one modality"):
        pp.align_features(mdata, ["gene1"])


def test_a_reference_of_several_modalities_is_asked_for_one(adata: AnnData, mdata: MuData) -> None:
    ridge = xm.baselines.Ridge(n_components=2).fit(mdata)
    names = ridge.get_var_names()
    assert names["rna"].tolist() == mdata["rna"].var_names.tolist()
    for reference, call in (
        (ridge, r"got a Ridge .*\['rna', 'atac'.*: give one's, such as model\.get_var_names\(\)"),
        (names, r"got a dict .*\['rna', 'atac'.*such as reference"),
        (mdata, r"got a MuData .*\['rna', 'atac'.*such as reference"),
    ):
        for function in (pp.align_features, pp.repool_peaks):
            with pytest.raises(ValueError, match=rf"{call}\['rna'\]\.$"):
                function(adata, reference)


def test_peaks_written_otherwise_are_the_same(mdata: MuData) -> None:
    atac = mdata["atac"]
    other = atac[:, ::-1].copy()
    other.var_names = other.var_names.str.replace(":", "-")
    result = pp.align_features(other, atac)
    np.testing.assert_array_equal(dense(result.X), dense(atac.X))
    assert result.var_names.tolist() == atac.var_names.tolist()
    with pytest.warns(UserWarning, match=r"lack 1 of .*\['chr99:1-2'\]"):
        result = pp.align_features(other, ["chr99:1-2", *atac.var_names[:2]], missing="zero")
    assert dense(result.X)[:, 0].sum() == 0
    np.testing.assert_array_equal(dense(result.X)[:, 1:], dense(atac.X)[:, :2])


def test_round_trip_and_permutation(mdata: MuData, rng: np.random.Generator) -> None:
    rna = mdata["rna"]
    shuffled = rna[:, rng.permutation(rna.n_vars)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = pp.align_features(shuffled, rna.var_names)
    np.testing.assert_array_equal(dense(result.X), dense(rna.X))
    assert result.obs["batch"].tolist() == rna.obs["batch"].tolist()


def test_files_and_ugly_sizes(adata: AnnData, tmp_path: Path) -> None:
    adata.write_h5ad(tmp_path / "query.h5ad")
    backed = anndata.read_h5ad(tmp_path / "query.h5ad", backed="r")
    with pytest.warns(UserWarning, match="coverage"):
        result = pp.align_features(backed, ["d", "new", "a"], missing="zero")
    np.testing.assert_array_equal(dense(result.X), expected(adata, ["d", "new", "a"]))
    for n_cells in (0, 1):
        result = pp.align_features(adata[:n_cells], ["c"])
        assert result.shape == (n_cells, 1)
    no_counts = AnnData(obs=adata.obs, var=adata.var)
    assert pp.align_features(no_counts, ["c"]).X is None


class TestSeveralKinds:
    """One table of a 10x file, in which a gene and an antibody have the same name."""

    @pytest.fixture
    def table(self) -> AnnData:
        names = ["CD4", "ACTB", "CD4", "CD3"]
        kinds = ["Gene Expression"] * 2 + ["Antibody Capture"] * 2
        var = pd.DataFrame({"feature_types": kinds}, index=names)
        with pytest.warns(UserWarning, match="not unique"):
            return AnnData(np.arange(8.0).reshape(2, 4), var=var)

    def test_a_reference_that_tells_kinds_gets_its_own(self, table: AnnData) -> None:
        for columns in ([3, 2], [1, 0]):
            reference = table.var.iloc[columns]
            aligned = pp.align_features(table, reference)
            np.testing.assert_array_equal(aligned.X, table.X[:, columns])
            pd.testing.assert_frame_equal(aligned.var, reference)

    def test_names_that_were_made_unique_are_not_the_other_kinds(self, table: AnnData) -> None:
        proteins = table.var.iloc[2:]
        table.var_names_make_unique()
        with pytest.raises(ValueError, match=r"lack 1 .*'CD4'.*own are named \['CD4-1', 'CD3'\]"):
            pp.align_features(table, proteins)
        whole = pp.align_features(table, table.var.iloc[::-1])
        np.testing.assert_array_equal(whole.X, table.X[:, ::-1])

    @pytest.mark.parametrize("names", [["CD4"], ["CD3", "ACTB"], ["CD4", "CD3"]])
    def test_names_alone_do_not_tell(self, table: AnnData, names: list[str]) -> None:
        with pytest.raises(ValueError, match=r"not unique.*Take the kinds apart, xm\.pp\.to_mud"):
            pp.align_features(table, names)
        table.var_names_make_unique()
        with pytest.raises(ValueError, match=r"no kinds.*Gene Expression.*Take the kinds apart"):
            pp.align_features(table, names)

    def test_names_of_one_kind_are_enough(self, table: AnnData) -> None:
        table.var_names_make_unique()
        for name, column in (("ACTB", 1), ("CD3", 3)):
            np.testing.assert_array_equal(pp.align_features(table, [name]).X, table.X[:, [column]])

    def test_a_reference_of_another_kind_is_named(self, table: AnnData) -> None:
        genes, proteins = table[:, :2].copy(), table.var.iloc[2:]
        with pytest.raises(ValueError, match="takes protein, but .* says that this is rna"):
            pp.align_features(genes, proteins)

    def test_what_is_named_otherwise_or_of_no_known_kind_is_not_mistaken(self) -> None:
        names = ["RAB1A", "chr1:10-20", "RAB1A-1", "GFP", "PDCD1", "", ""]
        kinds = ["Gene Expression", "Peaks", "CRISPR Guide Capture", "Custom", np.nan, "x", "x"]
        var = pd.DataFrame({"feature_types": kinds}, index=names)
        with pytest.warns(UserWarning, match="not unique"):  # of those without a name
            table = AnnData(np.arange(14.0).reshape(2, 7), var=var)
        for columns in ([0], [1, 0], [3, 0], [4, 0]):
            aligned = pp.align_features(table, [names[column] for column in columns])
            np.testing.assert_array_equal(aligned.X, table.X[:, columns])

    def test_a_reference_that_tells_kinds_nobody_knows_tells_none(self, table: AnnData) -> None:
        table.var_names_make_unique()
        reference = pd.DataFrame({"feature_types": ["Proteins of the surface"]}, index=["CD4"])
        with pytest.raises(ValueError, match="names features but no kinds.*'CD4-1' is Antibody"):
            pp.align_features(table, reference)

    def test_a_kind_that_the_data_lack_is_missing(self, table: AnnData) -> None:
        genes, reference = table[:, :2].copy(), table.var.iloc[[3, 1, 0]]
        with pytest.raises(ValueError, match=r"lack 1 of the reference's 3 .*'CD3'"):
            pp.align_features(genes, reference)
        with pytest.warns(UserWarning, match="lack 1 of .* filled in with zeros"):
            aligned = pp.align_features(genes, reference, missing="zero")
        np.testing.assert_array_equal(aligned.X, [[0, 1, 0], [0, 5, 4]])
        other = pd.DataFrame({"feature_types": ["Peaks", "Antibody Capture"]}, index=["a", "CD3"])
        with pytest.raises(ValueError, match="The reference takes .* says that this is rna"):
            pp.align_features(genes, other, missing="zero")
