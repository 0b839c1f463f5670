"""Translate single-cell profiles between modalities, on scvi-tools and MuData.

Subpackages are imported on first use, so that ``import scvi_xmodal`` costs nothing:
neither torch, nor plotting, nor clustering is loaded before it is needed.
"""

from __future__ import annotations

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from scvi_xmodal import baselines, data, datasets, metrics, model, pairing, pl, pp, tl

__all__ = ["baselines", "data", "datasets", "metrics", "model", "pairing", "pl", "pp", "tl"]
_FOR_DEVELOPERS = ("module", "nn", "train")
"""What models are built from: at hand, as docstrings name it, but not among what users need."""

try:
    __version__ = version("scvi-xmodal")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"


def __getattr__(name: str) -> ModuleType:
    if name in (*__all__, *_FOR_DEVELOPERS):
        return importlib.import_module(f"scvi_xmodal.{name}")
    raise AttributeError(f"module 'scvi_xmodal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_FOR_DEVELOPERS})
