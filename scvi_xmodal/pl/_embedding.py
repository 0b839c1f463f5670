"""Two dimensions for measured counts and for translated profiles."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import check_counts
from scvi_xmodal.metrics import principal_components
from scvi_xmodal.metrics._inputs import holds_drawn_counts
from scvi_xmodal.pp import clr, fit_tfidf, tfidf
from scvi_xmodal.pp._matrix import as_csr, log_normalize

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray
    from scipy import sparse

    from scvi_xmodal._constants import Kind

    Basis = Literal["umap", "tsne"]

_COMPONENTS = 30
_NEIGHBORS = 15
_PERPLEXITY = 30
_FEWEST_CELLS = 5
_DEPTH_CORRELATION = 0.75
_SCALE = 1e4

BASIS_NAMES: dict[str, str] = {"umap": "UMAP", "tsne": "t-SNE"}
"""How figures call what scanpy calls a basis."""


def embed(
    adata: AnnData,
    kind: Kind | None = None,
    *,
    basis: Basis = "umap",
    layer: str | None = None,
    name: str,
    seed: int,
) -> NDArray[np.float32]:
    """Return a UMAP or t-SNE of cells, of shape (n_cells, 2).

    Parameters
    ----------
    adata
        Cells. ``obsm["X_umap"]`` or ``obsm["X_tsne"]`` is used if it is there.
    kind
        What the raw counts measure; ``None`` if the values are to be taken as they are, unless
        they are counts that a model drew.
    basis
        ``"umap"`` or ``"tsne"``.
    layer
        Layer of the values; ``X`` by default.
    name
        How messages call the cells.
    seed
        Seed of the decomposition and the layout.

    Raises
    ------
    ValueError
        If there are too few cells, no such layer, or no counts where there should be.
    """
    if basis not in BASIS_NAMES:
        raise ValueError(f"basis={basis!r} is unknown; it is one of {list(BASIS_NAMES)}.")
    if f"X_{basis}" in adata.obsm:
        return np.asarray(adata.obsm[f"X_{basis}"])[:, :2]
    if adata.n_obs < _FEWEST_CELLS:
        raise ValueError(
            f"{name} has {adata.n_obs} cells; a {BASIS_NAMES[basis]} needs at least "
            f"{_FEWEST_CELLS}. Put coordinates into obsm['X_{basis}'] to draw fewer."
        )
    if layer is not None and layer not in adata.layers:
        raise ValueError(f"{name} has no layer {layer!r}; it has {layer_names(adata)}.")
    values = adata.X if layer is None else adata.layers[layer]
    if kind is None and layer is None and holds_drawn_counts(adata):
        kind = adata.uns[UNS_KEY]["target_kind"]
    if kind is not None:
        check_counts(values, name=f"{name}.X" if layer is None else f"{name}.layers[{layer!r}]")
        values = _NORMALIZED[kind](values.to_memory() if hasattr(values, "to_memory") else values)
    reduce = lsi if kind == "atac" else principal_components
    layout = _layout if basis == "umap" else _tsne
    return layout(reduce(values, n_components=_COMPONENTS, seed=seed), seed)


def lsi(values: sparse.csr_matrix, *, n_components: int, seed: int) -> NDArray[np.floating]:
    """Return singular components of TF-IDF values, without those that follow depth.

    A component is left out if its correlation with the log number of open peaks is above .75,
    as ArchR does (Granja et al., Nat. Genet. 2021). Cells are scaled to unit length, because
    shallow cells lie nearer to the origin.
    """
    from sklearn.decomposition import TruncatedSVD

    n_components = min(n_components, min(values.shape) - 1)
    if n_components < 2:
        return values.toarray()
    components = TruncatedSVD(n_components, random_state=seed).fit_transform(values)
    depth = np.log1p(np.diff(values.indptr))
    centered = components - components.mean(axis=0)
    norms = np.linalg.norm(centered, axis=0) * np.linalg.norm(depth - depth.mean())
    correlation = (depth - depth.mean()) @ centered / np.maximum(norms, 1e-12)
    kept = components[:, np.abs(correlation) <= _DEPTH_CORRELATION]
    kept = kept if kept.shape[1] else components
    return kept / np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-12)


def _log_normalize(counts: Any) -> sparse.csr_matrix:
    return log_normalize(as_csr(counts))


def _log_tfidf(counts: Any) -> sparse.csr_matrix:
    r"""Return :math:`\ln(1 + 10^4 \, b_{ij} / \sum_k b_{ik} \, \ln(1 + n / df_j))`."""
    counts = as_csr(counts)
    statistics = replace(fit_tfidf(counts), scale=1 / _SCALE)
    return tfidf(counts, statistics).log1p()


_NORMALIZED = {"rna": _log_normalize, "atac": _log_tfidf, "protein": clr}


def _tsne(components: NDArray[np.floating], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (components.shape[0] - 1) / 3)
    # components of identical cells have no spread to start from
    start = "pca" if components.shape[1] > 1 and np.ptp(components) > 0 else "random"
    layout = TSNE(perplexity=perplexity, init=start, random_state=seed)
    return layout.fit_transform(np.asarray(components, dtype=np.float32))


def _layout(components: NDArray[np.floating], seed: int) -> NDArray[np.float32]:
    import scanpy as sc
    from anndata import AnnData

    n_cells = components.shape[0]
    cells = AnnData(np.asarray(components, dtype=np.float32))
    with warnings.catch_warnings():
        # identical cells, as the mean baseline's, make a graph in many pieces
        warnings.simplefilter("ignore")
        sc.pp.neighbors(cells, n_neighbors=min(_NEIGHBORS, n_cells - 1), use_rep="X")
        start = "spectral" if n_cells > 2 * _NEIGHBORS else "random"
        sc.tl.umap(cells, random_state=seed, init_pos=start)
    return cells.obsm["X_umap"]
