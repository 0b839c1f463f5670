"""Name the features of a simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd

PEAK_SPACING = 3000
"""Base pairs between the slots that peaks lie in; the largest peak is shorter."""


def named_table(prefix: str, n_features: int) -> pd.DataFrame:
    """Return an empty ``var`` of ``n_features`` rows named ``prefix_0``, ``prefix_1``, ..."""
    return pd.DataFrame(index=pd.Index([f"{prefix}_{k}" for k in range(n_features)]))


def peak_table(n_peaks: int, n_chromosomes: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return ``var`` of disjoint peaks in genome order, named ``chr1:10000-10500``.

    Parameters
    ----------
    n_peaks
        Number of peaks.
    n_chromosomes
        Number of chromosomes; they get equally many peaks, the first perhaps one more.
    rng
        Source of randomness for starts and widths.

    Returns
    -------
    pandas.DataFrame
        Columns ``chrom``, ``start`` and ``end``; one row a peak.
    """
    share, left_over = divmod(n_peaks, n_chromosomes)
    per_chromosome = share + (np.arange(n_chromosomes) < left_over)
    chromosome = np.repeat(np.arange(n_chromosomes), per_chromosome)
    slot = np.arange(n_peaks) - (np.cumsum(per_chromosome) - per_chromosome)[chromosome]
    start = 10_000 + PEAK_SPACING * slot + rng.integers(0, 1000, size=n_peaks)
    end = start + rng.integers(300, 1000, size=n_peaks)
    table = pd.DataFrame({"chrom": chromosome + 1, "start": start, "end": end}).astype(
        {"start": np.int64, "end": np.int64}
    )
    table["chrom"] = "chr" + table["chrom"].astype(str)
    names = table["chrom"] + ":" + table["start"].astype(str) + "-" + table["end"].astype(str)
    return table.set_index(pd.Index(names.to_numpy()))
