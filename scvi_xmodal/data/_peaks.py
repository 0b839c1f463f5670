"""Where peaks lie, read from their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# The last two numbers are start and end, whatever parts them; the rest is the chromosome, which
# may itself hold separators (chr1_KI270706v1_random) and versions (GL000194.1). No genome needs
# more than 15 digits, and so many still fit an int64 and a float64.
_NAME = r"^([A-Za-z0-9][\w.\-*:]*?)(?<![:_\-])[:_\-](\d{1,15})[_\-](\d{1,15})\Z"


@dataclass(frozen=True, eq=False)
class Peaks:
    """Coordinates of peaks, half-open and 0-based as in BED.

    Parameters
    ----------
    chrom
        Chromosome of each peak, of shape (n_peaks,); empty where the name has none.
    start, end
        Coordinates of shape (n_peaks,); -1 where the name has none.
    parsed
        Whether the name held coordinates with start < end, of shape (n_peaks,).
    """

    chrom: NDArray[np.object_]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    parsed: NDArray[np.bool_]


def parse_peaks(names: Iterable[Any]) -> Peaks:
    """Read coordinates from names such as ``chr1:10-20``, ``chr1-10-20`` or ``chr1_10_20``.

    Contigs (``KI270713.1:10-20``, ``chr1_KI270706v1_random_10_20``) and Ensembl style
    (``1:10-20``) are read too. An interval with start >= end holds no base, so such a name is
    marked like one without coordinates; the caller knows whether that is an error.

    Parameters
    ----------
    names
        Names of shape (n_peaks,).

    Returns
    -------
    Coordinates; names without any, or with start >= end, are marked by ``parsed``.

    Examples
    --------
    >>> from scvi_xmodal.data._peaks import parse_peaks
    >>> peaks = parse_peaks(["chr1:10-20", "chr2_5_9", "peak7"])
    >>> peaks.chrom.tolist(), peaks.start.tolist(), peaks.parsed.tolist()
    (['chr1', 'chr2', ''], [10, 5, -1], [True, True, False])
    """
    series = pd.Series(np.asarray(list(names), dtype=object)).astype(str)
    parts = series.str.extract(_NAME, flags=re.ASCII)
    start = pd.to_numeric(parts[1]).fillna(-1).to_numpy(np.int64)
    end = pd.to_numeric(parts[2]).fillna(-1).to_numpy(np.int64)
    parsed = start < end
    chrom = np.where(parsed, parts[0].to_numpy(dtype=object), "")
    return Peaks(chrom, np.where(parsed, start, -1), np.where(parsed, end, -1), parsed)


def chromosome_order(chromosomes: Iterable[str]) -> list[str]:
    """Sort chromosome names as a person would: 1, 2, 10, X, Y, M, then contigs.

    Arms count as their chromosome's (2L, 2R, 3L), numbers within a contig's name as numbers.

    Examples
    --------
    >>> from scvi_xmodal.data._peaks import chromosome_order
    >>> chromosome_order(["chrX", "chr10", "GL000194.1", "chr2", "chrM"])
    ['chr2', 'chr10', 'chrX', 'chrM', 'GL000194.1']
    """
    return sorted(chromosomes, key=_rank)


_SEX_AND_ORGANELLE = {name: i for i, name in enumerate(["X", "Y", "Z", "W", "M", "MT"])}
_NUMBERED = re.compile(r"([0-9]+)([A-Za-z]?)")
_NUMBER = re.compile(r"([0-9]+)")


def _rank(name: str) -> tuple[int, tuple[Any, ...], str]:
    short = re.sub("^chr", "", name, flags=re.IGNORECASE).upper()
    if numbered := _NUMBERED.fullmatch(short):
        return (0, (int(numbered[1]), numbered[2]), name)
    if short in _SEX_AND_ORGANELLE:
        return (1, (_SEX_AND_ORGANELLE[short],), name)
    # text and numbers alternate, beginning with text, so that like is compared with like
    parts = _NUMBER.split(name)
    return (2, tuple(int(p) if i % 2 else p for i, p in enumerate(parts)), name)
