"""The gene next to a peak."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from anndata import AnnData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._callers import level_of_user
from scvi_xmodal.data import read_genes

if TYPE_CHECKING:
    import pandas as pd


def nearest_genes(
    var: pd.DataFrame, genes: pd.DataFrame, *, max_distance: int = 10_000
) -> pd.DataFrame:
    """Find the gene nearest to each peak.

    Parameters
    ----------
    var
        Peaks, with coordinates in ``chrom``, ``start`` and ``end`` or in their names.
    genes
        Where genes lie, such as :func:`~scvi_xmodal.datasets.gene_table`.
    max_distance
        Farthest gene to name, in bp between peak and gene body; 0 where they overlap.

    Returns
    -------
    ``gene`` and ``distance`` (bp) of each peak, indexed as ``var``; both missing where no gene
    is near. Of several at the same distance, any one is taken. If no peak lies on a chromosome
    of the table, a warning tells how either names them.

    Raises
    ------
    ValueError
        If a peak has no coordinates, or the gene table is invalid.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> peaks = xm.datasets.cortex_snareseq()["atac"].var
    >>> xm.tl.nearest_genes(peaks, xm.datasets.gene_table("mm10"))["gene"].iloc[0]
    'Rgs20'
    """
    check_arguments(locals())
    import bioframe

    from scvi_xmodal.pp import annotate_peaks

    if max_distance < 0:
        raise ValueError(f"max_distance={max_distance} must be 0 or above.")
    places = read_genes(genes)[["chrom", "start", "end"]].rename_axis("gene").reset_index()
    peaks = annotate_peaks(AnnData(var=var)).var[["chrom", "start", "end"]]
    peaks = peaks.reset_index(drop=True)
    if len(peaks) and not peaks["chrom"].isin(places["chrom"]).any():
        own, others = (list(table["chrom"].unique()[:3]) for table in (peaks, places))
        warnings.warn(
            f"No peak lies on a chromosome of the genes: peaks are on {own}, genes on {others}. "
            "Name them alike.",
            UserWarning,
            stacklevel=level_of_user(),
        )
    found = bioframe.closest(peaks, places, return_index=True, suffixes=("", "_of"))
    found = found.set_index("index").loc[peaks.index, ["gene_of", "distance"]]  # given order
    near = found["distance"].le(max_distance).fillna(False).astype(bool)
    return found.set_axis(["gene", "distance"], axis=1).where(near).set_axis(var.index)
