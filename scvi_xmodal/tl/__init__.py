"""What people do with translations."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scvi_xmodal.tl._annotate import annotate
    from scvi_xmodal.tl._chain import translate_chain
    from scvi_xmodal.tl._dask import translate_dask
    from scvi_xmodal.tl._differential_peaks import differential_peaks, write_bed
    from scvi_xmodal.tl._enrichment import enrich
    from scvi_xmodal.tl._ensemble import translate_ensemble
    from scvi_xmodal.tl._integrate import integrate
    from scvi_xmodal.tl._joint import enhance, joint_latent
    from scvi_xmodal.tl._marker_peaks import marker_peaks
    from scvi_xmodal.tl._markers import marker_genes, marker_proteins
    from scvi_xmodal.tl._nearest_genes import nearest_genes
    from scvi_xmodal.tl._openproblems import to_openproblems
    from scvi_xmodal.tl._pseudobulk import PseudobulkConcordance, pseudobulk_concordance
    from scvi_xmodal.tl._subclusters import Subclusters, subcluster_markers
    from scvi_xmodal.tl._thresholds import binarize, sparsify

_HOME = {
    "annotate": "_annotate",
    "translate_chain": "_chain",
    "translate_dask": "_dask",
    "differential_peaks": "_differential_peaks",
    "write_bed": "_differential_peaks",
    "enrich": "_enrichment",
    "translate_ensemble": "_ensemble",
    "integrate": "_integrate",
    "enhance": "_joint",
    "joint_latent": "_joint",
    "marker_peaks": "_marker_peaks",
    "marker_genes": "_markers",
    "marker_proteins": "_markers",
    "nearest_genes": "_nearest_genes",
    "to_openproblems": "_openproblems",
    "PseudobulkConcordance": "_pseudobulk",
    "pseudobulk_concordance": "_pseudobulk",
    "Subclusters": "_subclusters",
    "subcluster_markers": "_subclusters",
    "binarize": "_thresholds",
    "sparsify": "_thresholds",
}

__all__ = [
    "PseudobulkConcordance",
    "Subclusters",
    "annotate",
    "binarize",
    "differential_peaks",
    "enhance",
    "enrich",
    "integrate",
    "joint_latent",
    "marker_genes",
    "marker_peaks",
    "marker_proteins",
    "nearest_genes",
    "pseudobulk_concordance",
    "sparsify",
    "subcluster_markers",
    "to_openproblems",
    "translate_chain",
    "translate_dask",
    "translate_ensemble",
    "write_bed",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"scvi_xmodal.tl.{_HOME[name]}"), name)
    raise AttributeError(f"module 'scvi_xmodal.tl' has no attribute {name!r}")
