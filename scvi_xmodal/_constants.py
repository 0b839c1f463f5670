"""Names that the whole package shares."""

from __future__ import annotations

from typing import Literal

Kind = Literal["rna", "atac", "protein"]
"""What a modality measures; decides its transform, nets and likelihood."""

KINDS: tuple[Kind, ...] = ("rna", "atac", "protein")

UNS_KEY = "scvi_xmodal"
"""Where translations record source, target, model, versions and options."""

FORMAT_VERSION = 1
"""Version of what ``save`` writes; raised when an older package could not read it."""
