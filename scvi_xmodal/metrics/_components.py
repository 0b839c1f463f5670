"""Principal components without a centred copy of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._blocks import as_matrix, check_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray


_SMALL = 1 << 24


def principal_components(
    matrix: Any, *, n_components: int = 50, seed: int = 0
) -> NDArray[np.floating]:
    r"""Return the scores of the cells on the leading principal components.

    The truncated singular value decomposition :math:`X - 1 \bar x^T \approx U S V^T` gives the
    scores :math:`U S`. The mean is subtracted inside the products with X, so a dense matrix is
    not copied and a sparse one stays sparse.

    Parameters
    ----------
    matrix
        Profiles of shape (n_cells, n_features), dense or sparse.
    n_components
        Largest number of components; never more than ``min(n_cells, n_features) - 1``. A single
        feature or cell has no such decomposition and is returned centred.
    seed
        Seeds the start vector.

    Returns
    -------
    Scores of shape (n_cells, n_components), by decreasing variance; unique up to their sign. Dense
    matrices of more than 16 million values are worked on in their own precision, others in
    float64.

    Raises
    ------
    ValueError
        If ``n_components`` is below 1, or a value is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.metrics import principal_components
    >>> matrix = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> np.abs(principal_components(matrix, n_components=1)).round(6).tolist()
    [[5.0], [0.0], [5.0]]
    """
    check_arguments(locals())
    if n_components < 1:
        raise ValueError(f"n_components={n_components}: at least 1 is needed.")
    matrix = as_matrix(matrix, name="matrix")
    check_finite(matrix, name="matrix")
    matrix = _precise(matrix)
    k = min(n_components, min(matrix.shape) - 1)
    mean = np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()
    if k < 1 or is_constant(matrix):
        dense = matrix[:, :1].toarray() if sparse.issparse(matrix) else matrix[:, :1]
        return dense - mean[:1]
    start = np.random.default_rng(seed).standard_normal(min(matrix.shape))
    left, values, _ = svds(_centred(matrix, mean), k=k, v0=start.astype(matrix.dtype))
    order = np.argsort(values)[::-1]
    return left[:, order] * values[order]


def is_constant(matrix: Any) -> bool:
    """Tell whether all cells have the same profile."""
    if 0 in matrix.shape:
        return True
    top, bottom = matrix.max(axis=0), matrix.min(axis=0)
    difference = top != bottom
    return difference.nnz == 0 if sparse.issparse(difference) else not np.any(difference)


def _precise(matrix: Any) -> Any:
    """Return small, sparse and integer matrices in float64, where a copy costs little."""
    small = sparse.issparse(matrix) or matrix.size <= _SMALL
    return matrix.astype(np.float64) if small or matrix.dtype.kind != "f" else matrix


def _centred(matrix: Any, mean: NDArray[np.float64]) -> LinearOperator:
    """Return ``matrix`` less its column means, as products only."""
    mean = mean.astype(matrix.dtype)

    def product(vectors: NDArray[Any]) -> NDArray[Any]:
        return matrix @ vectors - mean @ vectors

    def transposed_product(vectors: NDArray[Any]) -> NDArray[Any]:
        return matrix.T @ vectors - np.multiply.outer(mean, vectors.sum(axis=0))

    return LinearOperator(
        matrix.shape,
        matvec=product,
        rmatvec=transposed_product,
        matmat=product,
        rmatmat=transposed_product,
        dtype=matrix.dtype,
    )
