"""Where genes lie, read from a table and checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_NAME_COLUMNS = ("name", "gene", "gene_name")
_COLUMNS = ("chrom", "start", "end", "strand")


def read_genes(table: Any, *, name: str = "genes") -> pd.DataFrame:
    """Return a gene table indexed by name, checked.

    Parameters
    ----------
    table
        One row for each gene, with the columns ``chrom``, ``start`` and ``end`` in base pairs,
        half-open and 0-based as in BED, and ``strand`` (``"+"`` or ``"-"``). Names are in a
        column ``name``, ``gene`` or ``gene_name``, else in the index. An RNA modality's
        ``var`` will do where it has those columns; genes without a chromosome are left out.
    name
        How messages call it.

    Returns
    -------
    The four columns, indexed by gene, in the table's order.

    Raises
    ------
    ValueError
        If columns are missing, a gene appears twice, or coordinates or strands are invalid.

    Examples
    --------
    >>> import pandas as pd
    >>> from scvi_xmodal.data import read_genes
    >>> columns = {"chrom": ["chr1"], "start": [10], "end": [90], "strand": ["-"]}
    >>> read_genes(pd.DataFrame(columns, index=["Sox17"])).loc["Sox17"].to_dict()
    {'chrom': 'chr1', 'start': 10, 'end': 90, 'strand': '-'}
    """
    if not isinstance(table, pd.DataFrame):
        raise ValueError(f"{name} is a {type(table).__name__}: a DataFrame of genes is needed.")
    missing = [column for column in _COLUMNS if column not in table]
    if missing:
        raise ValueError(
            f"{name} lacks the columns {missing}; it has {list(table)[:8]}. "
            "datasets.gene_table('hg38') and ('mm10') have them."
        )
    named = next((column for column in _NAME_COLUMNS if column in table), None)
    genes = table[list(_COLUMNS)].set_axis(
        pd.Index(table.index if named is None else table[named], name="gene").astype(str)
    )
    genes = genes[genes["chrom"].notna() & (genes["chrom"].astype(str) != "")]
    if genes.empty:
        raise ValueError(f"{name} has no gene with a chromosome.")
    _check_names(genes.index, name)
    _check_intervals(genes, name)
    return genes.astype({"chrom": str, "start": np.int64, "end": np.int64, "strand": str})


def _check_names(index: pd.Index, name: str) -> None:
    if index.has_duplicates:
        twice = index[index.duplicated()].unique()
        raise ValueError(
            f"{len(twice)} genes appear more than once in {name}, such as {list(twice[:3])}: "
            "keep one place of each, table[~table.index.duplicated()]."
        )


def _check_intervals(genes: pd.DataFrame, name: str) -> None:
    start, end = (pd.to_numeric(genes[c], errors="coerce") for c in ("start", "end"))
    # False for missing values; beyond 2^53 a float holds no whole number exactly
    valid = (start >= 0) & (start < end) & (end < 2.0**53) & (start % 1 == 0) & (end % 1 == 0)
    if not valid.all():
        bad = genes.index[~valid][0]
        row = genes.loc[bad]
        raise ValueError(
            f"Gene {bad!r} of {name} has start={row['start']} and end={row['end']}: whole numbers "
            "with 0 <= start < end are needed."
        )
    strands = ~genes["strand"].isin(["+", "-"])
    if strands.any():
        bad = genes.index[strands][0]
        raise ValueError(
            f"Gene {bad!r} of {name} has strand={genes.loc[bad, 'strand']!r}; it is '+' or '-'."
        )
