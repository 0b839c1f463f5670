"""The models to beat: mean, depth, nearest neighbours, linear regression, gene activity."""

from __future__ import annotations

from scvi_xmodal.baselines._activity import ActivityRule
from scvi_xmodal.baselines._base import Baseline
from scvi_xmodal.baselines._depth import DepthOnly
from scvi_xmodal.baselines._gene_activity import GeneActivity
from scvi_xmodal.baselines._knn import KNN
from scvi_xmodal.baselines._mean import Mean
from scvi_xmodal.baselines._ridge import Ridge

__all__ = ["KNN", "ActivityRule", "Baseline", "DepthOnly", "GeneActivity", "Mean", "Ridge"]
