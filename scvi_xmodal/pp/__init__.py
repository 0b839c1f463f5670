"""Before training: gather modalities, split cells, choose features, transform counts."""

from __future__ import annotations

from scvi_xmodal.pp._align import align_features
from scvi_xmodal.pp._annotate import annotate_peaks
from scvi_xmodal.pp._clr import clr
from scvi_xmodal.pp._features import select_features
from scvi_xmodal.pp._split import split
from scvi_xmodal.pp._tfidf import TfIdf, fit_tfidf, inverse_tfidf, tfidf
from scvi_xmodal.pp._to_mudata import to_mudata

__all__ = [
    "TfIdf",
    "align_features",
    "annotate_peaks",
    "clr",
    "fit_tfidf",
    "inverse_tfidf",
    "select_features",
    "split",
    "tfidf",
    "to_mudata",
]
