"""Gene sets among marker genes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scvi_xmodal._arguments import LIST, PATH, check_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable

_COLUMNS = {
    "Term": "term",
    "Overlap": "overlap",
    "P-value": "p_value",
    "Adjusted P-value": "adjusted_p_value",
    "Odds Ratio": "odds_ratio",
    "Genes": "genes",
}


def enrich(
    markers: pd.DataFrame,
    gene_sets: str | Path | Mapping[str, Iterable[str]],
    *,
    background: Iterable[str],
    min_size: int = 2,
) -> pd.DataFrame:
    """Test which gene sets hold more of a group's genes than chance gives.

    gseapy's hypergeometric test against local gene sets; nothing is downloaded. p values are
    adjusted by Benjamini and Hochberg over the sets that share a gene with the group.

    Parameters
    ----------
    markers
        Columns ``group`` and ``gene``, such as :func:`marker_genes` returns.
    gene_sets
        Path of a GMT file, or genes by name of the set.
    background
        All genes that could have been found: the translation's ``var_names``. Sets and markers
        are cut to these.
    min_size
        Smallest set, after the cut.

    Returns
    -------
    One row for each group and set that share a gene, most significant first: ``group``,
    ``term``, ``overlap`` (genes shared / genes of the set), ``p_value``, ``adjusted_p_value``,
    ``odds_ratio`` and ``genes``, joined by ``;``.

    Raises
    ------
    ImportError
        Without gseapy: ``pip install 'scvi-xmodal[enrichment]'``.
    ValueError
        If the file is missing or empty, or no set has enough genes of the background.

    Examples
    --------
    >>> import pandas as pd
    >>> import scvi_xmodal as xm
    >>> markers = pd.DataFrame({"group": "B", "gene": ["CD19", "MS4A1"]})
    >>> sets = {"B cell": ["CD19", "MS4A1", "CD79A"], "T cell": ["CD3E", "CD4"]}
    >>> background = ["CD19", "MS4A1", "CD79A", "CD3E", "CD4", "ACTB"]
    >>> xm.tl.enrich(markers, sets, background=background)["term"].tolist()
    ['B cell']
    """
    check_arguments(locals(), background=LIST)
    lacking = [column for column in ("group", "gene") if column not in markers]
    if lacking:
        raise ValueError(f"markers has no column {lacking[0]!r}; it has {list(markers)}.")
    known = pd.Index([str(gene) for gene in background]).unique()
    sets = _cut(_read(gene_sets), known, min_size)
    tables = {
        str(group): _test([gene for gene in part["gene"].unique() if gene in known], sets, known)
        for group, part in markers.groupby("group", sort=False)
    }
    tables = {group: table for group, table in tables.items() if len(table)}
    if not tables:
        return pd.DataFrame(columns=["group", *_COLUMNS.values()])
    return pd.concat(tables, names=["group"]).reset_index("group").reset_index(drop=True)


def _read(gene_sets: Any) -> dict[str, list[str]]:
    if isinstance(gene_sets, Mapping):
        return {str(name): [str(gene) for gene in genes] for name, genes in gene_sets.items()}
    check_arguments({"gene_sets": gene_sets}, gene_sets=PATH)
    path = Path(gene_sets)
    if not path.is_file():
        raise ValueError(f"gene_sets={str(gene_sets)!r} is no file. A GMT file is needed.")
    rows = [line.split("\t") for line in path.read_text().splitlines() if line.strip()]
    # name, description, genes
    sets = {name: [g for g in genes if g] for name, *rest in rows for genes in [rest[1:]]}
    if not any(sets.values()):
        raise ValueError(f"{path} holds no gene set: name, description, genes, parted by tabs.")
    return sets


def _cut(sets: dict[str, list[str]], known: pd.Index, min_size: int) -> dict[str, list[str]]:
    cut = {name: list(known[known.isin(genes)]) for name, genes in sets.items()}
    cut = {name: genes for name, genes in cut.items() if len(genes) >= min_size}
    if not cut:
        example = next(iter(sets.values()), [])
        raise ValueError(
            f"No gene set has {min_size} of the {known.size} genes: sets name them "
            f"{example[:3]}, the data {list(known[:3])}."
        )
    return cut


def _test(genes: list[str], sets: dict[str, list[str]], known: pd.Index) -> pd.DataFrame:
    nothing = pd.DataFrame(columns=list(_COLUMNS.values()))
    members = {gene for set_ in sets.values() for gene in set_}
    if not members.intersection(genes):
        return nothing  # gseapy reports it as an error
    found = _gseapy().enrich(
        genes, gene_sets=sets, background=list(known), outdir=None, no_plot=True
    )
    table = found.results.rename(columns=_COLUMNS)[list(_COLUMNS.values())]
    genes_of = table["genes"].str.split(";").map(lambda shared: ";".join(sorted(shared)))
    return table.assign(genes=genes_of).sort_values(["p_value", "term"])


def _gseapy() -> Any:
    try:
        import gseapy
    except ImportError as error:
        raise ImportError(
            "Enrichment needs gseapy: pip install 'scvi-xmodal[enrichment]'."
        ) from error
    logging.getLogger("gseapy").setLevel(logging.ERROR)
    return gseapy
