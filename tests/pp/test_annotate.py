from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scvi_xmodal import pp
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def peaks(names: list[str], **columns: Any) -> AnnData:
    var = pd.DataFrame(columns, index=names)
    return AnnData(sparse.csr_matrix((2, len(names)), dtype=np.float32), var=var)


def test_names_become_columns_and_stay() -> None:
    adata = peaks(["chr2:10-20", "GL000194.1_5_9", "15-98-120"])
    result = pp.annotate_peaks(adata)
    assert result.var_names.tolist() == adata.var_names.tolist()
    assert result.var["chrom"].tolist() == ["chr2", "GL000194.1", "15"]
    assert result.var["start"].tolist() == [10, 5, 98]
    assert result.var["end"].tolist() == [20, 9, 120]
    assert result.var["start"].dtype == result.var["end"].dtype == np.int64
    assert list(adata.var) == []


def test_valid_columns_come_before_names() -> None:
    # the name of the second says something else, the third has no valid columns
    adata = peaks(
        ["peak0", "chr1:1-2", "chr3:7-9"],
        chrom=pd.Categorical(["chr5", "chr6", None]),
        start=[100.0, 200.0, np.nan],
        end=["150", "250", "1"],
    )
    var = pp.annotate_peaks(adata).var
    assert var["chrom"].tolist() == ["chr5", "chr6", "chr3"]
    assert var["start"].tolist() == [100, 200, 7]
    assert var["end"].tolist() == [150, 250, 9]
    assert var["start"].dtype == np.int64


@pytest.mark.parametrize(("start", "end"), [(5, 5), (9, 5), (-1, 5), (0.5, 5), ("a", 5)])
def test_invalid_columns_are_replaced_by_names(start: Any, end: Any) -> None:
    adata = peaks(["chr1:1-2"], chrom=["chr1"], start=[start], end=[end])
    var = pp.annotate_peaks(adata).var
    assert (var["start"].item(), var["end"].item()) == (1, 2)


def test_muons_interval_column_is_read() -> None:
    adata = peaks(["peak0", "peak1"], interval=["chr1:1-2", "chr2:3-4"])
    assert pp.annotate_peaks(adata).var["chrom"].tolist() == ["chr1", "chr2"]


def test_peaks_without_coordinates_are_refused_or_kept() -> None:
    adata = peaks(["chr1:1-2", "peak7", "chr1:9-3"])
    with pytest.raises(ValueError, match=r"2 of 3 peaks .* \['peak7', 'chr1:9-3'\]"):
        pp.annotate_peaks(adata)
    with pytest.warns(UserWarning, match="2 of 3 peaks"):
        var = pp.annotate_peaks(adata, on_error="keep").var
    assert var["chrom"].tolist() == ["chr1", "", ""]
    assert var["start"].tolist() == [1, -1, -1]
    assert var["end"].tolist() == [2, -1, -1]


def test_mudata_is_annotated_in_its_atac(mdata: MuData, digest: Callable[[Any], str]) -> None:
    before = digest(mdata)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = pp.annotate_peaks(mdata)
    assert isinstance(result, MuData)
    assert list(result["atac"].var) == ["chrom", "start", "end"]
    assert list(result["rna"].var) == []
    assert digest(mdata) == before
    result["rna"].X.data[:] = 0
    assert digest(mdata) == before  # nothing is shared


def test_modality_can_be_named(mdata: MuData, join: Callable[[Any], MuData]) -> None:
    renamed = join({"rna": mdata["rna"], "regions": mdata["atac"]})
    with pytest.raises(ValueError, match="No atac modality"):
        pp.annotate_peaks(renamed)
    assert "chrom" in pp.annotate_peaks(renamed, modality="regions")["regions"].var
    with pytest.raises(ValueError, match="no modality 'peaks'"):
        pp.annotate_peaks(renamed, modality="peaks")
    with pytest.raises(ValueError, match="needs a MuData"):
        pp.annotate_peaks(mdata["atac"], modality="atac")
    with pytest.raises(ValueError, match="on_error='ignore'"):
        pp.annotate_peaks(mdata, on_error="ignore")


def test_everything_else_is_kept(mdata: MuData) -> None:
    mdata.obs["site"] = "a"
    mdata.obsm["Z"] = np.ones((mdata.n_obs, 2))
    mdata.uns["note"] = {"deep": [1]}
    result = pp.annotate_peaks(mdata)
    assert result.obs["site"].tolist() == mdata.obs["site"].tolist()
    np.testing.assert_array_equal(result.obsm["Z"], 1)
    result.uns["note"]["deep"].append(2)
    result.obsm["Z"][:] = 0
    assert mdata.uns["note"] == {"deep": [1]}
    assert mdata.obsm["Z"].all()


def test_files_are_read(mdata: MuData, tmp_path: Path) -> None:
    mdata["atac"].write_h5ad(tmp_path / "atac.h5ad")
    mdata.write_h5mu(tmp_path / "all.h5mu")
    backed = anndata.read_h5ad(tmp_path / "atac.h5ad", backed="r")
    with own_columns_only():
        backed_mdata = mudata.read_h5mu(tmp_path / "all.h5mu", backed="r")
    for result in (pp.annotate_peaks(backed), pp.annotate_peaks(backed_mdata)["atac"]):
        assert not result.isbacked
        assert (result.X != mdata["atac"].X).nnz == 0
        assert result.var["chrom"].iloc[1] == "chr2"


def test_no_peaks_is_no_error() -> None:
    assert list(pp.annotate_peaks(peaks([])).var) == ["chrom", "start", "end"]
