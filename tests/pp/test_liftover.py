from __future__ import annotations

import gzip
import sys
import warnings
from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

CHAIN = """chain 1000 chr1 1000 + 0 1000 chr1 1100 + 0 1060 1
300	0	100
200	40	0
460

chain 900 chr2 500 + 0 500 chr7 2000 - 100 600 2
500

chain 800 chr4 100 + 0 100 chr1 1100 + 0 100 3
100

"""
"""Old chr1: 0-300 stays, 300-500 moves 100 on, 500-540 is lost, the rest moves 60 on. Old chr2
becomes 1400-1900 of chr7, turned around. The first bases of chr4 become those of chr1."""

LIFTED = {
    "chr1:10-20": "chr1:10-20",
    "chr1:290-300": "chr1:290-300",
    "chr1:300-310": "chr1:400-410",
    "chr1:900-1000": "chr1:960-1060",
    "chr1:200-500": None,  # grows to 400 by an insertion
    "chr1:490-510": None,  # its last base is lost
    "chr1:450-700": "chr1:550-760",  # loses 40 of 250 bases
    "chr1:480-580": None,  # loses 40 of 100 bases
    "chr2:0-10": "chr7:1890-1900",
    "chr2:490-500": "chr7:1400-1410",
    "chr3:0-10": None,  # no such chromosome
    "chr4:10-20": None,  # onto the same place as the first
}


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    path = tmp_path / "oldToNew.over.chain.gz"
    path.write_bytes(gzip.compress(CHAIN.encode()))
    return path


def peaks(names: list[str]) -> AnnData:
    counts = sparse.csr_matrix(np.arange(2 * len(names), dtype=np.float32).reshape(2, -1))
    return AnnData(counts, var=pd.DataFrame({"number": range(len(names))}, index=names))


def test_peaks_are_lifted_or_counted(chain: Path, digest: Callable[[Any], str]) -> None:
    adata = peaks(list(LIFTED))
    adata.var["interval"] = adata.var_names
    before = digest(adata)
    with pytest.warns(UserWarning, match="5 of 12 .* 2 unmapped, 2 resized, 1 repeated"):
        result = pp.liftover(adata, chain)
    kept = [old for old, new in LIFTED.items() if new]
    assert result.var["lifted_from"].tolist() == kept
    assert result.var_names.tolist() == [LIFTED[old] for old in kept]
    assert result.var["interval"].tolist() == result.var_names.tolist()
    columns = result.var["chrom"] + ":" + result.var["start"].astype(str)
    assert [name.split("-")[0] for name in result.var_names] == columns.tolist()
    assert result.var["end"].dtype == np.int64
    np.testing.assert_array_equal(result.X.toarray(), adata[:, kept].X.toarray())
    report = pp.LiftoverReport(**result.uns["liftover"])
    assert report == pp.LiftoverReport(
        n_peaks=12, n_lifted=7, n_unmapped=2, n_resized=2, n_repeated=1, n_moved=2
    )
    assert digest(adata) == before


def test_the_allowed_change_of_length(chain: Path) -> None:
    adata = peaks(["chr1:10-20", "chr1:480-580"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = pp.liftover(adata, chain, max_resize=0.4)
    assert result.var_names.tolist() == ["chr1:10-20", "chr1:580-640"]
    with pytest.warns(UserWarning, match="1 of 2"):
        assert pp.liftover(adata, str(chain), max_resize=0.39).n_vars == 1


def test_peaks_torn_apart_are_unmapped(tmp_path: Path) -> None:
    torn = "chain 9 chr1 99 + 0 50 chr1 99 + 0 50 1\n50\n\nchain 8 chr1 99 + 50 99 {} 2\n49\n\n"
    for number, place in enumerate(["chr2 99 + 50 99", "chr1 99 - 0 49"]):
        path = tmp_path / f"{number}.chain"
        path.write_text(torn.format(place))
        with pytest.warns(UserWarning, match="1 of 3 .* 1 unmapped"):
            result = pp.liftover(peaks(["chr1:1-9", "chr1:45-55", "chr1:60-70"]), path)
        assert result.n_vars == 2


def test_ensembl_names_are_read_and_files_written(chain: Path, tmp_path: Path) -> None:
    result = pp.liftover(peaks(["1:10-20", "2_0_10"]), chain)
    assert result.var_names.tolist() == ["chr1:10-20", "chr7:1890-1900"]
    assert result.uns["liftover"]["n_moved"] == 1
    result.write_h5ad(tmp_path / "lifted.h5ad")
    read = anndata.read_h5ad(tmp_path / "lifted.h5ad")
    assert pp.LiftoverReport(**read.uns["liftover"]).n_lifted == 2


def test_a_chain_of_another_assembly_is_refused(chain: Path) -> None:
    # half of them can be lifted, then fewer
    names = ["chr1:10-20", "chr8:1-5"]
    with pytest.warns(UserWarning, match="1 of 2"):
        pp.liftover(peaks(names), chain)
    with pytest.raises(ValueError, match=r"lifts only 1 of 3 peaks .2 unmapped.*another assembly"):
        pp.liftover(peaks([*names, "chr9:1-5"]), chain)


def test_mistakes_are_named(chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adata = peaks(["chr1:10-20"])
    for missing in (tmp_path / "no.chain.gz", tmp_path, "hg38"):
        with pytest.raises(ValueError, match="There is no chain file .*goldenPath"):
            pp.liftover(adata, missing)
    (tmp_path / "bad.chain").write_text("hello\n")
    with pytest.raises(ValueError, match=r"bad.chain' is no chain file"):
        pp.liftover(adata, tmp_path / "bad.chain")
    with pytest.raises(ValueError, match=r"adata: 2 of 3 peaks .*\['gene', 'chr1:9-3'\]"):
        pp.liftover(peaks(["gene", "chr1:9-3", "chr1:3-9"]), chain)
    with pytest.raises(ValueError, match="adata has no peaks"):
        pp.liftover(adata[:, :0], chain)
    with pytest.raises(ValueError, match="max_resize=-1"):
        pp.liftover(adata, chain, max_resize=-1)
    with pytest.raises(ValueError, match="give one modality"):
        pp.liftover({"atac": adata}, chain)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "liftover", None)
    with pytest.raises(ImportError, match=r"pip install 'scvi-xmodal\[liftover\]'"):
        pp.liftover(adata, chain)
