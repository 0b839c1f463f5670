from __future__ import annotations

from scvi_xmodal.data._split import Split

__all__ = ["Split"]
