"""Where genes lie, for the bundled sets and whoever shares their assembly."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Literal

import pandas as pd

_ASSEMBLIES = ("hg38", "mm10")


def gene_table(assembly: Literal["hg38", "mm10"]) -> pd.DataFrame:
    """Read where the genes of an assembly lie.

    RefSeq genes as ArchR carries them; those of hg38 were lifted from hg19. Genes longer than
    2.5 million base pairs, which are names shared by distant loci, are left out.

    Parameters
    ----------
    assembly
        ``"mm10"``, that of :func:`cortex_snareseq`, or ``"hg38"``, that of
        :func:`bmmc_multiome`.

    Returns
    -------
    One row for each gene, indexed by its name: ``chrom``, ``start`` and ``end`` in base pairs,
    half-open and 0-based as in BED, and ``strand`` (``"+"`` or ``"-"``).

    Raises
    ------
    ValueError
        If the assembly is another.

    References
    ----------
    Granja et al., *Nature Genetics* 53, 403-411 (2021). Read from ``GreenleafLab/ArchR``, MIT
    licence.

    Examples
    --------
    >>> from scvi_xmodal.datasets import gene_table
    >>> gene_table("mm10").loc["Gad1"].to_dict()
    {'chrom': 'chr2', 'start': 70562128, 'end': 70602014, 'strand': '+'}
    """
    if assembly not in _ASSEMBLIES:
        raise ValueError(
            f"assembly={assembly!r} is not bundled; {list(_ASSEMBLIES)} are. Of others, read a "
            "table with the columns chrom, start, end and strand, indexed by gene."
        )
    name = f"genes_{assembly}.tsv.gz"
    with as_file(files("scvi_xmodal.datasets").joinpath("data", name)) as path:
        return pd.read_csv(path, sep="\t", index_col="gene")
