"""The training cells that pairs are made of: their rows and their labels."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import MAPPING, check_arguments
from scvi_xmodal.data import find_modalities, rows_of_modality
from scvi_xmodal.data._split import rows_to_learn_from
from scvi_xmodal.pp._labels import cell_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray


def training_rows(indices: ArrayLike | None, data: AnnData | MuData) -> NDArray[np.int64]:
    """Return the rows to pair, ascending; all for ``None``.

    Raises
    ------
    ValueError
        If there are none, one is given twice or does not exist, or a mask is of other cells.
    """
    return rows_to_learn_from(indices, data.n_obs, data.obs_names)


def labels_of(
    data: AnnData | MuData,
    key: str,
    rows: NDArray[np.int64] | None = None,
    *,
    argument: str = "key",
) -> NDArray[np.object_]:
    """Return the labels of rows as text, of shape (n_rows,).

    Parameters
    ----------
    data
        Annotated cells.
    key
        Column of ``obs``, as in :func:`~scvi_xmodal.pp._labels.cell_labels`.
    rows
        Rows to label; all for ``None``.
    argument
        What the caller's argument for the column is called.

    Raises
    ------
    ValueError
        If the column does not exist or a cell has no label.
    """
    labels = cell_labels(data, key, exclude=[None], argument=argument)
    labels = labels if rows is None else labels.iloc[rows]
    n_missing = int(labels.isna().sum())
    if n_missing:
        raise ValueError(
            f"{n_missing} of {labels.size} training cells have no label in obs[{key!r}]: fill "
            "them in, or leave those cells out of indices."
        )
    return labels.to_numpy(dtype=object)


def warn_user(message: str) -> None:
    """Warn at the line outside of this package that called into it."""
    level, frame = 2, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("scvi_xmodal."):
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warnings.warn(message, UserWarning, stacklevel=level)


def modality_keys(mdata: MuData, modalities: Mapping[str, str] | None) -> dict[str, str]:
    """Return the MuData's key of each modality to pair, by the model's name for it.

    Raises
    ------
    ValueError
        If a named modality does not exist or fewer than two are found.
    """
    if not hasattr(mdata, "mod"):
        raise ValueError(f"A MuData is needed, got {type(mdata).__name__}.")
    check_arguments({"modalities": modalities}, modalities=MAPPING.or_none())
    found: Mapping[Any, str] = modalities or find_modalities(mdata.mod)
    keys = {str(name): key for name, key in found.items()}
    for name, key in keys.items():
        if key not in mdata.mod:
            raise ValueError(
                f"modalities names {key!r} for {name!r}, but the MuData has {list(mdata.mod)}."
            )
    if len(keys) < 2:
        raise ValueError(
            f"Two modalities are needed to pair; found {keys or 'none'} among {list(mdata.mod)}. "
            "Name them: modalities={'rna': ..., 'atac': ...}."
        )
    return keys


def paired_rows(
    mdata: MuData, rows: NDArray[np.int64], modalities: Mapping[str, str] | None
) -> dict[str, NDArray[np.int64]]:
    """Return the rows of cells in each modality's own matrix.

    Raises
    ------
    ValueError
        If a cell was not measured in all modalities.
    """
    own = {
        name: rows_of_modality(mdata, key)[rows]
        for name, key in modality_keys(mdata, modalities).items()
    }
    for name, found in own.items():
        if (found < 0).any():
            raise ValueError(
                f"{int((found < 0).sum())} of {rows.size} training cells were not measured in "
                f"{name!r}, so there are no measured pairs to add to: take pairing.unpaired."
            )
    return own


def groups_by_label(labels: ArrayLike, rows: Any) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each label, labels in alphabetical order.

    Parameters
    ----------
    labels
        Labels of shape (n_cells,), as text.
    rows
        Row of each of these cells, of shape (n_cells,).
    """
    codes, names = pd.factorize(np.asarray(labels, dtype=object), sort=True)
    order = np.argsort(codes, kind="stable")
    parts = np.split(np.asarray(rows)[order], np.cumsum(np.bincount(codes))[:-1])
    return dict(zip(map(str, names), parts, strict=True)) if len(names) else {}
