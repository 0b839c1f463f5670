"""Clustering columns of the table: labels found, predictions and measured cells clustered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal.metrics._clustering import cluster_agreement, leiden_clusters
from scvi_xmodal.metrics._inputs import read_prediction, read_predictions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData

    from scvi_xmodal.metrics._comparison import Comparison
    from scvi_xmodal.metrics._matching import Prediction


def find_labels(comparison: Comparison, labels_key: str) -> pd.Series:
    """Return the cells' labels, from the predictions' ``obs``, else from the truth's.

    Raises
    ------
    ValueError
        If neither has such a column, or it is empty.
    """
    tables = [prediction.obs for prediction in comparison.predictions.values()]
    tables.append(comparison.truth.obs)
    for table in tables:
        if labels_key in table:
            labels = table[labels_key]
            break
    else:
        raise ValueError(
            f"labels_key={labels_key!r} is no column of obs: the prediction's has "
            f"{list(tables[0].columns)}, the truth's {list(tables[-1].columns)}."
        )
    if labels.isna().all():
        raise ValueError(f"labels_key={labels_key!r}: not one cell has a label.")
    return labels


def find_profiles(
    comparison: Comparison, clustering: AnnData | Mapping[str, AnnData] | None
) -> dict[str, Prediction]:
    """Return what to cluster for each prediction: itself, unless ``clustering`` has another.

    Raises
    ------
    ValueError
        If ``clustering`` names an unknown prediction or is of other cells.
    """
    profiles = dict(comparison.predictions)
    if clustering is None:
        return profiles
    others = read_predictions(clustering, name="clustering")
    if hasattr(clustering, "var_names") and len(profiles) == 1:
        others = dict(zip(profiles, others.values(), strict=True))
    unknown = [name for name in others if name not in profiles]
    if unknown:
        raise ValueError(
            f"clustering= must name predictions: {unknown[0]!r} is none of {list(profiles)}."
        )
    for name, adata in others.items():
        profiles[name] = read_prediction(adata, name=f"clustering of {name}")
        cells, needed = adata.obs_names, comparison.first.obs.index
        if cells.size != needed.size or not needed.isin(cells).all():
            raise ValueError(f"clustering= holds other cells than prediction {name!r}.")
    return profiles


def label_scores(matrix: Any, labels: pd.Series, *, seed: int) -> dict[str, float]:
    """Return the clustering columns of one profile.

    Parameters
    ----------
    matrix
        Profiles of shape (n_cells, n_features).
    labels
        Labels of shape (n_cells,), indexed by the cells' names.
    seed
        Seeds the clustering.
    """
    clusters = leiden_clusters(matrix, names=labels.index, seed=seed)
    found = cluster_agreement(labels, clusters)
    return {
        "ari": found.ari,
        "ami": found.ami,
        "nmi": found.nmi,
        "homogeneity": found.homogeneity,
    }


def measured_profile(comparison: Comparison) -> Any:
    r"""Return the measured cells as one would cluster them.

    RNA and protein as they are scaled, ATAC by the paper's TF-IDF,
    :math:`\frac{b_{ij}}{\sum_k b_{ik}} \ln\left(1 + \frac{n}{\sum_l b_{lj}}\right)`:
    by what is open alone, cells would be grouped by their depth.
    """
    truth = comparison.truth.matrix
    if comparison.kind != "atac":
        return truth
    depth = np.asarray(truth.sum(axis=1)).ravel()
    n_open = np.asarray(truth.sum(axis=0)).ravel()
    idf = np.log1p(truth.shape[0] / np.maximum(n_open, 1))
    weight = np.repeat(1 / np.maximum(depth, 1), np.diff(truth.indptr)) * idf[truth.indices]
    return sparse.csr_matrix((weight, truth.indices, truth.indptr), truth.shape)
