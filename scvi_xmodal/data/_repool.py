"""Counts of one set of peaks as another set sees them."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scvi_xmodal._callers import level_of_user
from scvi_xmodal.data._coordinates import as_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal.data._peaks import Peaks


@dataclass(frozen=True)
class RepoolReport:
    """How much of each set of peaks the other one covers.

    Parameters
    ----------
    n_source
        Peaks that were measured.
    n_used
        Those of them that overlap a target peak; the others are dropped.
    n_elsewhere
        Those of them that lie on chromosomes without any target peak.
    n_target
        Peaks that were asked for.
    n_covered
        Those of them that overlap a measured peak; the others are closed in every cell.

    Examples
    --------
    >>> from scvi_xmodal.pp import RepoolReport
    >>> RepoolReport(n_source=4, n_used=3, n_elsewhere=1, n_target=10, n_covered=6).coverage
    0.6
    """

    n_source: int
    n_used: int
    n_elsewhere: int
    n_target: int
    n_covered: int

    @property
    def coverage(self) -> float:
        """Share of the target peaks that overlap a measured peak."""
        return self.n_covered / max(self.n_target, 1)

    def record(self) -> dict[str, float]:
        """Return the numbers and the coverage, as ``uns`` and files can hold them."""
        return {**asdict(self), "coverage": self.coverage}


@dataclass(frozen=True, eq=False)
class PeakPool:
    """Which peaks of one set overlap which of another.

    Parameters
    ----------
    mapping
        1 where peaks overlap: CSR float32 of shape (n_source, n_target).
    report
        How much is covered.
    elsewhere
        Chromosomes of source peaks that have no target peak.
    """

    mapping: sparse.csr_matrix
    report: RepoolReport
    elsewhere: tuple[str, ...]

    def apply(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        r"""Open each target peak that overlaps an open source peak.

        .. math:: y_{ij} = \bigvee_{k \,:\, k \cap j \neq \emptyset} \left[x_{ik} > 0\right]

        Parameters
        ----------
        counts
            CSR of shape (n_cells, n_source).

        Returns
        -------
        Zeros and ones as CSR float32 of shape (n_cells, n_target), indices sorted.
        """
        is_open = (counts.data != 0).astype(np.float32)
        parts = (is_open, counts.indices, counts.indptr)
        pooled = sparse.csr_matrix(parts, shape=counts.shape) @ self.mapping
        pooled.eliminate_zeros()
        pooled.data[:] = 1
        pooled.sort_indices()
        return pooled

    def ordered(self, order: NDArray[np.int64]) -> PeakPool:
        """Return the same with target peaks in another order."""
        return replace(self, mapping=self.mapping[:, order])

    def describe(self) -> str:
        """Say what was covered and what was dropped."""
        report = self.report
        text = (
            f"{report.n_covered} of {report.n_target} target peaks ({report.coverage:.1%}) "
            "overlap a measured peak, and the others count as closed in every cell; "
            f"{report.n_source - report.n_used} of {report.n_source} measured peaks overlap none "
            "and are dropped"
        )
        if report.n_elsewhere:
            text += (
                f", {report.n_elsewhere} of them on chromosomes without target peaks, such as "
                f"{list(self.elsewhere[:3])}"
            )
        return f"{text}."

    def warn(self) -> None:
        """Tell the caller of the package what was covered, unless all was and all is used."""
        report = self.report
        if report.n_covered < report.n_target or report.n_used < report.n_source:
            warnings.warn(self.describe(), UserWarning, stacklevel=level_of_user())


def pool_peaks(source: Peaks, target: Peaks) -> PeakPool:
    """Find which source peaks overlap which target peaks.

    Peaks overlap if they share a base; intervals are half-open, so that touching ones do not
    (BABEL, Methods). Either set may be unsorted and may overlap itself.

    Parameters
    ----------
    source
        Peaks that were measured; all with coordinates.
    target
        Peaks to map onto; all with coordinates.

    Raises
    ------
    ValueError
        If no peaks overlap.
    """
    import bioframe  # not at import: it loads plotting

    overlaps = bioframe.overlap(
        as_frame(source), as_frame(target), how="inner", return_input=False, return_index=True
    )
    rows, columns = (overlaps[name].to_numpy(np.int64) for name in ("index", "index_"))
    shape = (source.chrom.size, target.chrom.size)
    mapping = sparse.csr_matrix((np.ones(rows.size, dtype=np.float32), (rows, columns)), shape)
    known = set(target.chrom)
    elsewhere = np.array([chrom not in known for chrom in source.chrom], dtype=bool)
    if not rows.size:
        raise ValueError(_describe_strangers(source, target, bool(elsewhere.all())))
    report = RepoolReport(
        n_source=shape[0],
        n_used=int((np.diff(mapping.indptr) > 0).sum()),
        n_elsewhere=int(elsewhere.sum()),
        n_target=shape[1],
        n_covered=int((np.bincount(columns, minlength=shape[1]) > 0).sum()),
    )
    return PeakPool(mapping, report, tuple(sorted(set(source.chrom[elsewhere]))))


def _describe_strangers(source: Peaks, target: Peaks, other_chromosomes: bool) -> str:
    own, wanted = (sorted(set(peaks.chrom))[:3] for peaks in (source, target))
    message = f"None of the {source.chrom.size} peaks overlaps any of the {target.chrom.size}"
    if other_chromosomes:
        return (
            f"{message} target peaks: the chromosomes are named {own}, the target's {wanted}. "
            "Name them alike."
        )
    return (
        f"{message} target peaks. Are they of another genome assembly? pp.liftover(adata, chain) "
        "moves them."
    )
