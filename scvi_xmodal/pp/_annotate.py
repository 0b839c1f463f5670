"""Peaks with coordinates."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

from mudata import MuData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._coordinates import COLUMNS, describe_missing, peak_coordinates
from scvi_xmodal.pp._cells import pick_kind
from scvi_xmodal.pp._copy import copy_features

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import NDArray


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
    check_arguments(locals())
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
    peaks = peak_coordinates(var)
    if not peaks.parsed.all():
        message = describe_missing(var.index, peaks)
        if on_error == "raise":
            raise ValueError(
                f"{message} Name peaks as chrom:start-end with start < end, fill the columns "
                "chrom, start and end of var, or pass on_error='keep'."
            )
        warnings.warn(f"{message} They are kept without.", UserWarning, stacklevel=stacklevel)
    return {column: getattr(peaks, column) for column in COLUMNS}
