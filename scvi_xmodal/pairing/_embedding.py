"""Joint embeddings of paired cells, by which they are clustered."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from anndata import AnnData
from scipy import sparse

from scvi_xmodal._arguments import shown
from scvi_xmodal.data import check_counts, layer_name
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.metrics._components import principal_components
from scvi_xmodal.pp import clr, fit_tfidf, tfidf
from scvi_xmodal.pp._matrix import counts_of, log_normalize, take_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

Embedding = Literal["multivi", "totalvi", "quick"]
_N_COMPONENTS = 20
"""Clusters of the bundled sets were as pure with 20 as with 10 or 50, or purer."""
_NEEDS = {"multivi": {"rna", "atac"}, "totalvi": {"rna", "protein"}}
_LEAST_SHARE = 0.01
"""Features found in fewer of the cells do not enter MULTIVI or TOTALVI, as published."""


def embed(
    cells: Mapping[str, tuple[AnnData, NDArray[np.int64]]],
    embedding: str | None,
    *,
    layers: Mapping[str, str],
    seed: int,
    train_kwargs: dict[str, Any],
) -> tuple[NDArray[np.floating], Any]:
    """Embed paired cells by all their modalities.

    Parameters
    ----------
    cells
        Each modality by kind, with its own rows of the cells, all of shape (n_cells,).
    embedding
        ``"multivi"``, ``"totalvi"`` or ``"quick"``; ``None`` for the one that fits.
    layers
        Layer of the counts of a modality.
    seed
        Seed of components or training.
    train_kwargs
        Keywords of the integration model's ``train``.

    Returns
    -------
    Embedding of shape (n_cells, n_dimensions), and the integration model if there is one.
    """
    how = _chosen(embedding, set(cells))
    if how == "quick" and train_kwargs:
        raise ValueError("train_kwargs say nothing to embedding='quick', which trains nothing.")
    counts = {
        kind: _counts(adata, rows, layers.get(kind), kind) for kind, (adata, rows) in cells.items()
    }
    if how == "quick":
        return quick_embedding(counts, seed=seed), None
    return _trained(how, counts, seed, train_kwargs)


def quick_embedding(
    counts: Mapping[str, sparse.csr_matrix], *, n_components: int = _N_COMPONENTS, seed: int = 0
) -> NDArray[np.floating]:
    """Put the leading components of each modality side by side.

    Parameters
    ----------
    counts
        Counts of shape (n_cells, n_features) by kind: ``"rna"``, ``"atac"``, ``"protein"``.
    n_components
        Largest number of components of a modality.
    seed
        Seed of the components.

    Returns
    -------
    Array of shape (n_cells, n_dimensions); each modality has a total variance of 1.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> from scvi_xmodal.pairing._embedding import quick_embedding
    >>> mdata = xm.datasets.synthetic(n_cells=30, n_genes=20, n_peaks=40, atac_density=0.3)
    >>> counts = {kind: mdata[kind].X for kind in ("rna", "atac")}
    >>> quick_embedding(counts, n_components=5).shape
    (30, 9)
    """
    parts = []
    for kind, matrix in counts.items():
        values = _COMPONENTS[kind](matrix, n_components, seed)
        spread = np.sqrt(np.square(values - values.mean(axis=0)).sum(axis=1).mean())
        parts.append(values / spread if spread > 0 else values)
    return np.concatenate(parts, axis=1)


def own_embedding(embedding: ArrayLike, n_obs: int) -> NDArray[np.floating]:
    """Return a given embedding as an array, of shape (n_obs, n_dimensions)."""
    wanted = (
        f"An embedding of your own needs a row of finite numbers for each of the {n_obs} cells"
    )
    try:
        points = np.asarray(embedding)
        points = points.astype(np.float64) if points.dtype.kind not in "fiub" else points
    except (TypeError, ValueError):
        raise ValueError(f"{wanted} of the data, got {shown(embedding)}.") from None
    if points.ndim != 2 or len(points) != n_obs or not np.isfinite(points).all():
        raise ValueError(f"{wanted} of the data, got shape {points.shape}.")
    return points


def _chosen(embedding: str | None, kinds: set[str]) -> str:
    if embedding is None:
        return next((name for name, needs in _NEEDS.items() if needs == kinds), "quick")
    if embedding not in get_args(Embedding):
        raise ValueError(f"embedding={embedding!r}; known are {list(get_args(Embedding))}.")
    if embedding in _NEEDS and _NEEDS[embedding] != kinds:
        raise ValueError(
            f"embedding={embedding!r} joins {sorted(_NEEDS[embedding])}, but the data have "
            f"{sorted(kinds)}: take embedding='quick', or name two by modalities=."
        )
    return embedding


def _counts(
    adata: AnnData, rows: NDArray[np.int64], layer: str | None, kind: str
) -> sparse.csr_matrix:
    matrix = counts_of(adata, layer, name=kind)
    taken = take_rows(matrix, rows)
    check_counts(taken, name=layer_name(kind, layer))
    return taken


def _rna(counts: sparse.csr_matrix, n_components: int, seed: int) -> NDArray[np.floating]:
    return principal_components(log_normalize(counts), n_components=n_components, seed=seed)


def _protein(counts: sparse.csr_matrix, n_components: int, seed: int) -> NDArray[np.floating]:
    return principal_components(clr(counts), n_components=n_components, seed=seed)


def _atac(counts: sparse.csr_matrix, n_components: int, seed: int) -> NDArray[np.floating]:
    """Latent semantic indexing: singular vectors of the uncentred TF-IDF but the first."""
    from scipy.sparse.linalg import svds

    weighted = sparse.csr_matrix(tfidf(counts, fit_tfidf(counts))).astype(np.float64)
    k = min(n_components, min(weighted.shape) - 1)
    if k < 2 or not weighted.nnz:
        return np.zeros((counts.shape[0], 1))
    start = np.random.default_rng(seed).standard_normal(min(weighted.shape))
    left, values, _ = svds(weighted, k=k, v0=start)
    order = np.argsort(values)[::-1][1:]  # the first is depth
    return left[:, order] * values[order]


_COMPONENTS = {"rna": _rna, "atac": _atac, "protein": _protein}


def _trained(
    how: str, counts: Mapping[str, sparse.csr_matrix], seed: int, train_kwargs: dict[str, Any]
) -> tuple[NDArray[np.floating], Any]:
    """Train MULTIVI or TOTALVI on these cells alone and return its latent and itself."""
    import scvi
    from mudata import MuData

    model_class = scvi.model.MULTIVI if how == "multivi" else scvi.model.TOTALVI
    # MULTIVI wants RNA before ATAC
    kinds = sorted(counts, reverse=True) if how == "multivi" else ["rna", "protein"]
    with own_columns_only(), warnings.catch_warnings():
        # a protein and its gene share a name; the modality tells them apart
        warnings.filterwarnings("ignore", message="var_names are not unique")
        mdata = MuData({kind: _frequent(counts[kind], kind) for kind in kinds})
    names = {f"{kind}_layer": kind for kind in kinds}
    before = scvi.settings.seed
    try:
        scvi.settings.seed = seed
        model_class.setup_mudata(mdata, modalities=names)
        model = model_class(mdata)
        model.train(**{"enable_progress_bar": False, **train_kwargs})
        return model.get_latent_representation(), model
    finally:
        scvi.settings.seed = before


def _frequent(counts: sparse.csr_matrix, kind: str) -> AnnData:
    """Return counts without the rare features, all proteins kept."""
    if kind == "protein":
        return AnnData(counts.toarray())
    detected = np.bincount(counts.indices, counts.data > 0, minlength=counts.shape[1])
    return AnnData(counts[:, detected >= max(1, _LEAST_SHARE * counts.shape[0])])
