"""One table for a direction of translation, baselines beside the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._comparison import Comparison, compare
from scvi_xmodal.metrics._features import features_table
from scvi_xmodal.metrics._label_scores import (
    find_labels,
    find_profiles,
    label_scores,
    measured_profile,
)
from scvi_xmodal.metrics._scores import score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData

_LAST = ("n_cells", "n_features", "n_features_scored")


def evaluate_translation(
    prediction: AnnData | Mapping[str, AnnData],
    truth: AnnData | MuData,
    *,
    reference: AnnData | MuData | None = None,
    labels_key: str | None = None,
    kind: str | None = None,
    clustering: AnnData | Mapping[str, AnnData] | None = None,
    layer: str | None = None,
    per_feature: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Score translations against measured counts of the same cells.

    Scores per feature come first: they ask who has more of a gene or peak, which the training
    mean cannot know (Pearson 0, AUROC .5). Scores per cell and flattened ones reward knowing
    which features are high in all cells; read them against the row ``"mean"``.

    Parameters
    ----------
    prediction
        What ``translate`` returned, or a dict of several by name, of the same cells and
        features.
    truth
        Raw counts of the predicted modality in the same cells, or a MuData that holds it.
        Matched by ``obs_names`` and ``var_names``, in any order; further features are ignored,
        but where only some of a model's genes or proteins were predicted: those of the truth
        are then relative to all that the model knows, as the predicted ones are.
    reference
        Raw counts of the training cells. They give the library size that RNA is scaled to and
        the row ``"mean"``. Without them the truth's own median library size is used.
    labels_key
        Column of the prediction's or the truth's ``obs`` with cell types, for the clustering
        columns. Missing labels are left out.
    kind
        ``"rna"``, ``"atac"`` or ``"protein"``, for predictions that do not record it in
        ``uns["scvi_xmodal"]["target_kind"]``.
    clustering
        Predictions to cluster in place of ``prediction``: one AnnData, or a dict by name. An
        ATAC prediction at the predicted depth ranks best, one at the median depth clusters best.
    layer
        Layer of ``truth`` and ``reference`` that holds the counts; ``None`` for ``X``.
    per_feature
        Return the table of :func:`evaluate_features` instead.
    seed
        Seeds the clustering.

    Returns
    -------
    One row for each prediction, one for the mean of the reference, ``"mean"``, and with
    ``labels_key`` one for the measured cells, ``"measured"``, which are clustered only. A
    prediction of such a name takes the row's place. Columns:

    - RNA, in log1p size-normalised expression: ``pearson_gene``, ``pearson_cell``,
      ``pearson_flat``, ``spearman_gene``, ``spearman_cell``, ``spearman_flat``, ``rmse``.
    - ATAC, where a peak with counts is open: ``auroc_peak``, ``auroc_cell``, ``auroc_flat``,
      average precision ``ap_peak``, ``ap_cell``, ``ap_flat``, and ``calibration_error`` and
      ``calibration_ratio`` of :func:`calibration`.
    - protein, in centred log-ratios over the model's proteins: ``pearson_protein``,
      ``pearson_cell``, ``spearman_protein``, ``spearman_cell``, ``rmse``.
    - with ``labels_key``: ``ari``, ``ami``, ``nmi``, ``homogeneity`` of Leiden clusters.
    - ``n_cells``, ``n_features``, and ``n_features_scored``: features that vary in the truth;
      the means per feature are over these.

    Raises
    ------
    ValueError
        If cells or features do not match, the truth is not counts, the prediction holds NaN,
        or the kind or the labels are not found.

    Notes
    -----
    Scores per feature and per cell are exact and read the matrices in blocks; flattened ranks
    look at every k-th cell once there are more than 200 million entries. Dense predictions are
    never copied as a whole but by ``spearman_flat`` (its values, sorted).

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> from scvi_xmodal.metrics import evaluate_translation
    >>> rng = np.random.default_rng(0)
    >>> rate = rng.gamma(2, size=(50, 8))
    >>> truth, reference = AnnData(rng.poisson(rate)), AnnData(rng.poisson(rate))
    >>> prediction = AnnData(np.log1p(rate))
    >>> table = evaluate_translation(prediction, truth, reference=reference, kind="rna")
    >>> (table["pearson_gene"] > 0.3).to_dict()
    {'prediction': True, 'mean': False}
    """
    check_arguments(locals(), prediction=None)
    comparison = compare(prediction, truth, reference=reference, kind=kind, layer=layer)
    if per_feature:
        return features_table(comparison)
    labels = None if labels_key is None else find_labels(comparison, labels_key)
    profiles = find_profiles(comparison, clustering)
    rows = _score_rows(comparison)
    if labels is not None:
        for name, (matrix, cells) in _cluster_inputs(comparison, profiles).items():
            found = label_scores(matrix, labels.loc[cells], seed=seed)
            rows[name] = rows.get(name, {}) | found
    return _as_table(rows, comparison)


def _score_rows(comparison: Comparison) -> dict[str, dict[str, float]]:
    """Return the scores of all predictions, and of the mean where there is a reference."""
    rows = {}
    for name, prediction in comparison.predictions.items():
        truth = comparison.truth.aligned_to(prediction)
        rows[name] = score(
            comparison.kind, truth, prediction.matrix, name=name, scale=prediction.scale
        )
    mean = comparison.mean_prediction
    if mean is not None and "mean" not in rows:
        rows["mean"] = score(comparison.kind, comparison.truth.matrix, mean, name="mean")
    return rows


def _cluster_inputs(
    comparison: Comparison, profiles: Mapping[str, Any]
) -> dict[str, tuple[Any, pd.Index]]:
    """Return, for each row, the profiles to cluster and the names of their cells."""
    cells = comparison.first.obs.index
    inputs = {name: (profile.matrix, profile.obs.index) for name, profile in profiles.items()}
    if comparison.mean is not None:
        inputs.setdefault("mean", (comparison.mean_prediction, cells))
    inputs.setdefault("measured", (measured_profile(comparison), cells))
    return inputs


def _as_table(rows: dict[str, dict[str, float]], comparison: Comparison) -> pd.DataFrame:
    n_cells, n_features = comparison.truth.matrix.shape
    n_scored = next(iter(rows.values()))["n_features_scored"]
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("prediction")
    sizes = dict(zip(_LAST, (n_cells, n_features, n_scored), strict=True))
    return table.drop(columns=_LAST[-1]).assign(**sizes)
