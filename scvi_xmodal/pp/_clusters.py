"""Leiden clusters of RNA, as BABEL holds them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anndata import AnnData

from scvi_xmodal.pp._matrix import log_normalize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy import sparse

_N_COMPONENTS = 50
_N_NEIGHBORS = 15


def rna_clusters(
    counts: sparse.csr_matrix, *, resolution: float = 1.5, seed: int = 0
) -> NDArray[np.object_]:
    """Cluster cells by their RNA: log-normalise, PCA, neighbours, Leiden.

    As in BABEL's code no genes are selected and none is scaled; 50 components and 15 neighbours.

    Parameters
    ----------
    counts
        RNA counts of shape (n_cells, n_genes).
    resolution
        Leiden's resolution.
    seed
        Seed of PCA, neighbours and Leiden.

    Returns
    -------
    Names of the clusters, of shape (n_cells,).

    Raises
    ------
    ValueError
        If there are fewer than three cells or two genes.
    """
    if counts.shape[0] < 3 or counts.shape[1] < 2:
        raise ValueError(
            f"{counts.shape[0]} cells with {counts.shape[1]} genes cannot be clustered; take "
            "by='cell', or name clusters of your own by key=."
        )
    import scanpy as sc

    adata = AnnData(log_normalize(counts))
    n_components = min(_N_COMPONENTS, min(adata.shape) - 1)
    sc.pp.pca(adata, n_comps=n_components, svd_solver="arpack", random_state=seed)
    n_neighbors = min(_N_NEIGHBORS, adata.n_obs - 1)
    sc.pp.neighbors(adata, n_neighbors=n_neighbors, use_rep="X_pca", random_state=seed)
    sc.tl.leiden(
        adata,
        resolution=resolution,
        flavor="igraph",
        n_iterations=2,
        directed=False,
        random_state=seed,
    )
    return adata.obs["leiden"].astype(str).to_numpy(dtype=object)
