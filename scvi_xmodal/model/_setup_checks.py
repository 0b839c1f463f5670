"""What must be true of a MuData, its cells and its columns before it is registered."""

from __future__ import annotations

import re
from functools import reduce
from itertools import permutations
from typing import TYPE_CHECKING

import pandas as pd

from scvi_xmodal.data import rows_of_modality
from scvi_xmodal.data._mosaic import separate_modalities
from scvi_xmodal.pairing._cells import labels_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mudata import MuData

_ISOTYPE = re.compile(r"isotype|(?<![a-z])igg\d?[abc]?(?![a-z0-9])", re.IGNORECASE)
"""Names of isotype controls: immunoglobulin G of an animal, which marks no cell."""

_ONE_KIND = ("string", "integer", "floating", "boolean")
"""What pandas calls values that are all of one type; said of a million in an instant."""

_NO_NAMES = (
    *("datetime64", "datetime", "date", "time", "timedelta64", "timedelta", "period", "interval"),
    *("complex", "decimal", "bytes"),
)
"""Those that neither a query's values are found among nor a model's file can hold."""

_MANY_CELLS = 10
"""From as many cells on, a value of its own for each cell is taken for no group."""


def check_pairing(
    mdata: MuData, chosen: Mapping[str, str], pairing: str, known: Sequence[str]
) -> bool:
    """Return whether cells are paired, having made sure that they are what is said of them."""
    if pairing not in known:
        raise ValueError(
            f"pairing={pairing!r} is unknown; it can be {' or '.join(map(repr, known))}."
        )
    keys = [key for name, key in chosen.items() if name.endswith("_layer")]
    if pairing == "measured":
        check_paired(mdata, keys)
    else:
        _unique_names(mdata, keys)
    if pairing == "mosaic":
        _check_linked(mdata, keys)
    return pairing == "measured"


def _check_linked(mdata: MuData, keys: list[str]) -> None:
    """Raise unless cells measured in several modalities link all of them."""
    apart = separate_modalities({key: rows_of_modality(mdata, key) for key in keys}, fewest=1)
    if apart:
        raise ValueError(
            f"No cell measured in two modalities links {apart} to {keys[0]!r}, so nothing can be "
            "learned between them. Cells of one name are one cell: look at obs_names. Different "
            "cells are paired by their labels with pairing='unpaired'."
        )


def check_proteins(mdata: MuData, chosen: Mapping[str, str]) -> None:
    """Raise if all proteins are isotype controls: antibodies that bind nothing."""
    key = chosen.get("protein_layer")
    names = [] if key is None else [str(name) for name in mdata.mod[key].var_names]
    if names and all(_ISOTYPE.search(name) for name in names):
        raise ValueError(
            f"All {len(names)} proteins of {key!r} are isotype controls, such as {names[:3]}: "
            "they bind nothing, and there is nothing to translate. Register the antibodies of "
            "proteins, or leave the modality out."
        )


def check_unpaired_columns(mdata: MuData, batch_key: str | None, labels_key: str | None) -> None:
    """Raise unless each cell of each modality has a batch and a label, if those are asked for."""
    if batch_key is not None and batch_key not in mdata.obs:
        raise ValueError(
            f"batch_key={batch_key!r} is no column of mdata.obs, which has "
            f"{list(mdata.obs.columns)}. Cells are not paired, so the batches of all modalities "
            f"must stand there: mdata.obs[{batch_key!r}] = "
            f"pandas.concat([part.obs[{batch_key!r}] for part in mdata.mod.values()])."
        )
    if labels_key is not None:
        labels_of(mdata, labels_key, argument="labels_key")


def _unique_names(mdata: MuData, keys: list[str]) -> dict[str, pd.Index]:
    cells = {key: mdata.mod[key].obs_names for key in keys}
    for key, names in cells.items():
        if names.has_duplicates:
            twice = names[names.duplicated()][0]
            raise ValueError(f"Cell {twice!r} appears twice in {key!r}. Make obs_names unique.")
    return cells


def check_paired(mdata: MuData, keys: list[str]) -> None:
    """Raise unless all modalities hold the same cells in the same order."""
    cells = _unique_names(mdata, keys)
    n_shared = len(reduce(pd.Index.intersection, cells.values()))
    if n_shared < mdata.n_obs:
        _refuse_transposed(mdata, cells)
        sizes = ", ".join(f"{key!r} has {len(names)}" for key, names in cells.items())
        raise ValueError(
            f"The cells are not paired: {sizes}, and {n_shared} are in all of them; the MuData "
            f"has {mdata.n_obs}. Keep the shared ones with muon.pp.intersect_obs(mdata), or, if "
            "some were measured in a part of the modalities, train on all with pairing='mosaic'; "
            "if they are different cells, by labels with pairing='unpaired'."
        )
    for key, names in cells.items():
        if not names.equals(mdata.obs_names):
            raise ValueError(
                f"The cells of {key!r} stand in another order than the MuData's. Rebuild it: "
                f"MuData({{k: mdata[k][mdata.obs_names].copy() for k in mdata.mod}})."
            )


def _refuse_transposed(mdata: MuData, cells: Mapping[str, pd.Index]) -> None:
    for key, other in permutations(cells, 2):
        if mdata.mod[key].var_names.isin(cells[other]).any():
            raise ValueError(
                f"The features of {key!r} are named as the cells of {other!r}, such as "
                f"{mdata.mod[key].var_names[0]!r}: cells are its columns. Transpose it, "
                f"mdata[{key!r}].T, before MuData(...)."
            )


def check_categories(column: pd.Series, argument: str) -> None:
    """Raise unless a column's values are names of one kind, so that they can be sorted."""
    known = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    if pd.api.types.infer_dtype(known, skipna=False) in _ONE_KIND and not column.hasnans:
        return
    check_names(column, argument)
    kinds = {type(value).__name__ for value in column}
    if len(kinds) > 1 or kinds & {"list", "dict", "set", "ndarray"}:
        raise ValueError(
            f"{argument}={column.name!r} holds values of the types {sorted(kinds)}: make them "
            f"text, obs[{column.name!r}].astype(str)."
        )


def check_names(column: pd.Series, argument: str) -> None:
    """Raise if a column's values are dates, intervals or others that name no groups."""
    known = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    found = pd.api.types.infer_dtype(known, skipna=False)
    if found in _NO_NAMES:
        raise ValueError(
            f"{argument}={column.name!r} holds values of the type {found}, such as "
            f"{next(iter(known), None)!r}: make them text, obs[{column.name!r}].astype(str)."
        )


def check_shared(column: pd.Series, argument: str) -> None:
    """Raise if each cell has a value of its own, as barcodes, totals and scores are."""
    if len(column) >= _MANY_CELLS and column.nunique() == len(column):
        raise ValueError(
            f"{argument}={column.name!r} has a value of its own for each of {len(column)} cells, "
            f"such as {list(column[:2])}: name a column that groups cells."
        )
