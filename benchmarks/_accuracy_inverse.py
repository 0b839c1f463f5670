"""From TF-IDF values, which the published model predicts, to probabilities."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def inverse_tfidf(tfidf: np.ndarray, counts: sparse.csr_matrix, depth: float) -> np.ndarray:
    r"""Turn predicted TF-IDF values, of shape (n_test, n_peaks), into the scale of probabilities.

    .. math:: \hat p_{ij} = \hat x_{ij} \, \frac{S}{\mathrm{IDF}_j} \, d

    as in scButterfly's Methods ("inverse TF-IDF"), but for the depth d: there it is that of the
    measured cell, here it must be given, such as the training cells' median. Values above 1 stay,
    or they would be ties where peaks are ranked; where there are any, calibration is not scored.

    Parameters
    ----------
    tfidf
        Predictions on the scale of TF-IDF over its largest value.
    counts
        Counts of shape (n_cells, n_peaks) that TF-IDF was computed on.
    depth
        Open peaks of a cell.
    """
    is_open = (counts > 0).astype(np.float64)
    per_cell = np.asarray(is_open.sum(axis=1)).ravel()
    idf = np.log1p(counts.shape[0] / np.asarray(is_open.sum(axis=0)).ravel())
    largest = (sparse.diags(1 / np.maximum(per_cell, 1)) @ is_open @ sparse.diags(idf)).max()
    return np.maximum(tfidf * (largest * depth / idf), 0)
