"""Peaks mapped onto other peaks, against loops over all pairs of intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from scvi_xmodal.data import RowReader
from scvi_xmodal.data._peaks import Peaks
from scvi_xmodal.data._repool import RepoolReport, pool_peaks

INTERVALS = st.lists(
    st.tuples(st.sampled_from(["chr1", "chr2", "X"]), st.integers(0, 30), st.integers(1, 12)),
    min_size=1,
    max_size=12,
)


def peaks(intervals):
    """Build peaks from (chromosome, start, length)."""
    chrom, start, length = zip(*intervals, strict=True)
    start, length = np.array(start, dtype=np.int64), np.array(length, dtype=np.int64)
    known = np.ones(start.size, dtype=bool)
    return Peaks(np.array(chrom, dtype=object), start, start + length, known)


def overlaps(first, second):
    """Compare each base of each pair."""
    own = [
        {(c, base) for base in range(s, s + n)} if n else set() for c, s, n in (*first, *second)
    ]
    pairs = [[bool(a & b) for b in own[len(first) :]] for a in own[: len(first)]]
    return np.array(pairs).reshape(len(first), len(second))


@given(INTERVALS, INTERVALS, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_pooling_is_an_or_over_overlapping_peaks(source, target, seed):
    shared = overlaps(source, target)
    if not shared.any():
        with pytest.raises(ValueError, match="None of the"):
            pool_peaks(peaks(source), peaks(target))
        return
    pool = pool_peaks(peaks(source), peaks(target))
    np.testing.assert_array_equal(pool.mapping.toarray(), shared)
    known = {chrom for chrom, _, _ in target}
    assert pool.report == RepoolReport(
        n_source=len(source),
        n_used=int(shared.any(axis=1).sum()),
        n_elsewhere=sum(chrom not in known for chrom, _, _ in source),
        n_target=len(target),
        n_covered=int(shared.any(axis=0).sum()),
    )
    counts = np.random.default_rng(seed).poisson(0.5, size=(4, len(source)))
    expected = [[(row[column] > 0).any() for column in shared.T] for row in counts]
    pooled = pool.apply(sparse.csr_matrix(counts))
    assert pooled.dtype == np.float32
    assert pooled.has_canonical_format
    np.testing.assert_array_equal(pooled.toarray(), np.array(expected, dtype=np.float32))
    assert pooled.nnz == np.sum(expected)


def test_stored_zeros_are_closed_and_counts_are_left_alone():
    pool = pool_peaks(peaks([("1", 0, 5), ("1", 9, 5)]), peaks([("1", 4, 6)]))
    counts = sparse.csr_matrix(
        (np.array([0.0, 3.0, 2.0]), np.array([0, 1, 1]), np.array([0, 1, 3])), shape=(2, 2)
    )
    pooled = pool.apply(counts)
    assert pooled.toarray().tolist() == [[0], [1]]
    assert pooled.nnz == 1
    assert counts.data.tolist() == [0, 3, 2]


def test_a_reader_pools_what_it_reads(as_layout):
    source, target = [("1", 0, 5), ("1", 9, 5), ("2", 0, 5)], [("2", 1, 1), ("1", 3, 9)]
    pool = pool_peaks(peaks(source), peaks(target)).ordered(np.array([1, 0]))
    counts = np.array([[1, 1, 0], [0, 0, 4], [0, 0, 0], [2, 0, 1]], dtype=np.float32)
    expected = np.array([[1, 0], [0, 1], [0, 0], [1, 1]])
    for layout in ("dense", "csc_matrix", "unsorted", "h5ad_csr", "zarr_dense"):
        reader = RowReader(as_layout(counts, layout), n_features=2, pool=pool)
        rows = np.array([3, 0, 3])
        np.testing.assert_array_equal(reader.rows(rows).toarray(), expected[rows])
        blocks = [block.toarray() for block in reader.blocks(size=3)]
        np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_messages_name_chromosomes_and_the_mend():
    with pytest.raises(ValueError, match=r"chromosomes are named \['1'\], the target's \['chr1'"):
        pool_peaks(peaks([("1", 0, 5)]), peaks([("chr1", 0, 5)]))
    with pytest.raises(ValueError, match=r"another genome assembly\? pp.liftover"):
        pool_peaks(peaks([("chr1", 0, 5)]), peaks([("chr1", 5, 5), ("chr2", 0, 5)]))
    pool = pool_peaks(peaks([("1", 0, 5), ("Un", 0, 5)]), peaks([("1", 0, 5), ("1", 9, 1)]))
    assert "1 of 2 target peaks (50.0%)" in pool.describe()
    assert "1 of 2 measured peaks overlap none" in pool.describe()
    assert "1 of them on chromosomes without target peaks, such as ['Un']" in pool.describe()
