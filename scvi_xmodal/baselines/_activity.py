"""How much each peak counts for each gene: ArchR's gene-score rule on peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_WINDOW = 1_000


@dataclass(frozen=True)
class ActivityRule:
    """Numbers of the rule, in base pairs where they are lengths.

    Parameters
    ----------
    window
        How far from a gene peaks count.
    upstream
        How far the gene body is extended upstream.
    decay
        Distance over which a peak's weight falls to 1/e of what can fall.
    length_factor
        Weight of the shortest gene; the longest has 1.
    """

    window: int = 100_000
    upstream: int = 5_000
    decay: float = 5_000.0
    length_factor: float = 5.0


def activity_weights(
    peaks: pd.DataFrame, genes: pd.DataFrame, rule: ActivityRule
) -> sparse.csc_matrix:
    r"""Return the weight of each peak for each gene.

    .. math:: w_{pg} = \left(e^{-d_{pg} / 5000} + e^{-1}\right) \cdot
        \left(1 + 4 \, \frac{m_g - \min m}{\max m - \min m}\right), \quad m_g = 1 / L_g

    for peaks within 100,000 bp of the gene and not beyond its neighbours. The distance d, in bp,
    is 0 on the gene body extended by 5,000 bp upstream, of length L (Granja et al. 2021,
    Methods, "ArchR gene scores"). A window ends at the nearest gene that lies wholly to that
    side, but reaches 1,000 bp at least; genes that overlap the gene do not end it.

    Parameters
    ----------
    peaks
        ``chrom``, ``start`` and ``end`` of each peak, half-open.
    genes
        ``chrom``, ``start``, ``end`` and ``strand`` of each gene, half-open.
    rule
        The rule's numbers.

    Returns
    -------
    Weights of shape (n_peaks, n_genes), sparse.
    """
    import bioframe

    bodies = _extended(genes, rule.upstream)
    windows = _windows(genes, bodies, rule.window).assign(gene=np.arange(len(genes)))
    places = peaks[["chrom", "start", "end"]].assign(peak=np.arange(len(peaks)))
    found = bioframe.overlap(
        windows, places.reset_index(drop=True), how="inner", suffixes=("", "_of")
    )
    gene, peak = (found[c].to_numpy(np.int64) for c in ("gene", "peak_of"))
    start, end = (found[c].to_numpy(np.int64) for c in ("start_of", "end_of"))
    body_start, body_end = (bodies[c].to_numpy()[gene] for c in ("start", "end"))
    distance = np.maximum(np.maximum(start - body_end, body_start - end), 0)
    weights = np.exp(-distance / rule.decay) + np.exp(-1.0)
    weights *= _length_weights(bodies, rule.length_factor)[gene]
    return sparse.csc_matrix((weights, (peak, gene)), shape=(len(peaks), len(genes)))


def _extended(genes: pd.DataFrame, upstream: int) -> pd.DataFrame:
    forward = (genes["strand"] == "+").to_numpy()
    start = genes["start"].to_numpy() - np.where(forward, upstream, 0)
    end = genes["end"].to_numpy() + np.where(forward, 0, upstream)
    return pd.DataFrame(
        {"chrom": genes["chrom"].to_numpy(), "start": np.maximum(start, 0), "end": end}
    )


def _windows(genes: pd.DataFrame, bodies: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return, for each gene, where its peaks may lie."""
    left, right = _neighbours(genes)
    own = bodies["start"].to_numpy(), bodies["end"].to_numpy()
    least = min(_LEAST_WINDOW, window)
    start = np.minimum(np.maximum(own[0] - window, left), own[0] - least)
    end = np.maximum(np.minimum(own[1] + window, right), own[1] + least)
    return bodies.assign(start=np.maximum(start, 0), end=end)


def _neighbours(genes: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the end of the nearest gene wholly to the left, and the start of that to the right.

    Where there is none, 0 and the largest integer.
    """
    left = np.zeros(len(genes), dtype=np.int64)
    right = np.full(len(genes), np.iinfo(np.int64).max)
    start, end = genes["start"].to_numpy(), genes["end"].to_numpy()
    for rows in genes.groupby("chrom").indices.values():
        ends, starts = np.sort(end[rows]), np.sort(start[rows])
        before = np.searchsorted(ends, start[rows], side="right")
        after = np.searchsorted(starts, end[rows], side="left")
        left[rows] = np.r_[0, ends][before]
        right[rows] = np.r_[starts, np.iinfo(np.int64).max][after]
    return left, right


def _length_weights(bodies: pd.DataFrame, factor: float) -> NDArray[np.float64]:
    """Return 1 for the longest gene to ``factor`` for the shortest, linear in 1 / length."""
    inverse = 1.0 / (bodies["end"] - bodies["start"]).to_numpy(np.float64)
    if not inverse.size or np.ptp(inverse) == 0:
        return np.ones_like(inverse)
    return 1.0 + (factor - 1.0) * (inverse - inverse.min()) / np.ptp(inverse)
