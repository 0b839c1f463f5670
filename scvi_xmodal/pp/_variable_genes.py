"""Highly variable genes of count matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData

from scvi_xmodal.pp._matrix import log_normalize

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray
    from scipy import sparse


def variable_genes(
    counts: sparse.csr_matrix, names: pd.Index, *, n_top_genes: int | None
) -> NDArray[np.bool_]:
    """Mark the detected genes of largest normalised dispersion.

    Counts are size-normalised to the cells' median total and log-transformed; genes are ranked
    by scanpy's flavor ``"seurat"`` (scButterfly, Methods, "preprocessing").

    Parameters
    ----------
    counts
        Counts of shape (n_cells, n_genes).
    names
        Gene names, which break ties, so that the choice does not depend on the genes' order.
    n_top_genes
        How many to choose; all detected ones if there are fewer, or for ``None``.

    Returns
    -------
    Mask of shape (n_genes,).

    Raises
    ------
    ValueError
        If genes must be ranked by a single cell.
    """
    detected = np.bincount(counts.indices, minlength=counts.shape[1]) > 0
    if n_top_genes is None or detected.sum() <= n_top_genes:
        return detected
    if counts.shape[0] < 2:
        raise ValueError(
            "One cell cannot tell which genes vary: give more indices, or n_top_genes=None."
        )
    candidates = np.flatnonzero(detected)
    best = _rank(counts[:, candidates], names[candidates])[:n_top_genes]
    chosen = np.zeros(counts.shape[1], dtype=bool)
    chosen[candidates[best]] = True
    return chosen


def _rank(counts: sparse.csr_matrix, names: pd.Index) -> NDArray[np.int64]:
    """Return genes in order of falling normalised dispersion, then mean, then name."""
    import scanpy as sc

    logged = AnnData(log_normalize(counts))
    # scanpy's own n_top_genes warns of, or fails at, genes whose dispersion is not defined
    table = sc.pp.highly_variable_genes(logged, flavor="seurat", inplace=False)
    dispersion = table["dispersions_norm"].fillna(-np.inf).to_numpy()
    alphabetical = np.argsort(np.argsort(names.astype(str).to_numpy(), kind="stable"))
    return np.lexsort((alphabetical, -table["means"].to_numpy(), -dispersion))
