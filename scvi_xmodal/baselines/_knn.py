"""The mean of the nearest training cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist

from scvi_xmodal._arguments import WHOLE, check_arguments
from scvi_xmodal.baselines._base import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal.baselines._prediction import Encoder
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.baselines._training import Training


@dataclass(eq=False)
class KNN(Baseline):
    """Average the targets of the training cells whose source is nearest.

    BABEL's baseline (Wu et al. 2021, Methods): Euclidean distance between binarised ATAC, or
    log1p size-normalised RNA, profiles; uniform weights. Protein is compared by centred
    log-ratios. Between equally distant cells, of which binary profiles have many, the earlier
    training row is taken.

    Parameters
    ----------
    n_neighbors
        Number of training cells to average; all of them, if there are fewer.

    Raises
    ------
    ValueError
        If ``n_neighbors`` is below 1.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30)
    >>> knn = xm.baselines.KNN(n_neighbors=5).fit(mdata, indices=range(40))
    >>> knn.translate(mdata["rna"], source="rna", target="atac").shape
    (60, 30)
    """

    n_neighbors: int = 10

    def __post_init__(self) -> None:
        check_arguments({"n_neighbors": self.n_neighbors}, n_neighbors=WHOLE)
        if self.n_neighbors < 1:
            raise ValueError(f"n_neighbors={self.n_neighbors}: at least 1 is needed.")

    def _fit_source(self, training: Training) -> tuple[Encoder, Values]:
        return training.modality.profile, training.profile

    def _fit_pair(self, x: Values, target: Training) -> Neighbors:
        return Neighbors(x, target.profile, min(self.n_neighbors, x.shape[0]))


@dataclass(frozen=True, eq=False)
class Neighbors:
    """Training cells to compare with and to average.

    Parameters
    ----------
    source
        Source profiles of shape (n_cells, n_source_features).
    target
        Target profiles of shape (n_cells, n_features).
    n_neighbors
        Number of cells to average.
    """

    source: Values
    target: Values
    n_neighbors: int

    def __call__(self, x: Values) -> NDArray[np.float64]:
        """Return the neighbours' mean profile, of shape (n_queries, n_features)."""
        columns = nearest(squared_distances(x, self.source), self.n_neighbors).ravel()
        weights = np.full(columns.size, 1 / self.n_neighbors)
        starts = np.arange(0, columns.size + 1, self.n_neighbors)
        shape = (x.shape[0], self.source.shape[0])
        average = sparse.csr_matrix((weights, columns, starts), shape=shape)
        if isinstance(self.target, np.ndarray):
            return average @ self.target
        return (average @ self.target).toarray()


def squared_distances(x: Values, y: Values) -> NDArray[np.float64]:
    """Return squared Euclidean distances of shape (n_x, n_y); no row depends on the others."""
    if isinstance(x, np.ndarray) or isinstance(y, np.ndarray):
        return cdist(x, y, "sqeuclidean")
    # this order of the product turns only x, the smaller one, from CSC into CSR
    products = (y @ x.T).toarray().T
    return _squared_norms(x)[:, None] + _squared_norms(y) - 2 * products


def nearest(distances: NDArray[np.float64], n_neighbors: int) -> NDArray[np.int64]:
    """Return the columns of the smallest values of each row, of shape (n_rows, n_neighbors).

    Columns ascend; between equal values the first ones are taken, which makes the choice the
    same on every machine and for any grouping of rows.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.baselines._knn import nearest
    >>> nearest(np.array([[3.0, 1, 3, 2, 3]]), 3)
    array([[0, 1, 3]])
    """
    last = n_neighbors - 1
    farthest = np.partition(distances, last, axis=1)[:, last, None]
    closer, tied = distances < farthest, distances == farthest
    n_missing = n_neighbors - closer.sum(axis=1, keepdims=True)
    taken = closer | (tied & (np.cumsum(tied, axis=1) <= n_missing))
    return np.nonzero(taken)[1].reshape(-1, n_neighbors)


def _squared_norms(matrix: sparse.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
