from __future__ import annotations

import numpy as np
import pytest

from scvi_xmodal.datasets._features import named_table, peak_table


@pytest.mark.parametrize(("n_peaks", "n_chromosomes"), [(1, 1), (1, 4), (10, 3), (600, 4)])
def test_peaks_are_spread_evenly_and_in_genome_order(n_peaks, n_chromosomes, rng):
    table = peak_table(n_peaks, n_chromosomes, rng)
    assert table.index.is_unique
    counts = table["chrom"].value_counts()
    assert len(table) == counts.sum() == n_peaks
    assert counts.max() - counts.min() <= 1
    assert list(counts.sort_index().index) == [
        f"chr{k + 1}" for k in range(min(n_peaks, n_chromosomes))
    ]
    for _, chromosome in table.groupby("chrom"):
        edges = chromosome[["start", "end"]].to_numpy().ravel()
        assert (np.diff(edges) > 0).all()


def test_a_peaks_name_is_its_interval(rng):
    table = peak_table(5, 2, rng)
    expected = [f"{c}:{s}-{e}" for c, s, e in table[["chrom", "start", "end"]].itertuples(False)]
    assert list(table.index) == expected
    assert table["start"].dtype == table["end"].dtype == np.int64


def test_named_table_counts_from_zero():
    assert list(named_table("gene", 3).index) == ["gene_0", "gene_1", "gene_2"]
