from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal import pp
from scvi_xmodal._layers import layer_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mudata import MuData

NAMES = ["chr1:950-1150", "chr1:1190-2090", "chr2:5-9", "chrUn:1-2"]


@pytest.fixture
def adata() -> AnnData:
    """Return four cells of four peaks, annotated."""
    counts = np.array([[0, 0, 1, 0], [3, 0, 0, 0], [0, 1, 0, 2], [1, 1, 1, 1]], dtype=np.float32)
    adata = AnnData(sparse.csr_matrix(counts), var=pd.DataFrame(index=NAMES))
    adata.obs["batch"] = list("xyxy")
    adata.obsm["Z"] = np.ones((4, 2))
    adata.obsp["graph"] = sparse.eye(4, format="csr")
    adata.layers["counts"] = adata.X.copy()
    adata.uns["note"] = {"deep": [1]}
    return adata


def test_the_papers_example(adata: AnnData) -> None:
    own = adata[:, :2]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*peaks")  # all are covered and used
        result = pp.repool_peaks(own, ["chr1:1000-2000"])
    assert result.X.toarray().ravel().tolist() == [0, 1, 1, 1]
    assert result.uns["repool_peaks"]["coverage"] == 1


@pytest.mark.filterwarnings("ignore:.*target peaks")
def test_intervals_are_half_open(adata: AnnData) -> None:
    def covered(target: str) -> bool:
        result = pp.repool_peaks(adata, [target, "chr2:5-9"])
        return bool(result.uns["repool_peaks"]["n_covered"] == 2)

    assert not covered("chr1:900-950")
    assert covered("chr1:900-951")
    assert not covered("chr1:1150-1190")
    assert covered("chr1:1149-1190")
    assert covered("chr1:1100-1101")


def test_target_peaks_may_be_unsorted_and_overlap(
    adata: AnnData, container: Callable[[np.ndarray], Any], digest: Callable[[Any], str]
) -> None:
    adata.X = container(adata.X.toarray())
    before = digest(adata)
    table = pd.DataFrame(
        {"chrom": ["chr2", "chr1", "chr1", "chr3"], "start": [0, 1100, 1149, 5], "end": 1200},
        index=["p1", "p2", "p3", "p4"],
    )
    message = r"3 of 4 target peaks \(75.0%\) .* 1 of 4 measured peaks .*\['chrUn'\]"
    for target in (table, AnnData(np.zeros((1, 4)), var=table)):
        with pytest.warns(UserWarning, match=message):
            result = pp.repool_peaks(adata, target)
        expected = [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]]
        assert result.X.toarray().tolist() == expected
        assert sparse.issparse(result.X)
        assert result.X.dtype == np.float32
        pd.testing.assert_frame_equal(result.var, table)
    assert digest(adata) == before
    assert pp.RepoolReport(n_source=4, n_used=3, n_elsewhere=1, n_target=4, n_covered=3) == (
        pp.RepoolReport(**{k: v for k, v in result.uns["repool_peaks"].items() if k != "coverage"})
    )


@pytest.mark.filterwarnings("ignore:.*target peaks")
def test_the_rest_is_kept_and_can_be_written(adata: AnnData, tmp_path: Path) -> None:
    result = pp.repool_peaks(adata, ["chr2:1-6", "chr9:1-6"])
    assert result.obs["batch"].tolist() == list("xyxy")
    assert result.obsp["graph"].shape == (4, 4)
    assert layer_names(result) == []
    result.uns["note"]["deep"].append(2)
    result.obsm["Z"][:] = 0
    assert adata.uns["note"] == {"deep": [1]}
    assert adata.obsm["Z"].all()
    result.write_h5ad(tmp_path / "pooled.h5ad")
    assert anndata.read_h5ad(tmp_path / "pooled.h5ad").uns["repool_peaks"]["n_covered"] == 1


@pytest.mark.filterwarnings("ignore:.*target peaks")
def test_layers_files_and_ugly_sizes(adata: AnnData, tmp_path: Path) -> None:
    target = ["chr1:1000-2000", "chr2:5-6"]
    expected = pp.repool_peaks(adata, target).X.toarray()
    logged = adata.copy()
    logged.X = logged.X * 0.5
    np.testing.assert_array_equal(
        pp.repool_peaks(logged, target, layer="counts").X.toarray(), expected
    )
    with pytest.raises(ValueError, match=r"adata.X holds 0.5"):
        pp.repool_peaks(logged, target)
    adata.write_h5ad(tmp_path / "query.h5ad")
    backed = anndata.read_h5ad(tmp_path / "query.h5ad", backed="r")
    np.testing.assert_array_equal(pp.repool_peaks(backed, target).X.toarray(), expected)
    for n_cells in (0, 1):
        result = pp.repool_peaks(adata[:n_cells], target)
        np.testing.assert_array_equal(result.X.toarray(), expected[:n_cells])
    assert pp.repool_peaks(adata[:, :1], ["chr1:0-5000"]).shape == (4, 1)


def test_many_rows_are_pooled_block_by_block(rng: np.random.Generator) -> None:
    counts = sparse.csr_matrix(rng.random((9000, 3)) * (rng.random((9000, 3)) < 0.3))
    counts.data[:] = 2
    adata = AnnData(counts, var=pd.DataFrame(index=["1:0-9", "1:9-20", "2:0-9"]))
    result = pp.repool_peaks(adata, ["1:5-10", "2:8-30"])
    dense = counts.toarray() > 0
    np.testing.assert_array_equal(result.X.toarray()[:, 0], dense[:, 0] | dense[:, 1])
    np.testing.assert_array_equal(result.X.toarray()[:, 1], dense[:, 2])


def test_mistakes_are_named(adata: AnnData, mdata: MuData) -> None:
    target = ["chr1:1000-2000"]
    with pytest.raises(ValueError, match="give one modality"):
        pp.repool_peaks(mdata, target)
    nameless = adata.copy()
    nameless.var_names = ["peak7", "chr1:9-3", "chr1:5-5", "chr1:1-2"]
    with pytest.raises(ValueError, match=r"adata: 3 of 4 peaks .*'peak7', 'chr1:9-3'.*start <"):
        pp.repool_peaks(nameless, target)
    with pytest.raises(ValueError, match=r"The target: 1 of 2 peaks have no .*'gene'"):
        pp.repool_peaks(adata, ["gene", *target])
    with pytest.raises(ValueError, match=r"target's peaks are not unique.*chr1:1000-2000"):
        pp.repool_peaks(adata, target * 2)
    with pytest.raises(ValueError, match="named .*'chr1'.*the target's .'1'"):
        pp.repool_peaks(adata, ["1:1000-2000"])
    with pytest.raises(ValueError, match="another genome assembly"):
        pp.repool_peaks(adata, ["chr1:3000-4000"])
    with pytest.raises(ValueError, match="adata has no peaks"):
        pp.repool_peaks(adata[:, :0], target)
    for nothing in ([], "chr1:1-2", None):
        with pytest.raises(ValueError, match="reference must be names"):
            pp.repool_peaks(adata, nothing)
    with pytest.raises(ValueError, match=r"layers\['raw'\] does not exist"):
        pp.repool_peaks(adata, target, layer="raw")
    with pytest.raises(ValueError, match=r"adata.X is empty"):
        pp.repool_peaks(AnnData(obs=adata.obs, var=adata.var), target)
