"""Names of layers, whichever anndata is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData


def layer_names(adata: AnnData) -> list[str]:
    """Return the names of the layers; anndata 0.13 counts ``X`` among them, named ``None``."""
    return [name for name in adata.layers if name is not None]
