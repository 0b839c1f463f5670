"""Peaks with coordinates."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from mudata import MuData

from scvi_xmodal.data._peaks import Peaks, parse_peaks
from scvi_xmodal.pp._cells import pick_kind
from scvi_xmodal.pp._copy import copy_features

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

_COLUMNS = ("chrom", "start", "end")


def annotate_peaks(
    data: AnnData | MuData,
    *,
    modality: str | None = None,
    on_error: Literal["raise", "keep"] = "raise",
) -> AnnData | MuData:
    """Return a copy whose peaks have ``chrom``, ``start`` and ``end`` in ``var``.

    Coordinates are taken from those columns where they are valid, else from the peak's name
    (``chr1:10-20``, ``chr1-10-20``, ``chr1_10_20``, contigs, Ensembl style ``1:10-20``), else
    from a column ``interval`` as muon reads it from 10x files. Names and order stay.

    Parameters
    ----------
    data
        An AnnData of peaks, or a MuData with an ATAC modality.
    modality
        Key of the MuData's modality; found by kind by default.
    on_error
        What to do with peaks without coordinates:

        * ``"raise"``: refuse
        * ``"keep"``: warn, and give them ``chrom=""`` and ``start=end=-1``

    Returns
    -------
    A copy of what was given. ``var["start"]`` and ``var["end"]`` are int64, in base pairs,
    half-open and 0-based as in BED.

    Raises
    ------
    ValueError
        If a peak has no coordinates, or if they have start >= end.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> adata = AnnData(np.ones((1, 2)))
    >>> adata.var_names = ["chr2:10-20", "chrX_5_9"]
    >>> xm.pp.annotate_peaks(adata).var
               chrom  start  end
    chr2:10-20  chr2     10   20
    chrX_5_9    chrX      5    9
    """
    if on_error not in ("raise", "keep"):
        raise ValueError(f"on_error={on_error!r}; known are 'raise' and 'keep'.")
    key, atac = pick_kind(data, "atac", modality)
    columns = peak_columns(atac.var, on_error=on_error, stacklevel=3)
    result = copy_features(data, {})
    annotated = result.mod[key] if isinstance(result, MuData) else result
    for column, values in columns.items():
        annotated.var[column] = values
    return result


def peak_columns(
    var: pd.DataFrame, *, on_error: Literal["raise", "keep"], stacklevel: int
) -> dict[str, NDArray[Any]]:
    """Return ``chrom``, ``start`` and ``end`` of peaks, each of shape (n_peaks,).

    Raises
    ------
    ValueError
        If a peak has no coordinates and ``on_error`` is ``"raise"``.
    """
    peaks = _coordinates(var)
    if not peaks.parsed.all():
        message = _describe_missing(var.index, peaks)
        if on_error == "raise":
            raise ValueError(
                f"{message} Name peaks as chrom:start-end with start < end, fill the columns "
                "chrom, start and end of var, or pass on_error='keep'."
            )
        warnings.warn(f"{message} They are kept without.", UserWarning, stacklevel=stacklevel)
    return {column: getattr(peaks, column) for column in _COLUMNS}


def _describe_missing(names: pd.Index, peaks: Peaks) -> str:
    bad = names[~peaks.parsed]
    return f"{bad.size} of {names.size} peaks have no coordinates, such as {list(bad[:3])}."


def _coordinates(var: pd.DataFrame) -> Peaks:
    peaks = _from_columns(var)
    for names in (var.index, var.get("interval")):
        if names is not None and not peaks.parsed.all():
            peaks = _fill(peaks, parse_peaks(names))
    return peaks


def _fill(peaks: Peaks, others: Peaks) -> Peaks:
    """Return the first coordinates, and the others where the first are missing."""
    filled = (
        np.where(peaks.parsed, getattr(peaks, field), getattr(others, field))
        for field in (*_COLUMNS, "parsed")
    )
    return Peaks(*filled)


def _from_columns(var: pd.DataFrame) -> Peaks:
    if not set(_COLUMNS) <= set(var):
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
