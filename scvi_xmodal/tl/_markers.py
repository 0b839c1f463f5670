"""Genes and proteins that groups of translated cells express more than others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal.metrics._differential import best, rank_features
from scvi_xmodal.metrics._inputs import refuse_counts

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def marker_genes(
    prediction: AnnData, groupby: str, *, n_genes: int | None = 100, alpha: float = 0.05
) -> pd.DataFrame:
    """Find the genes that each group expresses more than all other cells.

    BABEL's rule (Wu et al. 2021, Methods): scanpy's two-sided Wilcoxon rank-sum test of a group
    against all other cells, p values adjusted by Benjamini and Hochberg, the 100 most
    significant genes or fewer.

    Parameters
    ----------
    prediction
        Translated or measured log1p expression in ``X``; not changed.
    groupby
        Column of ``obs``, such as cell types or clusters.
    n_genes
        Largest number of genes of a group; ``None`` for all that are significant.
    alpha
        Largest adjusted p value.

    Returns
    -------
    One row for each group and gene, best first: ``group``, ``rank`` from 1, ``gene``, ``score``
    (z), ``p_value``, ``adjusted_p_value``, ``mean`` and ``mean_others``.

    Raises
    ------
    ValueError
        If there are not two groups, no group has two cells, or values are raw counts.

    Notes
    -----
    Translated cells are smoother than measured ones, so p values come out far too small: they
    order genes and test nothing. Counts that a model draws around its translations
    (``posterior_predictive_sample``, then scanpy's ``normalize_total`` and ``log1p``) scatter as
    cells do.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=90, n_genes=30, n_peaks=40, n_cell_types=2)
    >>> ridge = xm.baselines.Ridge(n_components=5).fit(mdata)
    >>> rna = ridge.translate(mdata["atac"], source="atac", target="rna")
    >>> rna.obs["cell_type"] = mdata.obs["cell_type"]
    >>> xm.tl.marker_genes(rna, "cell_type", n_genes=2)["rank"].tolist()
    [1, 2, 1, 2]
    """
    check_arguments(locals())
    refuse_other_kind(prediction, "rna")
    table = rank_features(prediction, groupby, feature="gene")
    return best(table, n=n_genes, alpha=alpha)


def marker_proteins(
    prediction: AnnData, groupby: str, *, n_proteins: int | None = 5, alpha: float = 0.05
) -> pd.DataFrame:
    """Find the proteins that each group shows more of than all other cells.

    scButterfly's rule (Cao et al. 2024, "consecutive translation"): one-sided Wilcoxon rank-sum
    tests of a group against all other cells, the five best proteins. p values are adjusted by
    Benjamini and Hochberg.

    Parameters
    ----------
    prediction
        Translated or measured centred log-ratios in ``X``; not changed.
    groupby
        Column of ``obs``, such as cell types or clusters.
    n_proteins
        Largest number of proteins of a group; ``None`` for all that are significant.
    alpha
        Largest adjusted p value.

    Returns
    -------
    As :func:`marker_genes`, with the column ``protein``.

    Raises
    ------
    ValueError
        If there are not two groups, no group has two cells, or values are raw counts.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.bmmc_citeseq()
    >>> ridge = xm.baselines.Ridge(n_components=20).fit(mdata)
    >>> protein = ridge.translate(mdata["rna"], source="rna", target="protein")
    >>> monocytes = mdata.obs["cell_type"].str.contains("Mono").map({True: "yes", False: "no"})
    >>> protein.obs["monocyte"] = monocytes
    >>> found = xm.tl.marker_proteins(protein, "monocyte", n_proteins=40)
    >>> bool(found.query("group == 'yes'")["protein"].str.contains("CD14").any())
    True
    """
    check_arguments(locals())
    refuse_other_kind(prediction, "protein")
    table = rank_features(prediction, groupby, feature="protein", one_sided=True)
    return best(table, n=n_proteins, alpha=alpha)


def refuse_other_kind(prediction: AnnData, kind: str) -> None:
    """Raise if a translation says that it is of something else than what markers are asked of."""
    recorded = prediction.uns.get(UNS_KEY, {}).get("target_kind")
    if recorded is None:
        refuse_counts(prediction.X, kind, name="prediction.X")
    elif recorded != kind:
        raise ValueError(
            f"The prediction is of {recorded}, not {kind}: take tl.marker_genes for rna, "
            "tl.marker_peaks or tl.differential_peaks for atac, tl.marker_proteins for protein."
        )
