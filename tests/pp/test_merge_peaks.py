from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from scvi_xmodal import pp

INTERVALS = st.lists(
    st.tuples(st.sampled_from(["chr2", "chr10"]), st.integers(0, 40), st.integers(1, 9)),
    min_size=1,
    max_size=15,
)


def union(intervals: list[tuple[str, int, int]]) -> list[str]:
    """Merge one by one until nothing overlaps."""
    merged: list[tuple[str, int, int]] = []
    for chrom, start, end in sorted((c, s, s + n) for c, s, n in intervals):
        if merged and merged[-1][0] == chrom and start < merged[-1][2]:
            merged[-1] = (chrom, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((chrom, start, end))
    return [f"{c}:{s}-{e}" for c, s, e in merged]


@given(INTERVALS, INTERVALS)
@settings(max_examples=40, deadline=None)
def test_union_is_that_of_a_sweep(
    first: list[tuple[str, int, int]], second: list[tuple[str, int, int]]
) -> None:
    sets = [[f"{c}:{s}-{s + n}" for c, s, n in intervals] for intervals in (first, second)]
    table = pp.union_peaks(*sets)
    assert sorted(table.index) == sorted(union(first + second))
    chroms = table["chrom"].tolist()
    assert chroms == sorted(chroms, key=["chr2", "chr10"].index)
    assert all(group.is_monotonic_increasing for _, group in table.groupby("chrom")["start"])
    assert table["start"].dtype == table["end"].dtype == np.int64


def test_touching_peaks_stay_apart_and_overlapping_ones_are_ored() -> None:
    names = ["chr2:30-40", "chr1:15-30", "chr1:10-20", "chr1:30-40", "chr1:12-13"]
    counts = np.array([[0, 0, 2, 0, 0], [1, 1, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]])
    adata = AnnData(counts, var=pd.DataFrame(index=names))
    adata.layers["counts"] = counts
    adata.obs["batch"] = list("abcd")
    merged = pp.merge_overlapping_peaks(adata)
    assert merged.var_names.tolist() == ["chr1:10-30", "chr1:30-40", "chr2:30-40"]
    assert merged.X.toarray().tolist() == [[1, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert merged.obs["batch"].tolist() == list("abcd")
    again = pp.merge_overlapping_peaks(merged)
    assert again.var_names.equals(merged.var_names)
    np.testing.assert_array_equal(again.X.toarray(), merged.X.toarray())
    with_layer = pp.merge_overlapping_peaks(adata, layer="counts")
    np.testing.assert_array_equal(with_layer.X.toarray(), merged.X.toarray())


def test_several_data_sets_share_a_union() -> None:
    first = AnnData(np.array([[1, 0]]), var=pd.DataFrame(index=["chr1:0-10", "chr1:20-30"]))
    second = AnnData(np.array([[1]]), var=pd.DataFrame(index=["chr1:5-22"]))
    target = pp.union_peaks(first, second.var)
    assert target.index.tolist() == ["chr1:0-30"]
    assert pp.repool_peaks(first, target).X.toarray().tolist() == [[1]]


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="No peaks were given"):
        pp.union_peaks()
    with pytest.raises(ValueError, match=r"Peak set 2: 1 of 1 peaks .*'gene'"):
        pp.union_peaks(["chr1:1-2"], ["gene"])
    with pytest.raises(ValueError, match="give one modality"):
        pp.merge_overlapping_peaks(["chr1:1-2"])  # type: ignore[arg-type]
