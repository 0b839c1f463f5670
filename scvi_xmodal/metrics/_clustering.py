"""Do profiles separate the cell types? Leiden clusters against labels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._annotation import matched_series
from scvi_xmodal.metrics._blocks import as_matrix, check_finite
from scvi_xmodal.metrics._components import is_constant, principal_components

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_FEWEST_CELLS = 3


@dataclass(frozen=True)
class ClusteringAgreement:
    """Agreement of clusters with labels; 0 is chance for ARI and AMI, 1 is perfect.

    Parameters
    ----------
    ari
        Adjusted Rand index.
    ami
        Adjusted mutual information.
    nmi
        Normalised mutual information (arithmetic mean), which grows with the number of clusters.
    homogeneity
        1 where every cluster holds one label only.
    n_clusters
        Number of clusters among the labelled cells.
    """

    ari: float
    ami: float
    nmi: float
    homogeneity: float
    n_clusters: int


def leiden_clusters(
    matrix: Any,
    *,
    names: ArrayLike | None = None,
    resolution: float = 1.0,
    n_components: int = 50,
    n_neighbors: int = 15,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Cluster cells as scanpy users do: principal components, neighbours, Leiden.

    The settings are scButterfly's (50 components, scanpy's neighbours, resolution 1), with
    Leiden by igraph in two iterations.

    Parameters
    ----------
    matrix
        Profiles of shape (n_cells, n_features), dense or sparse; no copy is made.
    names
        Unique names of shape (n_cells,). Leiden depends on the order of cells; with names they
        enter in the order of names, so that shuffled data give the same clusters up to rounding.
    resolution
        Leiden's resolution: more for more clusters.
    n_components
        Largest number of principal components.
    n_neighbors
        Largest number of neighbours of a cell, itself included.
    seed
        Seeds components, neighbours and Leiden.

    Returns
    -------
    Cluster numbers of shape (n_cells,), from 0. Equal profiles of all cells are one cluster, and
    so are fewer than three cells.

    Raises
    ------
    ValueError
        If a value is NaN or infinite, or the number of names is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.metrics import leiden_clusters
    >>> profiles = np.repeat([[0.0, 5.0], [5.0, 0.0]], 20, axis=0)
    >>> profiles += np.random.default_rng(0).normal(scale=0.1, size=profiles.shape)
    >>> clusters = leiden_clusters(profiles, resolution=0.1)
    >>> len(set(clusters[:20])), len(set(clusters[20:])), len(set(clusters))
    (1, 1, 2)
    """
    check_arguments(locals())
    matrix = as_matrix(matrix, name="matrix")
    check_finite(matrix, name="matrix")
    order = _entry_order(names, matrix.shape[0])
    clusters = np.zeros(matrix.shape[0], dtype=np.int64)
    if matrix.shape[0] >= _FEWEST_CELLS and not is_constant(matrix):
        components = principal_components(matrix, n_components=n_components, seed=seed)
        clusters[order] = _leiden(components[order], resolution, n_neighbors, seed)
    return clusters


def cluster_agreement(labels: ArrayLike, clusters: ArrayLike) -> ClusteringAgreement:
    """Compare clusters with labels.

    Parameters
    ----------
    labels
        Labels of shape (n_cells,); cells without one (NaN, ``None``) are left out.
    clusters
        Clusters of shape (n_cells,). Two Series are matched by index, unless one of them numbers
        its cells and the other names them.

    Returns
    -------
    Scores of scikit-learn; all NaN with fewer than three labelled cells, of which nothing can
    be said.

    Raises
    ------
    ValueError
        If the lengths differ, or cells cannot be matched.

    Examples
    --------
    >>> from scvi_xmodal.metrics import cluster_agreement
    >>> cluster_agreement(["B", "B", "T", "T", None], [1, 1, 0, 0, 0]).ari
    1.0
    """
    from sklearn.metrics import (
        adjusted_mutual_info_score,
        adjusted_rand_score,
        homogeneity_score,
        normalized_mutual_info_score,
    )

    indices = [part.index for part in (labels, clusters) if isinstance(part, pd.Series)]
    # one that numbers its cells, such as Pairs' clusters, names none of the other's
    n_numbered = sum(index.dtype.kind in "iu" for index in indices)
    if len(indices) == 2 and n_numbered != 1 and not indices[0].equals(indices[1]):
        labels, clusters = matched_series(labels, clusters)
    label_codes = pd.factorize(pd.Series(labels))[0]
    cluster_codes = pd.factorize(pd.Series(clusters))[0]
    if label_codes.size != cluster_codes.size:
        raise ValueError(f"{label_codes.size} labels were given for {cluster_codes.size} cells.")
    known = label_codes >= 0
    pair = label_codes[known], cluster_codes[known]
    n_clusters = int(np.unique(pair[1]).size)
    if known.sum() < _FEWEST_CELLS:
        nan = float("nan")
        return ClusteringAgreement(nan, nan, nan, nan, n_clusters)
    return ClusteringAgreement(
        ari=float(adjusted_rand_score(*pair)),
        ami=float(adjusted_mutual_info_score(*pair)),
        nmi=float(normalized_mutual_info_score(*pair)),
        homogeneity=float(homogeneity_score(*pair)),
        n_clusters=n_clusters,
    )


def _entry_order(names: ArrayLike | None, n_cells: int) -> NDArray[np.int64]:
    if names is None:
        return np.arange(n_cells)
    names = np.asarray(names, dtype=str)
    if names.shape != (n_cells,):
        raise ValueError(f"names must be of shape ({n_cells},), got {names.shape}.")
    return np.argsort(names, kind="stable")


def _leiden(
    components: NDArray[np.floating], resolution: float, n_neighbors: int, seed: int
) -> NDArray[np.int64]:
    import scanpy as sc
    from anndata import AnnData

    cells = AnnData(obsm={"X_pca": components}, obs=pd.DataFrame(index=_row_names(components)))
    with warnings.catch_warnings():
        # scanpy's own way of filling a matrix; users cannot act on it
        warnings.filterwarnings("ignore", message="Changing the sparsity structure")
        sc.pp.neighbors(
            cells,
            n_neighbors=min(n_neighbors, cells.n_obs - 1),
            use_rep="X_pca",
            random_state=seed,
        )
    sc.tl.leiden(
        cells,
        resolution=resolution,
        flavor="igraph",
        n_iterations=2,
        directed=False,
        random_state=seed,
    )
    return cells.obs["leiden"].cat.codes.to_numpy().astype(np.int64)


def _row_names(components: NDArray[np.floating]) -> pd.Index:
    return pd.RangeIndex(len(components)).astype(str)
