"""Networks and losses: tensors and specs, no AnnData."""

from __future__ import annotations

from scvi_xmodal.module._architecture import PUBLISHED, Architecture
from scvi_xmodal.module._babel import BABEL_DEFAULTS, BabelAE
from scvi_xmodal.module._batches import BatchShares
from scvi_xmodal.module._butterfly import ButterflyVAE
from scvi_xmodal.module._depth import DepthPredictor
from scvi_xmodal.module._likelihoods import LIKELIHOODS
from scvi_xmodal.module._linear_path import Blend, LinearPath, Projection
from scvi_xmodal.module._nets import Decoder, Encoder
from scvi_xmodal.module._partial import PRESENCE
from scvi_xmodal.module._polarbear import POLARBEAR_DEFAULTS, PolarbearVAE
from scvi_xmodal.module._protein_head import ProteinHead
from scvi_xmodal.module._ridge import RidgeSums
from scvi_xmodal.module._shrinkage import SHARES, Shrinkage
from scvi_xmodal.module._spec import KIND_DEFAULTS, KindDefaults, ModalitySpec
from scvi_xmodal.module._standardize import Standardize, StandardScores, standard_scores
from scvi_xmodal.module._statistics import FeatureStatistics, feature_statistics
from scvi_xmodal.module._transforms import TRANSFORMS

__all__ = [
    "BABEL_DEFAULTS",
    "KIND_DEFAULTS",
    "LIKELIHOODS",
    "POLARBEAR_DEFAULTS",
    "PRESENCE",
    "PUBLISHED",
    "SHARES",
    "TRANSFORMS",
    "Architecture",
    "BabelAE",
    "BatchShares",
    "Blend",
    "ButterflyVAE",
    "Decoder",
    "DepthPredictor",
    "Encoder",
    "FeatureStatistics",
    "KindDefaults",
    "LinearPath",
    "ModalitySpec",
    "PolarbearVAE",
    "Projection",
    "ProteinHead",
    "RidgeSums",
    "Shrinkage",
    "StandardScores",
    "Standardize",
    "feature_statistics",
    "standard_scores",
]
