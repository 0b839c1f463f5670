"""Predicted genes, peaks or proteins on an embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal._arguments import check_arguments, check_order, same_names
from scvi_xmodal._layers import layer_names
from scvi_xmodal.pl._axes import panels
from scvi_xmodal.pl._embedding import BASIS_NAMES, embed
from scvi_xmodal.pl._umap import point_area

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_SIZE = (3.6, 3.1)
_COLUMNS = 4
_CLIPPED = 99.5


def marker(
    prediction: AnnData,
    features: str | Sequence[str],
    *,
    embedding: AnnData | NDArray[Any] | None = None,
    basis: str = "X_umap",
    layer: str | None = None,
    axes: Any = None,
    seed: int = 0,
) -> NDArray[Any]:
    """Draw predicted values of some features on an embedding of the cells.

    Cells of high values lie on top, and the scale ends at the 99.5th percentile, so that a
    handful of cells does not set it.

    Parameters
    ----------
    prediction
        What ``translate`` returned.
    features
        Names of features, a panel each.
    embedding
        Where the cells lie: an AnnData of the same cells with ``obsm[basis]``, such as the ATAC
        that was translated, or an array of shape (n_cells, 2). By default the prediction's own
        ``obsm[basis]``, else a UMAP of its values.
    basis
        Key of ``obsm``.
    layer
        Layer to draw; ``None`` for ``X``.
    axes
        Axes to draw into, one for each feature; by default those of a new figure.
    seed
        Seed of the UMAP.

    Returns
    -------
    Array of Axes of shape (n_features,).

    Raises
    ------
    ValueError
        If a feature, layer or embedding is missing, or is of other cells.

    Examples
    --------
    >>> import numpy as np
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=40, n_genes=20, n_peaks=30)
    >>> ridge = xm.baselines.Ridge(n_components=5).fit(mdata)
    >>> rna = ridge.translate(mdata["atac"], source="atac", target="rna")
    >>> place = np.random.default_rng(0).normal(size=(40, 2))
    >>> [ax.get_title() for ax in xm.pl.marker(rna, rna.var_names[:2], embedding=place)]
    ['gene_0', 'gene_1']
    """
    check_arguments(locals())
    names = [features] if isinstance(features, str) else list(features)
    absent = [name for name in names if name not in prediction.var_names]
    if absent or not names:
        raise ValueError(
            f"The prediction has no feature {absent[0]!r}." if absent else "No feature is named."
        )
    if layer is not None and layer not in prediction.layers:
        raise ValueError(f"There is no layer {layer!r}; there are {layer_names(prediction)}.")
    xy = _places(prediction, embedding, basis, seed)
    values = _columns(prediction, names, layer)
    places = [divmod(number, _COLUMNS) for number in range(len(names))]
    axes = panels(axes, places, size=_SIZE)
    label = basis.removeprefix("X_")
    label = BASIS_NAMES.get(label, label)
    for ax, name, own in zip(axes, names, values.T, strict=True):
        _draw(ax, xy, own)
        ax.set(title=name, xlabel=f"{label} 1", ylabel=f"{label} 2")
    return axes


def _columns(prediction: AnnData, names: Sequence[str], layer: str | None) -> NDArray[Any]:
    """Return the values of some features, of shape (n_cells, n_features)."""
    values = prediction.X if layer is None else prediction.layers[layer]
    # HDF5 gives columns in the file's order alone, each once
    columns, order = np.unique(prediction.var_names.get_indexer(names), return_inverse=True)
    values = values[:, columns]
    return (values.toarray() if sparse.issparse(values) else np.asarray(values))[:, order]


def _places(prediction: AnnData, embedding: Any, basis: str, seed: int) -> NDArray[Any]:
    if embedding is None:
        if basis in prediction.obsm:
            return np.asarray(prediction.obsm[basis])[:, :2]
        if basis == "X_umap":
            return embed(prediction, name="prediction", seed=seed)
        raise ValueError(f"The prediction has no obsm[{basis!r}]; it has {list(prediction.obsm)}.")
    if not hasattr(embedding, "obsm"):
        check_order(embedding, prediction.obs_names, "embedding")
        xy = np.asarray(embedding)
        if xy.ndim != 2 or xy.shape[0] != prediction.n_obs or xy.shape[1] < 2:
            raise ValueError(f"embedding has shape {xy.shape}; ({prediction.n_obs}, 2) is needed.")
        return xy[:, :2]
    if basis not in embedding.obsm:
        raise ValueError(f"embedding has no obsm[{basis!r}]; it has {list(embedding.obsm)}.")
    if same_names(embedding.obs_names, prediction.obs_names):
        return np.asarray(embedding.obsm[basis])[:, :2]
    if not embedding.obs_names.is_unique:
        twice = embedding.obs_names[embedding.obs_names.duplicated()][0]
        raise ValueError(
            f"Cells of embedding are matched by name, but {twice!r} appears twice: make the names "
            f"unique, or give embedding.obsm[{basis!r}] of the prediction's cells in their order."
        )
    rows = embedding.obs_names.get_indexer(prediction.obs_names)
    if (rows < 0).any():
        raise ValueError(
            f"embedding lacks {int((rows < 0).sum())} of the prediction's {rows.size} cells."
        )
    return np.asarray(embedding.obsm[basis])[rows, :2]


def _draw(ax: Axes, xy: NDArray[Any], values: NDArray[Any]) -> None:
    order = np.argsort(values, kind="stable")
    low, high = float(values.min()), float(np.percentile(values, _CLIPPED))
    points = ax.scatter(
        xy[order, 0],
        xy[order, 1],
        c=values[order],
        s=point_area(ax, len(values)),
        cmap="viridis",
        vmin=low,
        vmax=high if high > low else low + 1.0,
        linewidths=0,
        rasterized=True,
    )
    ax.figure.colorbar(points, ax=ax, shrink=0.7)
    ax.set(xticks=[], yticks=[])
    ax.spines[["top", "right"]].set_visible(False)
