"""Which of a query's cells are meant, in which order, and what is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mudata import MuData

from scvi_xmodal._arguments import check_order, shown
from scvi_xmodal.data._measured import rows_of_modality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData
    from numpy.typing import NDArray


def own_rows(query: AnnData | MuData, adata: AnnData, indices: Any) -> NDArray[np.int64] | None:
    """Return a modality's own rows for the query's, in the query's order.

    ``None`` where all are meant and stand in that order already.

    Raises
    ------
    ValueError
        If rows do not exist, or the modality was measured in none of the cells.
    """
    if query is adata or adata.obs_names.equals(query.obs_names):
        return None if indices is None else checked_rows(indices, adata.n_obs, adata.obs_names)
    key = _key_of(query, adata)
    own = rows_of_modality(query, key)
    if indices is None:
        own = own[own >= 0]
        return None if (np.diff(own) > 0).all() else own
    own = own[checked_rows(indices, query.n_obs, query.obs_names)]
    if not (own >= 0).any():
        raise ValueError(f"None of the {own.size} cells was measured in {key!r}.")
    return own[own >= 0]


def checked_rows(indices: Any, n_obs: int, names: pd.Index | None = None) -> NDArray[np.int64]:
    """Return row numbers for numbers or a mask; with names, of these cells only.

    Raises
    ------
    ValueError
        If there are none, one does not exist, or a mask is of other cells.
    """
    rows = np.asarray(indices)
    if rows.dtype == bool and rows.shape != (n_obs,):
        raise ValueError(f"The mask indices has shape {rows.shape}, but there are {n_obs} cells.")
    if rows.dtype == bool and names is not None:
        check_order(indices, names, "indices")
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows.ravel()
    if not rows.size:
        raise ValueError("indices are empty: there are no cells to translate.")
    if rows.dtype.kind not in "iu":
        raise ValueError(
            f"indices must be row numbers or a mask, got dtype {rows.dtype}, such as "
            f"{shown(rows[0])}. Rows of cells by name: adata.obs_names.get_indexer(names)."
        )
    if rows.min() < 0 or rows.max() >= n_obs:
        raise ValueError(
            f"indices go from {rows.min()} to {rows.max()}, but there are {n_obs} cells."
        )
    return rows.astype(np.int64)


def cells_annotation(
    query: AnnData | MuData,
    adata: AnnData,
    batch_key: str | None = None,
    batch_places: Sequence[str | None] = (),
) -> pd.DataFrame:
    """Return the annotation of a modality's cells, wherever in the query it stands.

    Parameters
    ----------
    query
        The query.
    adata
        The modality, or the query itself.
    batch_key
        Column of batches.
    batch_places
        Where that column is looked for first: keys of modalities, ``None`` for the MuData's own.
        Another place may hold other batches under the same name.
    """
    # by place: a name may stand twice
    obs = adata.obs.loc[:, [not _is_internal(name) for name in adata.obs]].copy()
    if not isinstance(query, MuData):
        return obs
    rows = _rows_in_query(query, adata)
    shared = [
        # older MuData repeats the modalities' columns as "rna:column"
        not _is_internal(name) and name not in obs and not _is_repeated(name, query)
        for name in query.obs
    ]
    further = query.obs.loc[:, shared].iloc[rows].set_axis(obs.index)
    obs = pd.concat([obs, further], axis=1)
    batches = _batches(query, adata, rows, batch_key, batch_places)
    if batches is not None:
        obs[batch_key] = batches.array
    return obs


def _batches(
    query: MuData,
    adata: AnnData,
    rows: NDArray[np.int64],
    batch_key: str | None,
    batch_places: Sequence[str | None],
) -> pd.Series | None:
    """Return the batches of rows of a query, a cell's from the first place that has it."""
    places = [*batch_places, _key_of(query, adata), None, *query.mod]
    found = None
    for key in dict.fromkeys(places):
        if key is not None and key not in query.mod:
            continue
        place = query if key is None else query.mod[key]
        if batch_key not in place.obs:
            continue
        column = _of_rows(place.obs[batch_key], query, key, rows)
        if found is None:
            found = column
        else:
            found = found.astype(object).where(found.notna(), column.astype(object))
        if found.notna().all():
            break
    return found


def _of_rows(
    column: pd.Series, query: MuData, key: str | None, rows: NDArray[np.int64]
) -> pd.Series:
    """Return a column's values in rows of a query, missing where a modality lacks the cell."""
    if key is None or column.index.equals(query.obs_names):
        return column.iloc[rows].reset_index(drop=True)
    own = rows_of_modality(query, key)[rows]
    # as objects, because a gap would turn the batch 1 into 1.0
    values = (column if (own >= 0).all() else column.astype(object)).reset_index(drop=True)
    return values.reindex(own).reset_index(drop=True)


def _rows_in_query(query: MuData, adata: AnnData) -> NDArray[np.int64]:
    """Return the query's row of each of a modality's own."""
    if adata.obs_names.equals(query.obs_names):
        return np.arange(query.n_obs)
    own = rows_of_modality(query, _key_of(query, adata))
    rows = np.empty(adata.n_obs, dtype=np.int64)
    rows[own[own >= 0]] = np.flatnonzero(own >= 0)
    return rows


def _key_of(query: MuData, adata: AnnData) -> str:
    return next(key for key, other in query.mod.items() if other is adata)


def _is_internal(name: object) -> bool:
    return str(name).startswith("_scvi_")


def _is_repeated(name: object, query: MuData) -> bool:
    key, colon, _ = str(name).partition(":")
    return bool(colon) and key in query.mod
