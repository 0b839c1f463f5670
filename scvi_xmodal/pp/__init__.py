"""Before training: gather modalities, split cells, choose or map features, transform counts."""

from __future__ import annotations

from scvi_xmodal.data._repool import RepoolReport
from scvi_xmodal.pp._align import align_features
from scvi_xmodal.pp._annotate import annotate_peaks
from scvi_xmodal.pp._chromosomes import exclude_chromosomes
from scvi_xmodal.pp._clr import clr
from scvi_xmodal.pp._features import select_features
from scvi_xmodal.pp._filter_cells import filter_cells_by_genes
from scvi_xmodal.pp._filter_peaks import filter_peaks
from scvi_xmodal.pp._join_single_assay import join_single_assay
from scvi_xmodal.pp._liftover import LiftoverReport, liftover
from scvi_xmodal.pp._merge_peaks import merge_overlapping_peaks, union_peaks
from scvi_xmodal.pp._repool import repool_peaks
from scvi_xmodal.pp._rotate_validation import rotate_validation
from scvi_xmodal.pp._split import split
from scvi_xmodal.pp._tfidf import TfIdf, fit_tfidf, inverse_tfidf, tfidf
from scvi_xmodal.pp._to_mudata import to_mudata

__all__ = [
    "LiftoverReport",
    "RepoolReport",
    "TfIdf",
    "align_features",
    "annotate_peaks",
    "clr",
    "exclude_chromosomes",
    "filter_cells_by_genes",
    "filter_peaks",
    "fit_tfidf",
    "inverse_tfidf",
    "join_single_assay",
    "liftover",
    "merge_overlapping_peaks",
    "repool_peaks",
    "rotate_validation",
    "select_features",
    "split",
    "tfidf",
    "to_mudata",
    "union_peaks",
]
