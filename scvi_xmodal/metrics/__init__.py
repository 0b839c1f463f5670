"""Honest scores of translations: per feature first, baselines beside them.

Functions on arrays take ``(truth, prediction)``, each of shape (n_cells, n_features);
``evaluate_translation`` and ``evaluate_features`` take AnnData and MuData.
"""

from __future__ import annotations

from scvi_xmodal.metrics._annotation import AnnotationScores, evaluate_annotation
from scvi_xmodal.metrics._calibration import Calibration, calibration
from scvi_xmodal.metrics._clustering import ClusteringAgreement, cluster_agreement, leiden_clusters
from scvi_xmodal.metrics._components import principal_components
from scvi_xmodal.metrics._errors import rmse_flat, rmse_per_feature
from scvi_xmodal.metrics._evaluate import evaluate_translation
from scvi_xmodal.metrics._features import evaluate_features
from scvi_xmodal.metrics._pearson import pearson_flat, pearson_per_cell, pearson_per_feature
from scvi_xmodal.metrics._perturbation import evaluate_perturbation
from scvi_xmodal.metrics._ranking import (
    Ranking,
    auroc_flat,
    auroc_per_cell,
    auroc_per_feature,
    average_precision_flat,
    average_precision_per_cell,
    average_precision_per_feature,
    ranking_flat,
    ranking_per_cell,
    ranking_per_feature,
)
from scvi_xmodal.metrics._spearman import spearman_flat, spearman_per_cell, spearman_per_feature

__all__ = [
    "AnnotationScores",
    "Calibration",
    "ClusteringAgreement",
    "Ranking",
    "auroc_flat",
    "auroc_per_cell",
    "auroc_per_feature",
    "average_precision_flat",
    "average_precision_per_cell",
    "average_precision_per_feature",
    "calibration",
    "cluster_agreement",
    "evaluate_annotation",
    "evaluate_features",
    "evaluate_perturbation",
    "evaluate_translation",
    "leiden_clusters",
    "pearson_flat",
    "pearson_per_cell",
    "pearson_per_feature",
    "principal_components",
    "ranking_flat",
    "ranking_per_cell",
    "ranking_per_feature",
    "rmse_flat",
    "rmse_per_feature",
    "spearman_flat",
    "spearman_per_cell",
    "spearman_per_feature",
]
