"""Peaks in the coordinates of another genome assembly."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._coordinates import COLUMNS, peak_names, read_coordinates
from scvi_xmodal.data._modalities import check_kind
from scvi_xmodal.pp._copy import copy_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal.data._peaks import Peaks

_FEWEST = 0.5


@dataclass(frozen=True)
class LiftoverReport:
    """What became of peaks on their way to another assembly.

    Parameters
    ----------
    n_peaks
        Peaks there were.
    n_lifted
        Peaks that are kept; ``n_moved`` of them.
    n_unmapped
        Dropped: an end has no place in the new assembly, or the ends are torn apart, onto
        two chromosomes or strands.
    n_resized
        Dropped: the length changed by more than was allowed.
    n_repeated
        Dropped: another peak was lifted onto exactly the same place.
    n_moved
        Kept: peaks that now lie on another chromosome.
    """

    n_peaks: int
    n_lifted: int
    n_unmapped: int
    n_resized: int
    n_repeated: int
    n_moved: int


def liftover(adata: AnnData, chain: str | Path, *, max_resize: float = 0.2) -> AnnData:
    r"""Return a copy with peaks in another assembly's coordinates; those that have none go.

    The first and last base of each peak are looked up in the chain file by the package
    ``liftover``. (The UCSC program, which BABEL calls, asks instead that 95 % of a peak's bases
    map; a peak with a piece of its inside missing is judged by its length here.) What was
    dropped is said in a warning and kept in ``uns["liftover"]``, with the fields of
    :class:`LiftoverReport`.

    A chain knows no assembly by name: one that fits the data by chance, such as hg38 to hg19 on
    hg19 peaks, cannot be told from the right one.

    Parameters
    ----------
    adata
        Peaks with coordinates in ``chrom``, ``start`` and ``end`` of ``var``, or in their names;
        stays as it is.
    chain
        UCSC chain file from the peaks' assembly, such as ``hg19ToHg38.over.chain.gz`` from
        ``hgdownload.soe.ucsc.edu``. Nothing is downloaded.
    max_resize
        Largest change of a peak's length, as a share of it.

    Returns
    -------
    AnnData with fewer peaks in their old order, named ``chrom:start-end``. ``var`` holds the new
    ``chrom``, ``start`` and ``end``, and the old name in ``lifted_from``; chromosomes are named
    as in the chain file.

    Raises
    ------
    ImportError
        Without liftover: ``pip install 'scvi-xmodal[liftover]'``.
    ValueError
        If a peak has no coordinates or start >= end, the chain file is missing or no chain file,
        or fewer than half of the peaks can be lifted.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> chain = Path(tempfile.mkdtemp()) / "oldToNew.over.chain"  # all of chr1, 20 bases further
    >>> _ = chain.write_text("chain 9 chr1 100 + 0 100 chr1 120 + 20 120 1\n100\n")
    >>> adata = AnnData(np.ones((1, 2)))
    >>> adata.var_names = ["chr1:10-20", "chr1:50-60"]
    >>> xm.pp.liftover(adata, chain).var_names.tolist()
    ['chr1:30-40', 'chr1:70-80']
    """
    check_arguments(locals())
    if not isinstance(adata, AnnData):
        raise ValueError(f"An AnnData is needed, got {type(adata).__name__}: give one modality.")
    check_kind(adata, "atac", "This function")
    if not max_resize >= 0:
        raise ValueError(f"max_resize={max_resize} must be 0 or more.")
    old = read_coordinates(adata.var, name="adata")
    new = _lift(old, _open_chain(chain))
    keep, report = _judge(old, new, max_resize)
    if report.n_lifted < _FEWEST * report.n_peaks:
        raise ValueError(
            f"{str(chain)!r} lifts only {report.n_lifted} of {report.n_peaks} peaks "
            f"({report.n_unmapped} unmapped, {report.n_resized} resized): it is for another "
            f"assembly. The peaks are named {list(map(str, adata.var_names[:3]))}."
        )
    if report.n_lifted < report.n_peaks:
        warnings.warn(
            f"{report.n_peaks - report.n_lifted} of {report.n_peaks} peaks could not be lifted "
            f"and are dropped: {report.n_unmapped} unmapped, {report.n_resized} resized, "
            f"{report.n_repeated} repeated.",
            UserWarning,
            stacklevel=2,
        )
    return _relabel(copy_features(adata, {None: keep}), new[keep], report)


def _open_chain(chain: str | Path) -> Any:
    try:
        from liftover import ChainFile
    except ImportError as error:
        raise ImportError(
            "Lifting needs liftover: pip install 'scvi-xmodal[liftover]'."
        ) from error
    if not Path(chain).is_file():
        raise ValueError(
            f"There is no chain file {str(chain)!r}. UCSC offers them at "
            "https://hgdownload.soe.ucsc.edu/goldenPath/hg19/liftOver/ (hg19ToHg38.over.chain.gz)."
        )
    try:
        return ChainFile(str(chain))
    except ValueError as error:
        raise ValueError(f"{str(chain)!r} is no chain file: {error}.") from error


def _lift(peaks: Peaks, chain: Any) -> pd.DataFrame:
    """Return new ``chrom``, ``start`` and ``end``; ``chrom`` is empty for unmapped peaks."""
    first = _look_up(chain, peaks.chrom, peaks.start)
    last = _look_up(chain, peaks.chrom, peaks.end - 1)
    # on the other strand, the first base comes last
    start = np.minimum(first["base"], last["base"])
    end = np.maximum(first["base"], last["base"]) + 1
    whole = (
        (first["chrom"] != "")
        & (first["chrom"] == last["chrom"])
        & (first["strand"] == last["strand"])
    )
    table = pd.DataFrame({"chrom": first["chrom"], "start": start, "end": end})
    return table.assign(chrom=table["chrom"].where(whole, ""))


def _look_up(chain: Any, chrom: NDArray, base: NDArray) -> pd.DataFrame:
    # the package takes one base at a time, about a million a second; chains are sorted by score
    nowhere = ("", -1, "")
    hits = [chain.query(c, b) for c, b in zip(chrom.tolist(), base.tolist(), strict=True)]
    best = [hit[0] if hit else nowhere for hit in hits]
    return pd.DataFrame(best, columns=["chrom", "base", "strand"])


def _judge(
    old: Peaks, new: pd.DataFrame, max_resize: float
) -> tuple[NDArray[np.bool_], LiftoverReport]:
    """Mark the peaks to keep."""
    length = old.end - old.start
    mapped = (new["chrom"] != "").to_numpy()
    change = np.abs((new["end"] - new["start"]).to_numpy() - length)
    resized = mapped & (change > max_resize * length)
    sound = mapped & ~resized
    repeated = np.zeros_like(sound)
    repeated[sound] = new[sound].duplicated().to_numpy()
    keep = sound & ~repeated
    moved = keep & (_bare(new["chrom"]) != _bare(pd.Series(old.chrom)))
    counts = {
        "n_peaks": keep,
        "n_lifted": keep,
        "n_unmapped": ~mapped,
        "n_resized": resized,
        "n_repeated": repeated,
        "n_moved": moved,
    }
    numbers = {name: int(marked.sum()) for name, marked in counts.items()}
    return keep, LiftoverReport(**{**numbers, "n_peaks": keep.size})


def _bare(chrom: pd.Series) -> NDArray:
    return chrom.astype(str).str.replace("^chr", "", regex=True).to_numpy(dtype=object)


def _relabel(adata: AnnData, new: pd.DataFrame, report: LiftoverReport) -> AnnData:
    adata.var["lifted_from"] = adata.var_names.to_numpy(dtype=object)
    for column in COLUMNS:
        adata.var[column] = new[column].to_numpy()
    adata.var_names = peak_names(*(new[column].to_numpy() for column in COLUMNS))
    if "interval" in adata.var:  # muon's column, which would still tell of the old place
        adata.var["interval"] = adata.var_names.to_numpy(dtype=object)
    adata.uns["liftover"] = asdict(report)
    return adata
