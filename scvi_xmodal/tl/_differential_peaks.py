"""Peaks that differ between groups, for tools that take intervals."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from anndata import AnnData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._aside import written_aside
from scvi_xmodal.metrics._differential import best, rank_features
from scvi_xmodal.tl._markers import refuse_other_kind
from scvi_xmodal.tl._nearest_genes import nearest_genes

if TYPE_CHECKING:
    import pandas as pd

_BED = ["chrom", "start", "end", "name", "score", "strand"]


def differential_peaks(
    prediction: AnnData,
    groupby: str,
    *,
    method: Literal["wilcoxon", "t-test"] = "wilcoxon",
    n_peaks: int | None = None,
    alpha: float = 0.05,
    min_difference: float = 0.0,
    genes: pd.DataFrame | None = None,
    max_distance: int = 10_000,
) -> pd.DataFrame:
    """Find the peaks that are more accessible in a group than in all other cells.

    The start of scButterfly's enrichment of variants and of its regulatory networks (Cao et al.
    2024, Fig. 3): peaks of translated profiles by group, each tested by itself; epiScanpy, which
    the paper used, runs the same tests of scanpy. :func:`write_bed` hands them on.

    Parameters
    ----------
    prediction
        Translated accessibility, or measured peaks as open (1) or not (0); not changed. Peaks
        need coordinates in ``var`` or their names.
    groupby
        Column of ``obs``, such as cell types or clusters.
    method
        ``"wilcoxon"`` rank-sum test, corrected for ties, or Welch's ``"t-test"``, p values
        two-sided and adjusted by Benjamini and Hochberg.
    n_peaks
        Largest number of peaks of a group; by default all that are significant.
    alpha
        Largest adjusted p value.
    min_difference
        Smallest lead of the group's mean probability over that of other cells.
    genes
        Where genes lie, such as :func:`~scvi_xmodal.datasets.gene_table`, to name the nearest.
    max_distance
        Farthest gene to name, in bp.

    Returns
    -------
    One row for each group and peak, best first: ``group``, ``rank`` from 1, ``peak``, ``score``,
    ``p_value``, ``adjusted_p_value``, ``mean``, ``mean_others``, ``chrom``, ``start``, ``end``,
    and with ``genes`` ``gene`` and ``distance``.

    Raises
    ------
    ValueError
        If there are not two groups, a peak has no coordinates, values are raw counts, or the
        prediction is of RNA or proteins.

    Notes
    -----
    Translated cells are smoother than measured ones, so p values come out far too small; sort
    by them, and set ``min_difference`` to what matters. Peaks that a model draws
    (``posterior_predictive_sample``) scatter as cells do.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=90, n_genes=30, n_peaks=40, n_cell_types=2)
    >>> ridge = xm.baselines.Ridge(n_components=5).fit(mdata)
    >>> atac = ridge.translate(mdata["rna"], source="rna", target="atac")
    >>> table = xm.tl.differential_peaks(atac, "cell_type", n_peaks=1)
    >>> table["rank"].tolist()
    [1, 1]
    """
    check_arguments(locals())
    refuse_other_kind(prediction, "atac")
    from scvi_xmodal.pp import annotate_peaks

    places = annotate_peaks(AnnData(var=prediction.var)).var[["chrom", "start", "end"]]
    if genes is not None:
        places = places.join(nearest_genes(prediction.var, genes, max_distance=max_distance))
    # uncorrected, nothing that is open in few cells would ever be significant
    table = rank_features(prediction, groupby, feature="peak", method=method, correct_ties=True)
    table = table[table["mean"] - table["mean_others"] >= min_difference]
    table = best(table, n=n_peaks, alpha=alpha)
    column = places.index.get_indexer(table["peak"])
    return table.assign(**{name: places[name].array[column] for name in places})


def write_bed(
    table: pd.DataFrame, folder: str | Path, *, background: AnnData | None = None
) -> dict[str, Path]:
    r"""Write the peaks of each group as a BED file.

    Parameters
    ----------
    table
        What :func:`differential_peaks` returned, or any table with ``group``, ``peak``,
        ``chrom``, ``start`` and ``end``.
    folder
        Folder to write to, made if needed. Files of these names are replaced.
    background
        Translation whose peaks are written as ``background.bed``, against which enrichment is
        tested.

    Returns
    -------
    The path of each group's file, and of ``"background"``. Files have six columns, by position:
    chrom, start, end, name, score (1,000 times the column ``mean``, if there is one) and
    strand ``.``.

    Raises
    ------
    ValueError
        If columns are missing, or two groups would share a file.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> import scvi_xmodal as xm
    >>> row = {"group": "B", "peak": "p1", "chrom": "chr1", "start": 5, "end": 9}
    >>> paths = xm.tl.write_bed(pd.DataFrame([row]), tempfile.mkdtemp())
    >>> paths["B"].read_text()
    'chr1\t5\t9\tp1\t0\t.\n'
    """
    check_arguments(locals())
    missing = [c for c in ("group", "peak", *_BED[:3]) if c not in table]
    if missing:
        raise ValueError(f"The table lacks the columns {missing}; it has {list(table)}.")
    parts = {str(group): part for group, part in table.groupby("group", sort=False)}
    if background is not None:
        if "background" in parts:
            raise ValueError("A group is called 'background', as the background's file is.")
        parts["background"] = _all_peaks(background)
    files = {group: re.sub(r"[^\w.+-]+", "_", group) + ".bed" for group in parts}
    if len({name.lower() for name in files.values()}) < len(files):
        raise ValueError(f"Two groups would be written to one file: {files}. Rename one.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {group: folder / name for group, name in files.items()}
    for group, part in parts.items():
        with written_aside(paths[group]) as aside:
            _as_bed(part).to_csv(aside, sep="\t", header=False, index=False)
    return paths


def _all_peaks(background: AnnData) -> pd.DataFrame:
    from scvi_xmodal.pp import annotate_peaks

    var = annotate_peaks(AnnData(var=background.var)).var
    return var[_BED[:3]].assign(peak=var.index)


def _as_bed(part: pd.DataFrame) -> pd.DataFrame:
    mean = part["mean"].to_numpy(np.float64) if "mean" in part else np.zeros(len(part))
    score = np.rint(1000 * np.clip(mean, 0, 1)).astype(np.int64)
    bed = part.assign(name=part["peak"], score=score, strand=".")[_BED]
    return bed.sort_values(["chrom", "start", "end"])
