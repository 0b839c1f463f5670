"""One table of features: which genes, peaks or proteins are predicted well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._comparison import Comparison, compare
from scvi_xmodal.metrics._scores import score_features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData


def evaluate_features(
    prediction: AnnData | Mapping[str, AnnData],
    truth: AnnData | MuData,
    *,
    reference: AnnData | MuData | None = None,
    kind: str | None = None,
    layer: str | None = None,
) -> pd.DataFrame:
    """Score every gene, peak or protein of a translation over the cells.

    Parameters
    ----------
    prediction, truth, reference, kind, layer
        As in :func:`evaluate_translation`.

    Returns
    -------
    One row for each feature in the prediction's order; of several predictions, the name and the
    feature index the rows. Columns:

    - ``mean_measured`` and ``mean_predicted``, on the prediction's scale: for ATAC, the open
      fraction and the mean probability.
    - RNA and protein: ``pearson``, ``spearman``, ``rmse``, and with ``reference``
      ``rmse_baseline``, the error of the training mean (which correlates with nothing).
    - ATAC: ``auroc``, ``average_precision``, and ``average_precision_baseline``, that of any
      constant: the open fraction (a constant's AUROC is .5).

    Features that do not vary in the truth have NaN where a score is undefined.

    Raises
    ------
    ValueError
        As :func:`evaluate_translation`.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> from scvi_xmodal.metrics import evaluate_features
    >>> truth = AnnData(np.array([[0.0, 1], [2, 0], [0, 1], [1, 0]]))
    >>> prediction = AnnData(np.array([[0.1, 0.5], [0.9, 0.5], [0.2, 0.5], [0.8, 0.5]]))
    >>> evaluate_features(prediction, truth, kind="atac")["auroc"].tolist()
    [1.0, 0.5]
    """
    check_arguments(locals(), prediction=None)
    return features_table(compare(prediction, truth, reference=reference, kind=kind, layer=layer))


def features_table(comparison: Comparison) -> pd.DataFrame:
    """Return the table of :func:`evaluate_features`."""
    tables = {}
    for name, prediction in comparison.predictions.items():
        truth = comparison.truth.aligned_to(prediction)
        mean = comparison.mean
        if mean is not None:
            mean = mean[comparison.first.var_names.get_indexer(prediction.var_names)]
        scores = score_features(comparison.kind, truth, prediction.matrix, mean)
        tables[name] = pd.DataFrame(scores, index=prediction.var_names.rename("feature"))
    if len(tables) == 1:
        return next(iter(tables.values()))
    return pd.concat(tables, names=["prediction"])
