"""One set of peaks that do not overlap, from one or several that do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from anndata import AnnData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._coordinates import COLUMNS, as_frame, peak_names, read_coordinates
from scvi_xmodal.data._modalities import check_kind
from scvi_xmodal.data._peaks import chromosome_order
from scvi_xmodal.pp._align import as_table
from scvi_xmodal.pp._repool import repool_peaks

if TYPE_CHECKING:
    from collections.abc import Sequence


def union_peaks(
    *peak_sets: AnnData | pd.DataFrame | pd.Index | Sequence[str],
) -> pd.DataFrame:
    """Merge overlapping peaks of one or several sets into the regions that they cover.

    Peaks that share a base become one, from the first start to the last end; peaks that merely
    touch stay apart. As in BABEL (Methods), which re-pools every data set on the union before it
    trains on several.

    Parameters
    ----------
    *peak_sets
        Names, ``var`` tables, or AnnDatas, all of one genome assembly.

    Returns
    -------
    Table with ``chrom``, ``start`` and ``end`` (int64, in base pairs, half-open), indexed by
    ``chrom:start-end`` and sorted by chromosome and start; a target for :func:`repool_peaks`.

    Raises
    ------
    ValueError
        If there are no peaks, or one has no coordinates or start >= end.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> first, second = ["chr1:10-20", "chr1:40-50"], ["chr1:15-30", "chr1:50-60"]
    >>> xm.pp.union_peaks(first, second).index.tolist()
    ['chr1:10-30', 'chr1:40-50', 'chr1:50-60']
    """
    import bioframe

    if not peak_sets:
        raise ValueError("No peaks were given: union_peaks(first, second, ...).")
    frames = [
        as_frame(read_coordinates(as_table(peaks), name=f"Peak set {number}"))
        for number, peaks in enumerate(peak_sets, start=1)
    ]
    # min_dist=0 would merge peaks that touch
    merged = bioframe.merge(pd.concat(frames, ignore_index=True), min_dist=None)
    rank = {name: number for number, name in enumerate(chromosome_order(set(merged["chrom"])))}
    merged = merged.iloc[merged["chrom"].map(rank).argsort(kind="stable")][list(COLUMNS)]
    merged = merged.astype({"chrom": object, "start": "int64", "end": "int64"})
    return merged.set_axis(peak_names(*(merged[column].to_numpy() for column in COLUMNS)))


def merge_overlapping_peaks(adata: AnnData, *, layer: str | None = None) -> AnnData:
    """Return a copy whose overlapping peaks are merged: open where any of them is open.

    :func:`union_peaks` of the data's own peaks, with counts by :func:`repool_peaks`. BABEL's
    paper merges so before training; its code does only where several files are given.

    Parameters
    ----------
    adata
        Peaks of shape (n_cells, n_peaks), with coordinates; stays as it is.
    layer
        Layer that holds the counts; ``X`` by default.

    Returns
    -------
    AnnData of shape (n_cells, n_merged) of zeros and ones, sorted by chromosome and start.

    Raises
    ------
    ValueError
        If a peak has no coordinates or start >= end, or values are no counts.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> peaks = pd.DataFrame(index=["chr1:10-20", "chr1:15-30", "chr1:30-40"])
    >>> merged = xm.pp.merge_overlapping_peaks(AnnData(np.array([[0, 2, 0]]), var=peaks))
    >>> merged.var_names.tolist(), merged.X.toarray().tolist()
    (['chr1:10-30', 'chr1:30-40'], [[1.0, 0.0]])
    """
    check_arguments(locals())
    if not isinstance(adata, AnnData):
        raise ValueError(f"An AnnData is needed, got {type(adata).__name__}: give one modality.")
    check_kind(adata, "atac", "This function")
    return repool_peaks(adata, union_peaks(adata), layer=layer)
