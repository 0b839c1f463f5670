"""Names that the whole package shares."""

from __future__ import annotations

from typing import Literal

Kind = Literal["rna", "atac", "protein"]
"""What a modality measures; decides its transform, nets and likelihood."""

KINDS: tuple[Kind, ...] = ("rna", "atac", "protein")

CONDITIONS = ("control", "perturbed")
"""A perturbation model's names of its modalities, which no cell was measured in both of."""

UNS_KEY = "scvi_xmodal"
"""Where translations record source, target, model, versions and options."""

FORMAT_VERSION = 1
"""Version of what ``save`` writes; raised when an older package could not read it."""

LAST_TRAINING = "last_training"
"""Where ``attrs`` of a history's table hold the epoch at which the last training began."""
