"""What anybody can compute without a model to tell strange cells: depth and distances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from mudata import MuData
    from numpy.typing import NDArray

N_COMPONENTS = 50


def simple_scores(
    mdata: MuData, key: str, train: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return scores of all cells, higher where stranger, fitted on the training cells.

    ``low_depth`` and ``odd_depth`` (distance from the median) of log counts; ``knn10``,
    ``knn30``: mean distance to that many nearest training cells in 50 principal components of
    log-normalised RNA, CLR proteins, or LSI of peaks; ``mahalanobis`` in the same space.
    """
    counts = sparse.csr_matrix(mdata[key].X).astype(np.float64)
    total = np.asarray((counts > 0 if key == "atac" else counts).sum(1)).ravel()
    depth = np.log1p(total)
    components = _components(counts, key, total, train)
    reference = components[train]
    found = {"low_depth": -depth, "odd_depth": np.abs(depth - np.median(depth[train]))}
    for k in (10, 30):
        search = NearestNeighbors(n_neighbors=k).fit(reference)
        found[f"knn{k}"] = search.kneighbors(components)[0].mean(1)
    covariance = np.cov(reference.T) + 1e-6 * np.eye(reference.shape[1])
    centred = components - reference.mean(0)
    squares = centred * np.linalg.solve(covariance, centred.T).T
    found["mahalanobis"] = squares.sum(1)
    return found


def _components(
    counts: sparse.csr_matrix, key: str, total: NDArray[np.float64], train: NDArray[np.int64]
) -> NDArray[np.float64]:
    if key == "protein":
        values = np.log1p(counts.toarray())
        values -= values.mean(1, keepdims=True)
    elif key == "rna":
        values = np.log1p(counts.multiply(np.median(total[train]) / total[:, None]).toarray())
    else:
        binary = (counts > 0).astype(np.float64)
        detected = np.asarray(binary[train].sum(0)).ravel()
        weight = np.log1p(train.size / np.maximum(detected, 1))
        frequency = sparse.diags(1e4 / np.maximum(total, 1)) @ binary @ sparse.diags(weight)
        values = sparse.csr_matrix(frequency).log1p()
    if key != "atac":
        values = values - values[train].mean(0)
    n_components = min(N_COMPONENTS, counts.shape[1] - 1)
    found = TruncatedSVD(n_components, random_state=0).fit(values[train]).transform(values)
    if key == "atac":  # the first component is depth, and cells are compared by direction
        found = found[:, 1:]
        found /= np.linalg.norm(found, axis=1, keepdims=True) + 1e-12
    return found
