"""Subtypes that a translation shows, and what their genes are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from anndata import AnnData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics import leiden_clusters
from scvi_xmodal.metrics._differential import best, rank_features
from scvi_xmodal.metrics._groups import group_labels
from scvi_xmodal.metrics._inputs import read_prediction
from scvi_xmodal.tl._enrichment import enrich
from scvi_xmodal.tl._markers import refuse_other_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, eq=False)
class Subclusters:
    """Clusters within a group of cells.

    Parameters
    ----------
    clusters
        Cluster of each cell of the group, such as ``"Basal 1"``, indexed by cell.
    markers
        Genes that set each cluster apart from the group's others, as :func:`marker_genes`.
    enrichment
        Gene sets among them, as :func:`enrich`; ``None`` if none were given.
    """

    clusters: pd.Series
    markers: pd.DataFrame
    enrichment: pd.DataFrame | None


def subcluster_markers(
    prediction: AnnData,
    groupby: str,
    group: str,
    *,
    resolution: float = 1.0,
    n_genes: int | None = 40,
    alpha: float = 0.05,
    gene_sets: str | Path | Mapping[str, Iterable[str]] | None = None,
    seed: int = 0,
) -> Subclusters:
    """Cluster the cells of one group and find what sets the clusters apart.

    scButterfly's search for subtypes of basal cells (Cao et al. 2024, Fig. 3): Leiden clusters of
    the translated profiles of a type at scanpy's default resolution, one-sided Wilcoxon rank-sum
    tests, the 40 best genes of each, and gene sets enriched among them.

    A model can only show what its training cells knew: look for the same clusters in the
    measured profiles before naming a subtype.

    Parameters
    ----------
    prediction
        Translated or measured log1p expression; not changed.
    groupby
        Column of ``obs``.
    group
        The label whose cells are clustered.
    resolution
        Leiden's resolution: more for more clusters.
    n_genes
        Largest number of genes of a cluster; ``None`` for all that are significant.
    alpha
        Largest adjusted p value of a gene.
    gene_sets
        Path of a GMT file, or genes by name of the set; needs gseapy.
    seed
        Seeds the clustering.

    Raises
    ------
    ValueError
        If there is no such group, its cells are one cluster, or values are raw counts.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=300, n_cell_types=4)
    >>> ridge = xm.baselines.Ridge(n_components=10).fit(mdata)
    >>> rna = ridge.translate(mdata["atac"], source="atac", target="rna")
    >>> rna.obs["tissue"] = "cortex"
    >>> found = xm.tl.subcluster_markers(rna, "tissue", "cortex", resolution=0.3)
    >>> found.clusters.nunique() > 1
    True
    """
    check_arguments(locals())
    refuse_other_kind(prediction, "rna")
    labels = group_labels(prediction, groupby, name="prediction")
    members = (labels == str(group)).to_numpy()
    if not members.any():
        raise ValueError(
            f"No cell has the label {group!r} in obs[{groupby!r}]; there are "
            f"{list(labels.cat.categories)}."
        )
    values = read_prediction(prediction, name="prediction").matrix[members]
    names = prediction.obs_names[members]
    found = leiden_clusters(values, names=names, resolution=resolution, seed=seed)
    if found.max() == 0:
        raise ValueError(
            f"The {len(names)} cells of {group!r} are one cluster at resolution={resolution}: "
            "give a higher one, or there is nothing to see."
        )
    clusters = pd.Series([f"{group} {number + 1}" for number in found], names, name="cluster")
    cells = AnnData(values, obs=clusters.to_frame(), var=prediction.var[[]])
    ranked = rank_features(cells, "cluster", feature="gene", one_sided=True)
    markers = best(ranked, n=n_genes, alpha=alpha)
    enrichment = None
    if gene_sets is not None:
        enrichment = enrich(markers, gene_sets, background=prediction.var_names)
    return Subclusters(clusters, markers, enrichment)
