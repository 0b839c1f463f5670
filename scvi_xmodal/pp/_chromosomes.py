"""Features by the chromosome they lie on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from mudata import MuData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._coordinates import peak_coordinates
from scvi_xmodal.data._genes import read_genes
from scvi_xmodal.data._modalities import find_modalities
from scvi_xmodal.pp._copy import copy_features
from scvi_xmodal.pp._features import kind_by_features

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from anndata import AnnData

    from scvi_xmodal._constants import Kind

_NUMBERED = r"\d+[A-Za-z]?"  # fruit flies number arms: 2L, 2R


def exclude_chromosomes(
    data: AnnData | MuData,
    chromosomes: Sequence[str] | None = None,
    *,
    genes: pd.DataFrame | None = None,
) -> AnnData | MuData:
    """Return a copy without the genes and peaks of some chromosomes.

    BABEL (Methods) leaves out the sex chromosomes of RNA and ATAC; its code keeps what lies on
    numbered chromosomes alone, which is the default here.

    Parameters
    ----------
    data
        An AnnData of genes or of peaks, or a MuData; proteins are kept whole.
    chromosomes
        Chromosomes to exclude, such as ``["chrX", "chrY"]``; ``chrX`` and ``X`` are the same, and
        so are ``chrM`` and Ensembl's ``MT``.
        By default all but the numbered ones: sex chromosomes, mitochondria, contigs, and
        features without a chromosome.
    genes
        Where genes lie, such as :func:`~scvi_xmodal.datasets.gene_table`; needed where genes
        have no column ``chrom`` in ``var``. Peaks tell it by that column or by their names.

    Returns
    -------
    A copy of what was given, in memory, with fewer features in their old order.

    Raises
    ------
    ValueError
        If chromosomes are unknown because ``genes`` is needed, or no feature would be left.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> adata = AnnData(np.ones((1, 3)))
    >>> adata.var_names = ["chr2:10-20", "chrX:5-9", "GL000194.1:1-2"]
    >>> xm.pp.exclude_chromosomes(adata).var_names.tolist()
    ['chr2:10-20']
    >>> xm.pp.exclude_chromosomes(adata, ["chrX"]).var_names.tolist()
    ['chr2:10-20', 'GL000194.1:1-2']
    """
    check_arguments(locals())
    if isinstance(chromosomes, str):
        raise ValueError(f"chromosomes={chromosomes!r} is one text; give [{chromosomes!r}].")
    places = {
        key: _chromosomes(adata, kind, genes, name=key or "adata")
        for key, kind, adata in _located(data)
    }
    if not places:
        raise ValueError(f"None of {list(data.mod)} is known as RNA or ATAC.")
    if chromosomes is not None:
        _warn_if_absent(chromosomes, pd.concat(places.values()))
    keep = {}
    for key, chroms in places.items():
        short = _short(chroms)
        if chromosomes is None:
            kept = short.str.fullmatch(_NUMBERED)
        else:
            kept = ~short.isin(set(_short(pd.Series(list(chromosomes), dtype=object))))
        if not kept.any():
            raise ValueError(
                f"No feature of {key or 'adata'!r} would be left: its chromosomes are "
                f"{sorted(set(chroms))[:10]}."
            )
        keep[key] = kept.to_numpy(dtype=bool)
    _warn_of_unplaced(places, kept=chromosomes is not None)
    return copy_features(data, keep)


def _located(data: AnnData | MuData) -> Iterator[tuple[str | None, Kind, AnnData]]:
    """Yield genes and peaks, which lie on chromosomes."""
    if not isinstance(data, MuData):
        yield None, kind_by_features(data), data
        return
    for kind, key in find_modalities(data.mod).items():
        if kind != "protein":
            yield key, kind, data.mod[key]


def _chromosomes(
    adata: AnnData, kind: Kind, genes: pd.DataFrame | None, *, name: str
) -> pd.Series:
    """Return each feature's chromosome, empty where there is none."""
    if "chrom" in adata.var:
        chroms = adata.var["chrom"].astype(object)
    elif kind == "atac":
        chroms = pd.Series(peak_coordinates(adata.var).chrom, dtype=object)
    elif genes is not None:
        chroms = read_genes(genes)["chrom"].astype(object).reindex(adata.var_names)
    else:
        raise ValueError(
            f"The genes of {name!r} have no column 'chrom' in var: say where they lie, such as "
            "genes=xm.datasets.gene_table('hg38')."
        )
    return chroms.where(chroms.notna(), "").astype(str).reset_index(drop=True)


def _short(chroms: pd.Series) -> pd.Series:
    short = chroms.astype(str).str.replace("^chr", "", regex=True, case=False).str.upper()
    return short.replace("MT", "M")


def _warn_if_absent(chromosomes: Sequence[str], present: pd.Series) -> None:
    if not _short(present).isin(set(_short(pd.Series(list(chromosomes), dtype=object)))).any():
        warnings.warn(
            f"Nothing lies on {list(chromosomes)}; the chromosomes are "
            f"{sorted(set(present))[:10]}.",
            UserWarning,
            stacklevel=3,
        )


def _warn_of_unplaced(places: dict[str | None, pd.Series], *, kept: bool) -> None:
    for key, chroms in places.items():
        if n_unplaced := int(np.sum(chroms == "")):
            warnings.warn(
                f"{n_unplaced} of {chroms.size} features of {key or 'adata'!r} have no "
                f"chromosome. They are {'kept' if kept else 'dropped'}.",
                UserWarning,
                stacklevel=3,
            )
