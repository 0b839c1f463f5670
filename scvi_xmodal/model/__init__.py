"""Models that users hold."""

from __future__ import annotations

from scvi_xmodal.model._babel import Babel
from scvi_xmodal.model._butterfly import Butterfly
from scvi_xmodal.model._files import read_manifest
from scvi_xmodal.model._hub import to_hub
from scvi_xmodal.model._polarbear import Polarbear

__all__ = ["Babel", "Butterfly", "Polarbear", "read_manifest", "to_hub"]
