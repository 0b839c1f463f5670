"""Figures: translations beside measurements, and training curves.

matplotlib and scanpy are imported when a figure is drawn, never before.
"""

from __future__ import annotations

from scvi_xmodal.pl._colors import label_colors
from scvi_xmodal.pl._history import history
from scvi_xmodal.pl._pseudobulk import pseudobulk
from scvi_xmodal.pl._umap import translation_umap

__all__ = ["history", "label_colors", "pseudobulk", "translation_umap"]
