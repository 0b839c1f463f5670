"""Whether values are counts: asked of every stored one, before any work starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal._constants import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_DENSE_BLOCK = 256
_VALUES_AT_A_TIME = 1 << 20


def check_counts(matrix: Any, *, name: str) -> None:
    """Raise unless all stored values are finite, non-negative whole numbers.

    scvi-tools looks at 20 values and warns; a log-normalised matrix then dies deep in training
    or, worse, does not.

    Parameters
    ----------
    matrix
        Matrix of shape (n_cells, n_features): dense, scipy sparse, or backed by a file.
    name
        How messages call it, such as ``mdata["rna"].layers["counts"]``.

    Raises
    ------
    ValueError
        If a value is NaN or infinite, negative, or not whole.

    Examples
    --------
    >>> from scvi_xmodal.data import check_counts
    >>> check_counts([[0, 1.5]], name="adata.X")
    Traceback (most recent call last):
        ...
    ValueError: adata.X holds 1.5, which is not a whole number: raw counts are needed...
    """
    if np.ma.is_masked(matrix):
        raise ValueError(
            f"{name} has {np.ma.count_masked(matrix)} masked values: fill them, .filled(0), or "
            "drop those cells."
        )
    for values in _stored_values(matrix):
        _check_values(values, name)


def _check_values(values: NDArray[Any], name: str) -> None:
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {values.dtype}: numbers are needed.")
    if values.dtype == np.float16:
        raise ValueError(
            f"{name} has dtype float16, which holds no whole number above 2048 exactly: convert "
            "the original counts, .astype('float32')."
        )
    if values.dtype.kind in "bu":
        return
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise ValueError(f"{name} holds {bad}: replace missing values, or drop those cells.")
    if (values < 0).any():
        raise ValueError(
            f"{name} holds {values[values < 0][0]}, a negative value: raw counts are needed. "
            "Were the data scaled? Name the layer that holds the counts, such as "
            f"{_layer_argument(name)}='counts'."
        )
    if values.dtype.kind == "f" and (values != np.rint(values)).any():
        bad = values[values != np.rint(values)][0]
        raise ValueError(
            f"{name} holds {bad:.6g}, which is not a whole number: raw counts are needed. Were "
            "the data normalised or log-transformed? Name the layer that holds the counts, such "
            f"as {_layer_argument(name)}='counts'; what scanpy keeps in .raw can be put into one."
        )


def _layer_argument(name: str) -> str:
    """Return the argument that names a layer where a matrix called so is taken from."""
    kind = name.split(".")[0]
    return f"{kind}_layer" if kind in KINDS else "layer"


def _stored_values(matrix: Any) -> Iterator[NDArray[Any]]:
    """Yield stored values, some millions at a time so that backed data stay on disk."""
    if sparse.issparse(matrix):
        if matrix.format in ("lil", "dok"):  # whose values are no array
            matrix = matrix.tocoo()
        for start in range(0, matrix.data.size, _VALUES_AT_A_TIME):
            yield matrix.data[start : start + _VALUES_AT_A_TIME]
        return
    group = getattr(matrix, "group", None)  # anndata's backed sparse matrices
    if group is not None and "data" in group:
        data = group["data"]
        for start in range(0, data.shape[0], _VALUES_AT_A_TIME):
            yield np.asarray(data[start : start + _VALUES_AT_A_TIME])
        return
    matrix = matrix if hasattr(matrix, "shape") else np.asarray(matrix)
    for start in range(0, matrix.shape[0], _DENSE_BLOCK):
        yield np.asarray(matrix[start : start + _DENSE_BLOCK])


def layer_name(modality: str, layer: str | None) -> str:
    """Return how messages call a modality's matrix."""
    return f"{modality}.X" if layer is None else f"{modality}.layers[{layer!r}]"
