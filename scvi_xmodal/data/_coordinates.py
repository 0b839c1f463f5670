"""Where peaks lie, read from a table of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scvi_xmodal.data._peaks import Peaks, parse_peaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = ("chrom", "start", "end")


def peak_coordinates(var: pd.DataFrame) -> Peaks:
    """Read coordinates from columns, from names, or from muon's column ``interval``.

    Parameters
    ----------
    var
        Table of peaks, indexed by name. The columns ``chrom``, ``start`` and ``end`` come first;
        where they are missing or invalid, the name is read, then ``interval``.

    Returns
    -------
    Coordinates; peaks without any are marked by ``parsed``.

    Examples
    --------
    >>> import pandas as pd
    >>> from scvi_xmodal.data._coordinates import peak_coordinates
    >>> peak_coordinates(pd.DataFrame(index=["chr1:10-20", "peak2"])).start.tolist()
    [10, -1]
    """
    peaks = _from_columns(var)
    for names in (var.index, var.get("interval")):
        if names is not None and not peaks.parsed.all():
            peaks = _fill(peaks, parse_peaks(names))
    return peaks


def read_coordinates(var: pd.DataFrame, *, name: str) -> Peaks:
    """Read the coordinates of peaks that all must have some.

    Parameters
    ----------
    var
        Table of peaks.
    name
        How messages call them.

    Raises
    ------
    ValueError
        If there are no peaks, or one has no coordinates or start >= end.
    """
    if not len(var):
        raise ValueError(f"{name} has no peaks.")
    peaks = peak_coordinates(var)
    if not peaks.parsed.all():
        raise ValueError(
            f"{name}: {describe_missing(var.index, peaks)} Name peaks as chrom:start-end with "
            "start < end, or fill the columns chrom, start and end of var; "
            "pp.annotate_peaks(..., on_error='keep') marks the others so that they can be dropped."
        )
    return peaks


def describe_missing(names: pd.Index, peaks: Peaks) -> str:
    """Say how many peaks have no coordinates, and name some."""
    bad = names[~peaks.parsed]
    return f"{bad.size} of {names.size} peaks have no coordinates, such as {list(bad[:3])}."


def as_frame(peaks: Peaks) -> pd.DataFrame:
    """Return coordinates as a table of ``chrom``, ``start`` and ``end``, as bioframe reads it."""
    return pd.DataFrame({column: getattr(peaks, column) for column in COLUMNS})


def peak_names(chrom: NDArray, start: NDArray, end: NDArray) -> pd.Index:
    """Return names such as ``chr1:10-20``."""
    parts = (pd.Series(values).astype(str) for values in (chrom, start, end))
    chroms, starts, ends = parts
    return pd.Index((chroms + ":" + starts + "-" + ends).to_numpy(dtype=object), dtype=object)


def _fill(peaks: Peaks, others: Peaks) -> Peaks:
    """Return the first coordinates, and the others where the first are missing."""
    filled = (
        np.where(peaks.parsed, getattr(peaks, field), getattr(others, field))
        for field in (*COLUMNS, "parsed")
    )
    return Peaks(*filled)


def _from_columns(var: pd.DataFrame) -> Peaks:
    if not set(COLUMNS) <= set(var):
        nothing = np.full(len(var), -1, dtype=np.int64)
        chrom = np.full(len(var), "", dtype=object)
        return Peaks(chrom, nothing, nothing, np.zeros(len(var), dtype=bool))
    start = pd.to_numeric(var["start"].astype(object), errors="coerce").to_numpy(np.float64)
    end = pd.to_numeric(var["end"].astype(object), errors="coerce").to_numpy(np.float64)
    chrom = var["chrom"].astype(object).where(var["chrom"].notna().to_numpy(), "").astype(str)
    whole = (start == np.floor(start)) & (end == np.floor(end))  # False for missing values
    valid = whole & (start >= 0) & (start < end) & (end < 2.0**53) & (chrom != "").to_numpy()
    return Peaks(
        np.where(valid, chrom.to_numpy(dtype=object), ""),
        np.where(valid, start, -1).astype(np.int64),
        np.where(valid, end, -1).astype(np.int64),
        valid,
    )
