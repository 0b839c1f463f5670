"""Cells to translate from several modalities at once, of which each cell may lack some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal.data._dataset import read_minibatch
from scvi_xmodal.data._measured import rows_of_modality
from scvi_xmodal.data._query import Query
from scvi_xmodal.data._query_cells import checked_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mudata import MuData
    from numpy.typing import NDArray

    from scvi_xmodal.data._reader import RowReader


@dataclass(frozen=True, eq=False)
class JointReader:
    """Reads what cells have of several modalities, as minibatches are read in training.

    Parameters
    ----------
    readers
        A row reader for each modality.
    own
        Row of each cell in each modality, of shape (n_cells,), -1 where it lacks it.
    """

    readers: Mapping[str, RowReader]
    own: Mapping[str, NDArray[np.int64]]

    @property
    def n_rows(self) -> int:
        """Number of cells."""
        return next(iter(self.own.values())).size

    def sparse_rows(self, rows: Any) -> dict[str, Any]:
        """Return some cells' counts by modality, and which of them have it."""
        return read_minibatch(self.readers, {key: own[rows] for key, own in self.own.items()})


def join_queries(mdata: MuData, parts: Mapping[str, tuple[str, Query]], indices: Any) -> Query:
    """Return the cells of a MuData that have at least one of several modalities.

    Parameters
    ----------
    mdata
        The query.
    parts
        For each of the model's modalities its key in the query, and all of its cells.
    indices
        Rows of the query, as numbers or a mask; by default all.

    Raises
    ------
    ValueError
        If rows do not exist or no cell has any of the modalities.
    """
    n_obs = mdata.n_obs
    rows = np.arange(n_obs) if indices is None else checked_rows(indices, n_obs, mdata.obs_names)
    own = {key: _read_rows(mdata, name)[rows] for key, (name, _) in parts.items()}
    kept = np.logical_or.reduce([places >= 0 for places in own.values()])
    if not kept.any():
        raise ValueError(f"None of the {rows.size} cells was measured in any of {list(parts)}.")
    own = {key: places[kept] for key, places in own.items()}
    obs = _annotation({key: query.obs for key, (_, query) in parts.items()}, own)
    readers = {key: query.reader for key, (_, query) in parts.items()}
    pools = [query.pool for _, query in parts.values() if query.pool is not None]
    specs: Any = tuple(query.spec for _, query in parts.values())
    reader: Any = JointReader(readers, own)
    return Query(reader, obs, pools[0] if pools else None, specs)


def _read_rows(mdata: MuData, name: str) -> NDArray[np.int64]:
    """Return where a query read of a modality, in the MuData's order, has each of its cells."""
    measured = rows_of_modality(mdata, name) >= 0
    return np.where(measured, np.cumsum(measured) - 1, -1)


def _annotation(
    obs: Mapping[str, pd.DataFrame], own: Mapping[str, NDArray[np.int64]]
) -> pd.DataFrame:
    """Return each cell's annotation from the first modality that it has."""
    pieces, cells = [], []
    missing = np.ones(next(iter(own.values())).size, dtype=bool)
    for key, places in own.items():
        here = missing & (places >= 0)
        if here.any():
            pieces.append(obs[key].iloc[places[here]])
            cells.append(np.flatnonzero(here))
        missing &= ~here
    return pd.concat(pieces).iloc[np.argsort(np.concatenate(cells))]
