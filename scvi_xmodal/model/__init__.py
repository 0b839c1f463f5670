"""Models that users hold."""

from __future__ import annotations

from scvi_xmodal.model._butterfly import Butterfly

__all__ = ["Butterfly"]
