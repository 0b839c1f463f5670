"""Labels of cells, wherever they stand in a MuData."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from mudata import MuData

from scvi_xmodal._arguments import TEXT, check_arguments
from scvi_xmodal._texts import label_text, label_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd
    from anndata import AnnData


def cell_labels(
    data: AnnData | MuData,
    key: str,
    *,
    exclude: Iterable[str | None] = (),
    argument: str = "key",
) -> pd.Series:
    """Return each cell's label as text, missing for excluded cells, of shape (n_cells,).

    A MuData's own ``obs`` is looked at first; then its modalities', which must agree.

    Parameters
    ----------
    data
        Annotated cells.
    key
        Column of ``obs``; in a MuData also ``"rna:cell_type"`` for one modality's column.
    exclude
        Labels to leave out; ``None`` stands for cells without a label.
    argument
        What the caller's argument for the column is called.

    Raises
    ------
    ValueError
        If the column does not exist, modalities disagree, labels are missing, or a label to
        exclude occurs nowhere.
    """
    labels = _find(data, key, argument)
    excluded = {None if label is None else label_text(label) for label in np.ravel(list(exclude))}
    texts = {label for label in excluded if label is not None}
    present = sorted(labels.dropna().unique())
    if unknown := sorted(texts - set(present)):
        raise ValueError(
            f"exclude names {unknown}, but the labels in obs[{key!r}] are {present[:20]}."
        )
    n_missing = int(labels.isna().sum())
    if n_missing and None not in excluded:
        raise ValueError(
            f"{n_missing} of {labels.size} cells have no label in obs[{key!r}]. Fill them in, or "
            "put them in no part with exclude=[None]."
        )
    return labels.mask(labels.isin(texts))


def _find(data: AnnData | MuData, key: str, argument: str) -> pd.Series:
    check_arguments({argument: key}, **{argument: TEXT})
    if key in data.obs:
        return _as_text(data.obs[key])
    found = list(_in_modalities(data, key)) if isinstance(data, MuData) else []
    if not found:
        raise ValueError(
            f"There is no obs[{key!r}]; the columns are {_columns(data)}. Set {argument}=."
        )
    labels = found[0]
    for others in found[1:]:
        differ = np.flatnonzero(labels.notna() & others.notna() & (labels != others))
        if differ.size:
            cell = differ[0]
            raise ValueError(
                f"The modalities disagree on obs[{key!r}] of {differ.size} cells, such as "
                f"{data.obs_names[cell]!r}: {labels[cell]!r} and {others[cell]!r}. Name one, such "
                f"as {argument}='{next(iter(data.mod))}:{key}'."
            )
        labels = labels.fillna(others)
    return labels


def _in_modalities(mdata: MuData, key: str) -> Iterator[pd.Series]:
    """Yield a column of each modality that has it, by rows of the MuData."""
    prefix, _, column = key.partition(":")
    for name, adata in mdata.mod.items():
        own = column if prefix == name and column in adata.obs else key
        if own in adata.obs:
            row = np.ravel(mdata.obsmap[name]).astype(np.int64) - 1  # -1: not measured in it
            yield _as_text(adata.obs[own]).reindex(row).reset_index(drop=True)
        elif f"{name}:{key}" in mdata.obs:
            yield _as_text(mdata.obs[f"{name}:{key}"])


def _as_text(column: pd.Series) -> pd.Series:
    """Return labels as text, numbered by row."""
    return label_texts(column.reset_index(drop=True))


def _columns(data: AnnData | MuData) -> list[str]:
    modalities = data.mod.items() if isinstance(data, MuData) else ()
    return [
        *map(str, data.obs.columns),
        *(f"{name}:{column}" for name, adata in modalities for column in adata.obs.columns),
    ]
