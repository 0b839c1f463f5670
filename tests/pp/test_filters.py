"""The cells and the peaks that BABEL leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def cells(*n_genes: int) -> AnnData:
    """Return a cell for each number of genes, each gene with two counts."""
    counts = np.arange(8000) < np.array(n_genes)[:, None]
    adata = AnnData(sparse.csr_matrix(2.0 * counts))
    adata.var_names = [f"gene{i}" for i in range(8000)]
    return adata


def test_limits_are_the_papers() -> None:
    adata = cells(199, 200, 2500, 2501, 7000, 7001, 0)
    assert pp.filter_cells_by_genes(adata).obs_names.tolist() == ["1", "2", "3", "4"]
    mouse = pp.filter_cells_by_genes(adata, max_genes=2500)
    assert mouse.obs_names.tolist() == ["1", "2"]
    assert adata.n_obs == 7


def test_stored_zeros_are_no_genes(container: Callable[[np.ndarray], Any]) -> None:
    counts = np.tri(4)
    adata = AnnData(container(counts))
    assert pp.filter_cells_by_genes(adata, min_genes=2, max_genes=3).n_obs == 2
    if sparse.issparse(adata.X):
        adata.X.data[:] = 0
        with pytest.raises(ValueError, match="No cell has between .* they have 0 to 0"):
            pp.filter_cells_by_genes(adata, min_genes=1, max_genes=9)


def test_cells_of_all_modalities_go(mdata: MuData, digest: Callable[[Any], str]) -> None:
    before = digest(mdata)
    n_genes = (mdata["rna"].X.toarray() > 0).sum(1)
    low = int(np.median(n_genes))
    result = pp.filter_cells_by_genes(mdata, min_genes=low)
    assert isinstance(result, MuData)
    kept = mdata.obs_names[n_genes >= low].tolist()
    assert 0 < len(kept) < mdata.n_obs
    for key in mdata.mod:
        assert result[key].obs_names.tolist() == kept
    result["rna"].X.data[:] = 0
    assert digest(mdata) == before


def test_cells_without_rna_are_kept(mdata: MuData, join: Callable[..., MuData]) -> None:
    mosaic = join({"rna": mdata["rna"][5:].copy(), "atac": mdata["atac"].copy()})
    n_genes = (mdata["rna"].X.toarray() > 0).sum(1)
    low = int(np.median(n_genes))
    result = pp.filter_cells_by_genes(mosaic, min_genes=low)
    passing = {*mdata.obs_names[n_genes >= low], *mdata.obs_names[:5]}
    assert set(result.obs_names) == passing
    assert result["atac"].n_obs == len(passing)


def test_cells_from_files_and_layers(mdata: MuData, tmp_path: Path) -> None:
    rna = mdata["rna"].copy()
    rna.layers["counts"] = rna.X.copy()
    expected = pp.filter_cells_by_genes(rna, min_genes=18).obs_names.tolist()
    rna.write_h5ad(tmp_path / "rna.h5ad")
    backed = anndata.read_h5ad(tmp_path / "rna.h5ad", backed="r")
    assert pp.filter_cells_by_genes(backed, min_genes=18).obs_names.tolist() == expected
    rna.X = sparse.csr_matrix(rna.shape)
    result = pp.filter_cells_by_genes(rna, min_genes=18, layer="counts")
    assert result.obs_names.tolist() == expected


def test_peaks_are_filtered_by_the_given_cells(mdata: MuData, digest: Callable[..., str]) -> None:
    before = digest(mdata)
    indices = np.arange(0, 40, 2)
    n_open = (mdata["atac"].X.toarray()[indices] > 0).sum(0)
    keep = (n_open >= 3) & (n_open <= 0.4 * indices.size)
    assert 0 < keep.sum() < keep.size
    for order in (indices, indices[::-1]):
        result = pp.filter_peaks(mdata, min_cells=3, max_fraction=0.4, indices=order)
        assert result["atac"].var_names.tolist() == mdata["atac"].var_names[keep].tolist()
    assert result["rna"].n_vars == mdata["rna"].n_vars
    assert result.n_obs == mdata.n_obs
    assert digest(mdata) == before


def test_peak_limits_are_the_papers() -> None:
    # 10 % of 30 cells are 3.0000000000000004 of them in floating point
    for n_cells, most in ((100, 10), (130, 13), (30, 3), (59, 5)):
        counts = np.arange(n_cells)[:, None] < np.arange(20)
        result = pp.filter_peaks(AnnData(counts.astype(float)), min_cells=3)
        assert result.var_names.tolist() == [str(i) for i in range(3, most + 1)]
    assert pp.filter_peaks(AnnData(np.tri(60))).n_vars == 2  # open in 5 and in 6 cells


def test_mistakes_are_named(mdata: MuData) -> None:
    with pytest.raises(ValueError, match="min_genes=9 and max_genes=3"):
        pp.filter_cells_by_genes(mdata, min_genes=9, max_genes=3)
    with pytest.raises(ValueError, match="No cell has between min_genes=200"):
        pp.filter_cells_by_genes(mdata)
    with pytest.raises(ValueError, match="No cell has"):
        pp.filter_cells_by_genes(mdata["rna"][:0])
    with pytest.raises(ValueError, match="min_cells=-1"):
        pp.filter_peaks(mdata, min_cells=-1)
    for fraction in (0, 1.5):
        with pytest.raises(ValueError, match=f"max_fraction={fraction}"):
            pp.filter_peaks(mdata, max_fraction=fraction)
    with pytest.raises(ValueError, match=r"No peak of 'atac' is open in at least min_cells=5 and"):
        pp.filter_peaks(mdata, max_fraction=0.01)
    with pytest.raises(ValueError, match="No atac modality"):
        pp.filter_peaks(MuData({"rna": mdata["rna"].copy()}))
