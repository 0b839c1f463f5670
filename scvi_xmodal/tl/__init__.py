"""What people do with translations."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scvi_xmodal.tl._dask import translate_dask
    from scvi_xmodal.tl._marker_peaks import marker_peaks
    from scvi_xmodal.tl._markers import marker_genes, marker_proteins
    from scvi_xmodal.tl._nearest_genes import nearest_genes
    from scvi_xmodal.tl._pseudobulk import PseudobulkConcordance, pseudobulk_concordance
    from scvi_xmodal.tl._thresholds import binarize, sparsify

_HOME = {
    "translate_dask": "_dask",
    "marker_peaks": "_marker_peaks",
    "marker_genes": "_markers",
    "marker_proteins": "_markers",
    "nearest_genes": "_nearest_genes",
    "PseudobulkConcordance": "_pseudobulk",
    "pseudobulk_concordance": "_pseudobulk",
    "binarize": "_thresholds",
    "sparsify": "_thresholds",
}

__all__ = [
    "PseudobulkConcordance",
    "binarize",
    "marker_genes",
    "marker_peaks",
    "marker_proteins",
    "nearest_genes",
    "pseudobulk_concordance",
    "sparsify",
    "translate_dask",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"scvi_xmodal.tl.{_HOME[name]}"), name)
    raise AttributeError(f"module 'scvi_xmodal.tl' has no attribute {name!r}")
