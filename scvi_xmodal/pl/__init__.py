"""Figures: translations beside measurements, scores beside baselines, and training curves.

matplotlib and scanpy are imported when a figure is drawn, never before.
"""

from __future__ import annotations

from scvi_xmodal.pl._calibration import calibration
from scvi_xmodal.pl._colors import label_colors
from scvi_xmodal.pl._confusion import confusion
from scvi_xmodal.pl._density import prediction_density
from scvi_xmodal.pl._feature_scores import feature_scores
from scvi_xmodal.pl._history import history
from scvi_xmodal.pl._marker import marker
from scvi_xmodal.pl._pseudobulk import pseudobulk
from scvi_xmodal.pl._umap import translation_umap

__all__ = [
    "calibration",
    "confusion",
    "feature_scores",
    "history",
    "label_colors",
    "marker",
    "prediction_density",
    "pseudobulk",
    "translation_umap",
]
