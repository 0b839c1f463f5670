"""One MuData from one AnnData with feature types, or from one a modality."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal.pp import to_mudata


def _adata(counts, names, types=None, cells=None):
    adata = AnnData(sparse.csr_matrix(np.asarray(counts, dtype=np.float32)))
    adata.var_names = names
    if types is not None:
        adata.var["feature_types"] = types
    adata.obs_names = cells or [f"c{i}" for i in range(adata.n_obs)]
    return adata


@pytest.fixture
def both():
    types = ["Peaks", "Gene Expression", "Peaks", "Gene Expression"]
    adata = _adata(np.arange(12).reshape(3, 4), ["chr1:1-9", "A", "chrX_2_8", "B"], types)
    adata.obs["donor"] = ["x", "y", "x"]
    adata.layers["raw"] = adata.X.copy()
    return adata


def test_features_go_by_type_and_the_input_stays(both):
    before = both.copy()
    mdata = to_mudata(both)
    assert list(mdata.mod) == ["rna", "atac"]
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), before.X.toarray()[:, [1, 3]])
    raw = mdata["atac"].layers["raw"].toarray()
    np.testing.assert_array_equal(raw, before.X.toarray()[:, [0, 2]])
    assert mdata["atac"].var["chrom"].tolist() == ["chr1", "chrX"]
    assert mdata.obs["donor"].tolist() == ["x", "y", "x"]
    mdata["rna"].X[0, 0] = 99
    mdata["rna"].obs["donor"] = "changed"
    np.testing.assert_array_equal(both.X.toarray(), before.X.toarray())
    pd.testing.assert_frame_equal(both.obs, before.obs)
    pd.testing.assert_frame_equal(both.var, before.var)


def test_a_backed_file_is_read(both, tmp_path):
    import anndata

    both.write_h5ad(tmp_path / "both.h5ad")
    backed = anndata.read_h5ad(tmp_path / "both.h5ad", backed="r")
    mdata = to_mudata(backed)
    assert not mdata["atac"].isbacked
    np.testing.assert_array_equal(mdata["atac"].X.toarray(), both.X.toarray()[:, [0, 2]])


def test_cells_of_two_tables_are_matched_by_name():
    rna = _adata([[1], [2], [3]], ["A"], cells=["a", "b", "c"])
    atac = _adata([[30], [10], [40]], ["chr1:1-2"], cells=["c", "a", "d"])
    rna.obs["shared"], atac.obs["shared"] = [1, 2, 3], [3, 1, 4]
    rna.obs["n"], atac.obs["n"] = 0, 1
    with pytest.raises(ValueError, match=r"'rna' has 3, 'atac' has 3, and 2 are in all.*shared"):
        to_mudata({"rna": rna, "atac": atac})
    mdata = to_mudata({"rna": rna, "atac": atac}, cells="shared")
    assert list(mdata.obs_names) == ["a", "c"]
    assert mdata["rna"].X.toarray().ravel().tolist() == [1, 3]
    assert mdata["atac"].X.toarray().ravel().tolist() == [10, 30]
    assert mdata.obs.to_dict("list") == {"shared": [1, 3]}  # "n" means two things
    again = to_mudata({"rna": mdata["rna"], "atac": mdata["atac"][::-1].copy()})
    assert list(again["atac"].obs_names) == ["a", "c"]


def test_ensembl_identifiers_make_way_for_symbols():
    ids = ["ENSG00000141510.18", "ENSG00000000003", "ENSG00000000005"]
    rna = _adata(np.ones((2, 3)), ids)
    rna.var["gene_name"] = ["TP53", None, "TP53"]
    other = _adata(np.ones((2, 1)), ["chr1:1-2"])
    with pytest.warns(UserWarning, match=r"'TP53'"):
        mdata = to_mudata({"rna": rna, "atac": other})
    assert list(mdata["rna"].var_names) == ["TP53", "ENSG00000000003", "TP53-1"]
    assert list(mdata["rna"].var["gene_ids"]) == ids
    assert list(rna.var_names) == ids


def test_symbols_stay_where_there_is_nothing_better():
    rna = _adata(np.ones((2, 2)), ["A", "B"])
    rna.var["gene_name"] = ["x", "y"]
    plain = _adata(np.ones((2, 1)), ["ENSG00000000003"])
    for gex, expected in ((rna, ["A", "B"]), (plain, ["ENSG00000000003"])):
        mdata = to_mudata({"rna": gex, "protein": _adata(np.ones((2, 1)), ["A"])})
        assert list(mdata["rna"].var_names) == expected


def test_peaks_without_places_are_kept_and_named():
    atac = _adata(np.ones((2, 2)), ["peak1", "chr1:1-2"])
    with pytest.warns(UserWarning, match=r"1 of 2 peaks have no coordinates, such as \['peak1'\]"):
        mdata = to_mudata({"rna": _adata(np.ones((2, 1)), ["A"]), "atac": atac})
    assert mdata["atac"].var["start"].tolist() == [-1, 1]


def test_cells_that_repeat(both):
    both.obs_names = ["c", "c", "d"]
    with pytest.warns(UserWarning, match="Names of cells are not unique"):
        mdata = to_mudata(both)
    assert list(mdata.obs_names) == ["c", "c-1", "d"]
    one = _adata(np.ones((2, 1)), ["A"], cells=["c", "c"])
    with pytest.raises(ValueError, match="'c' appears twice in 'rna'"):
        to_mudata({"rna": one, "atac": one})


def test_one_cell_is_enough():
    mdata = to_mudata(_adata([[1, 2]], ["A", "chr1:1-2"], ["Gene Expression", "Peaks"]))
    assert mdata.shape == (1, 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_adata([[1]], ["A"]), "no column 'feature_types'"),
        (_adata([[1]], ["A"], ["Gene Expression"]), r"Only \['rna'\]"),
        ({}, r"Only \[\]"),
        ({"rna": _adata([[1]], ["A"])}, r"Only \['rna'\]"),
        ({"rna": _adata([[1]], ["A"]), "atac": np.ones(1)}, "'atac' must be an AnnData"),
        ({"rna": _adata([[1]], ["A"], cells=["x"]), "b": _adata([[1]], ["A"])}, r"\['x', 'c0'\]"),
        ([1], "got list"),
    ],
)
def test_mistakes_are_named(data, message):
    with pytest.raises(ValueError, match=message):
        to_mudata(data)


def test_an_unknown_rule_for_cells_is_named():
    with pytest.raises(ValueError, match="cells='all'"):
        to_mudata({}, cells="all")
