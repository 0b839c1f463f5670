"""Which rows train, validate and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scvi_xmodal._arguments import check_order

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of the training, validation and test cells.

    Parameters
    ----------
    train
        Row numbers of shape (n_train,); sorted and stored as int64.
    validation
        Row numbers of shape (n_validation,); may be empty.
    test
        Row numbers of shape (n_test,); may be empty.

    Raises
    ------
    ValueError
        If a row is negative, appears twice, or stands in two parts.

    Examples
    --------
    >>> from scvi_xmodal.data import Split
    >>> Split(train=[0, 1, 2], validation=[3], test=[4]).train
    array([0, 1, 2])
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def __init__(self, train: ArrayLike, validation: ArrayLike = (), test: ArrayLike = ()):
        parts = {"train": train, "validation": validation, "test": test}
        for name, rows in parts.items():
            object.__setattr__(self, name, _as_rows(rows, name=f"The split's {name} rows"))
        for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
            _check_disjoint(getattr(self, first), getattr(self, second), first, second)

    def check_range(self, n_obs: int) -> None:
        """Raise a ``ValueError`` if a row number is not below ``n_obs``."""
        for name in ("train", "validation", "test"):
            rows = getattr(self, name)
            if rows.size and rows[-1] >= n_obs:
                raise ValueError(
                    f"The split's {name} rows go up to {rows[-1]}, but the data have {n_obs} "
                    "cells. Make the split from the same object that you train on."
                )

    def __repr__(self) -> str:
        return (
            f"Split(train={self.train.size}, validation={self.validation.size}, "
            f"test={self.test.size})"
        )


def chosen_train_size(train_size: float | None, validation_size: float | None) -> float | None:
    """Return the share of training cells, ``None`` for scvi-tools' own .9.

    Examples
    --------
    >>> from scvi_xmodal.data._split import chosen_train_size
    >>> chosen_train_size(None, 0.25), chosen_train_size(None, 0.05), chosen_train_size(0.5, 0.1)
    (0.75, None, 0.5)

    Raises
    ------
    ValueError
        If there are more cells to train and validate than there are.
    """
    held_out = validation_size or 0
    if train_size is None:
        return 1 - held_out if held_out > 0.1 else None
    if train_size + held_out > 1:
        raise ValueError(
            f"train_size + validation_size must be at most 1, got {train_size} + "
            f"{validation_size}."
        )
    return train_size


def rows_to_learn_from(
    indices: ArrayLike | None, n_obs: int, names: pd.Index | None = None
) -> NDArray[np.int64]:
    """Return the rows that row numbers or a mask name, ascending; all of them for ``None``.

    With the cells' names, a mask must be of these cells.

    Raises
    ------
    ValueError
        If there are none, one is given twice, or they are no rows of the data, or other cells'.
    """
    if isinstance(indices, Split):
        raise ValueError("indices is a Split; give the rows of one part: indices=split.train.")
    rows = np.arange(n_obs) if indices is None else np.asarray(indices)
    if rows.dtype == bool:
        if rows.shape != (n_obs,):
            raise ValueError(
                f"The mask indices has shape {rows.shape}, but there are {n_obs} cells."
            )
        if names is not None:
            check_order(indices, names, "indices")
        rows = np.flatnonzero(rows)
    rows = _as_rows(rows, name="indices")
    if not rows.size:
        raise ValueError("There are no cells to learn from; give indices=split.train.")
    if rows[-1] >= n_obs:
        raise ValueError(f"indices go up to {rows[-1]}, but the data have {n_obs} cells.")
    return rows


def _as_rows(rows: ArrayLike, *, name: str) -> NDArray[np.int64]:
    array = np.asarray(rows)
    if array.size == 0:
        return np.empty(0, dtype=np.int64)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"{name} must be a 1-d array of row numbers, got dtype {array.dtype} and shape "
            f"{array.shape}. Turn a boolean mask into rows with np.flatnonzero(mask)."
        )
    array = np.sort(array.astype(np.int64))
    if array[0] < 0:
        raise ValueError(f"{name} contain {array[0]}; rows count from 0.")
    twice = array[1:][array[1:] == array[:-1]]
    if twice.size:
        raise ValueError(f"{name} contain row {twice[0]} twice.")
    return array


def _check_disjoint(
    rows: NDArray[np.int64], others: NDArray[np.int64], name: str, other_name: str
) -> None:
    shared = np.intersect1d(rows, others, assume_unique=True)
    if shared.size:
        raise ValueError(
            f"The split's {name} and {other_name} rows overlap: {shared.size} shared, the first "
            f"is {shared[0]}. Every cell may stand in one part only."
        )
