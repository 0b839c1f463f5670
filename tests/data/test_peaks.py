from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scvi_xmodal.data._peaks import chromosome_order, parse_peaks


@pytest.mark.parametrize(
    ("name", "chrom", "start", "end"),
    [
        ("chr1:1-2", "chr1", 1, 2),
        ("chr1-1-2", "chr1", 1, 2),
        ("chr1_1_2", "chr1", 1, 2),
        ("chr1:0-200", "chr1", 0, 200),
        ("KI270713.1:36892-37804", "KI270713.1", 36892, 37804),
        ("GL000194.1-1-2", "GL000194.1", 1, 2),
        ("chrUn_KI270742v1:1-2", "chrUn_KI270742v1", 1, 2),
        ("chr1_KI270706v1_random_1_2", "chr1_KI270706v1_random", 1, 2),
        ("chr1_KI270706v1_random:10-20", "chr1_KI270706v1_random", 10, 20),
        ("15:98-120", "15", 98, 120),
        ("1_2_3", "1", 2, 3),
        ("X:1-2", "X", 1, 2),
        ("HLA*A*01:01:01:01:1-100", "HLA*A*01:01:01:01", 1, 100),
    ],
)
def test_peak_names_of_all_tools_are_read(name: str, chrom: str, start: int, end: int) -> None:
    peaks = parse_peaks([name])
    assert peaks.parsed.tolist() == [True]
    assert (peaks.chrom[0], peaks.start[0], peaks.end[0]) == (chrom, start, end)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "peak7",
        "GAPDH",
        "HLA-DRB1",
        "chr1:5",
        "chr1:-5-10",
        "chr1:2-2",  # no base
        "chr1:3-2",
        "chr1:1-2\n",
        " chr1:1-2",
        ":1-2",
        "chr1:1-" + "9" * 30,  # more than an int64 holds
        None,
        7,
    ],
)
def test_other_names_are_marked(name: object) -> None:
    peaks = parse_peaks(["chr1:1-2", name])
    assert peaks.parsed.tolist() == [True, False]
    assert (peaks.chrom[1], peaks.start[1], peaks.end[1]) == ("", -1, -1)


def test_types_do_not_depend_on_the_names() -> None:
    for names in ([], ["peak"], ["chr1:1-2"]):
        peaks = parse_peaks(names)
        assert peaks.chrom.dtype == object
        assert peaks.start.dtype == peaks.end.dtype == np.int64
        assert peaks.parsed.dtype == bool
        assert peaks.chrom.shape == peaks.start.shape == peaks.parsed.shape == (len(names),)


@settings(max_examples=50, deadline=None)
@given(
    chrom=st.sampled_from(["chr1", "chrX", "7", "GL000194.1", "chr1_KI270706v1_random", "a-b"]),
    start=st.integers(0, 10**9),
    length=st.integers(1, 10**6),
    separators=st.sampled_from([":-", "--", "__", ":_", "-_"]),
)
def test_any_written_interval_is_read_back(
    chrom: str, start: int, length: int, separators: str
) -> None:
    first, second = separators
    peaks = parse_peaks([f"{chrom}{first}{start}{second}{start + length}"])
    assert (peaks.chrom[0], peaks.start[0], peaks.end[0]) == (chrom, start, start + length)


def test_chromosomes_are_sorted_as_a_person_would() -> None:
    expected = [
        *("chr1", "chr2", "chr2L", "chr2R", "chr10", "chrX", "chrY", "chrM"),
        *("GL000194.1", "chr1_KI270706v1_random", "chrUn_K2", "chrUn_K10"),
    ]
    assert chromosome_order(expected[::-1]) == expected
    assert chromosome_order(["MT", "X", "22", "3"]) == ["3", "22", "X", "MT"]
    assert chromosome_order([]) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(alphabet="chrXYM_019.", max_size=6)))
def test_any_names_can_be_sorted(names: list[str]) -> None:
    ordered = chromosome_order(names)
    assert sorted(ordered) == sorted(names)
    assert chromosome_order(names[::-1]) == ordered
