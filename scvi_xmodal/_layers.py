"""Names of layers, whichever anndata is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData


def layer_names(adata: AnnData) -> list[str]:
    """Return the names of the layers; anndata 0.13 counts ``X`` among them, named ``None``."""
    return [name for name in adata.layers if name is not None]


def chosen_layer(adata: AnnData, layer: str | None, default: str | None = None) -> str | None:
    """Return the layer that is meant: ``None`` for ``X``, which ``"X"`` names too.

    Parameters
    ----------
    adata
        Data; a layer of theirs that is called ``"X"`` comes first.
    layer
        What was asked for; ``None`` for the default.
    default
        Layer where nothing was asked for.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> from scvi_xmodal._layers import chosen_layer
    >>> adata = AnnData(np.ones((1, 1)))
    >>> [chosen_layer(adata, layer, "counts") for layer in (None, "X", "raw")]
    ['counts', None, 'raw']
    """
    if layer is None:
        return default
    return None if layer == "X" and "X" not in adata.layers else layer
