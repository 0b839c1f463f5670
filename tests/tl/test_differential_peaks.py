from __future__ import annotations

import io

import bioframe
import numpy as np
import pandas as pd
import pytest
import scanpy
from anndata import AnnData
from scipy import sparse
from scipy.stats import mannwhitneyu

from scvi_xmodal.tl import differential_peaks, write_bed


def test_the_planted_peaks_are_found_with_coordinates(atac):
    table = differential_peaks(atac, "cell_type", min_difference=0.2)
    found = {group: set(peaks) for group, peaks in table.groupby("group")["peak"]}
    planted = {t: set(atac.var_names[2 * g : 2 * g + 2]) for g, t in enumerate(["B", "T", "NK"])}
    assert found == planted
    names = table["chrom"] + ":" + table["start"].astype(str) + "-" + table["end"].astype(str)
    assert list(names) == list(table["peak"])
    assert (table["mean"] - table["mean_others"] >= 0.2).all()
    assert set(differential_peaks(atac, "cell_type", method="t-test")["peak"]) >= planted["B"]


def test_limits(atac):
    assert differential_peaks(atac, "cell_type", n_peaks=1)["rank"].tolist() == [1, 1, 1]
    assert len(differential_peaks(atac, "cell_type", alpha=0)) == 0
    genes = pd.DataFrame(
        {"chrom": ["chr1"], "start": [5_600], "end": [6_000], "strand": ["+"]}, index=["near"]
    )
    table = differential_peaks(atac, "cell_type", n_peaks=2, genes=genes).set_index("peak")
    assert table.loc["chr1:5000-5500", ["gene", "distance"]].tolist() == ["near", 100]


def test_bed_files_are_read_back(atac, tmp_path):
    atac.obs["cell_type"] = atac.obs["cell_type"].cat.rename_categories({"B": "B / naive"})
    table = differential_peaks(atac, "cell_type", min_difference=0.2)
    paths = write_bed(table, tmp_path / "new" / "beds", background=atac)
    assert set(paths) == {"B / naive", "T", "NK", "background"}
    assert paths["B / naive"].name == "B_naive.bed"
    bed = bioframe.read_table(paths["T"], schema="bed6")
    ours = table[table["group"] == "T"].sort_values("start")
    assert bed["name"].tolist() == ours["peak"].tolist()
    assert bed["start"].tolist() == ours["start"].tolist()
    np.testing.assert_array_equal(bed["score"], np.rint(1000 * ours["mean"]))
    assert len(bioframe.read_table(paths["background"], schema="bed6")) == atac.n_vars
    again = write_bed(table.iloc[:1], tmp_path / "new" / "beds")
    assert all(len(path.read_text().splitlines()) == 1 for path in again.values())


def test_measured_peaks_are_open_or_not_and_no_counts(atac):
    del atac.uns["scvi_xmodal"]
    counts = atac.copy()
    counts.X = np.random.default_rng(0).poisson(5 * atac.X)
    with pytest.raises(ValueError, match=r"whole numbers up to .*data\.X > 0"):
        differential_peaks(counts, "cell_type")
    counts.X = (counts.X > 0).astype("float32")
    assert set(differential_peaks(counts, "cell_type")["group"]) == {"B", "T", "NK"}


@pytest.fixture
def heard():
    """What scanpy says, at more than its usual loudness."""
    before = scanpy.settings.logfile, scanpy.settings.verbosity
    scanpy.settings.logfile, scanpy.settings.verbosity = io.StringIO(), "info"
    yield scanpy.settings.logfile
    scanpy.settings.logfile, scanpy.settings.verbosity = before


def test_nobody_is_asked_for_logarithms_of_open_peaks(atac, heard):
    del atac.uns["scvi_xmodal"]
    atac.X = (np.random.default_rng(0).random(atac.shape) < atac.X).astype("float32")
    assert len(differential_peaks(atac, "cell_type"))
    assert not heard.getvalue()
    assert scanpy.settings.verbosity == "info"


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix])
def test_open_peaks_are_tested_as_scipy_does(store):
    rng = np.random.default_rng(0)
    is_open = (rng.random((300, 40)) < rng.uniform(0, 0.1, 40)).astype("float32")
    is_open[:, 0], is_open[:, 1] = 0, 1
    is_open[:100, 2:12] = rng.random((100, 10)) < 0.25
    names = [f"chr1:{1000 * j}-{1000 * j + 500}" for j in range(40)]
    cells = AnnData(store(is_open), var=pd.DataFrame(index=names))
    cells.obs["group"] = np.repeat(["a", "b"], [100, 200])
    table = differential_peaks(cells, "group", alpha=1).query("group == 'a'").set_index("peak")
    assert not {names[0], names[1]} & set(table.index)  # a constant peak tells no groups apart
    column = [names.index(peak) for peak in table.index]
    expected = mannwhitneyu(
        is_open[:100], is_open[100:], method="asymptotic", use_continuity=False
    ).pvalue
    np.testing.assert_allclose(table["p_value"], expected[column], rtol=1e-4)
    assert len(differential_peaks(cells, "group").query("group == 'a'")) >= 6


def test_users_mistakes_are_named(atac, tmp_path):
    with pytest.raises(ValueError, match=r"lacks the columns \['chrom', 'start', 'end'\]"):
        write_bed(pd.DataFrame({"group": ["B"], "peak": ["p"]}), tmp_path)
    row = {"peak": "p", "chrom": "chr1", "start": 1, "end": 2}
    twice = pd.DataFrame([{"group": "a b", **row}, {"group": "A/B", **row}])
    with pytest.raises(ValueError, match="Two groups would be written to one file"):
        write_bed(twice, tmp_path)
    named = pd.DataFrame([{"group": "background", **row}])
    with pytest.raises(ValueError, match="A group is called 'background'"):
        write_bed(named, tmp_path, background=atac)
    atac.var_names = [f"peak{j}" for j in range(atac.n_vars)]
    with pytest.raises(ValueError, match="no coordinates"):
        differential_peaks(atac, "cell_type")
