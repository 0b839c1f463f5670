"""The models to beat: mean, sequencing depth, nearest neighbours and linear regression."""

from __future__ import annotations

from scvi_xmodal.baselines._base import Baseline
from scvi_xmodal.baselines._depth import DepthOnly
from scvi_xmodal.baselines._knn import KNN
from scvi_xmodal.baselines._mean import Mean
from scvi_xmodal.baselines._ridge import Ridge

__all__ = ["KNN", "Baseline", "DepthOnly", "Mean", "Ridge"]
