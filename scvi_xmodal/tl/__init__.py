"""What people do with translations."""

from __future__ import annotations

from scvi_xmodal.tl._dask import translate_dask

__all__ = ["translate_dask"]
