"""The benchmarks of re-pooling and of foreign peaks, on a few cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from benchmarks import foreign_peaks, repool
from benchmarks.simulate import Size


def test_repool_measures_both_parts(tmp_path, capsys):
    repool.main(["--size", "40x300", "--repeats", "1", "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "repool.csv")
    assert table["part"].tolist() == ["overlaps", "repool_peaks"]
    assert (table["cpu_seconds"] >= 0).all()
    assert 0 < table["n_covered"].iloc[1] <= 300
    assert "aim: below 10 s" in capsys.readouterr().out


def test_simulated_peak_sets_overlap_mostly():
    source, target = repool.peak_tables(Size(10, 2000))
    assert (source["start"] >= 0).all()
    assert (target["start"] >= 0).all()
    shared = (source["start"] < target["end"]) & (target["start"] < source["end"])
    assert 0.5 < shared.mean() < 1


@pytest.mark.filterwarnings("ignore:.*(target peaks|could not be lifted)")
def test_the_report_says_what_was_lifted_and_covered(tmp_path):
    chain = tmp_path / "hg19ToHg38.over.chain"
    chain.write_text("chain 9 chr1 1000 + 0 1000 chr1 1100 + 50 1050 1\n1000\n")
    counts = sparse.csr_matrix(np.array([[1, 0, 1], [1, 1, 0]], dtype=np.float32))
    names = ["chr1:10-20", "chr1:80-90", "chr2:10-20"]
    source = AnnData(counts, var=pd.DataFrame(index=names))
    target = AnnData(np.ones((1, 2)), var=pd.DataFrame(index=["chr1:60-65", "chr1:15-18"]))
    text = foreign_peaks.report(source, {"mine": target}, chain)
    assert "Of 3 peaks 2 (66.67%) are lifted; 1 have no place in hg38" in text
    assert "| mine (2) | as they are, hg19 | 1 (33.3%) | 1 (50.0%) |" in text
    assert "| mine (2) | lifted to hg38 | 1 (50.0%) | 1 (50.0%) |" in text
