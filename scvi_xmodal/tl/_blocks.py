"""Cells read some rows at a time, and translations of some rows put together or written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mudata import MuData

from scvi_xmodal._arguments import MODEL, check_arguments
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import Query, RowReader, TranslationWriter, open_backed, translation
from scvi_xmodal.data._query import pick_modality
from scvi_xmodal.data._query_cells import cells_annotation, own_rows
from scvi_xmodal.model._request import given_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from anndata import AnnData
    from numpy.typing import NDArray

    from scvi_xmodal.module import ModalitySpec

_VALUES_AT_A_TIME = 1 << 22


def check_models(models: Sequence[Any]) -> None:
    """Raise unless all are models, which baselines are not."""
    for number, model in enumerate(models):
        name = f"models[{number}]"
        check_arguments({name: model}, **{name: MODEL})


def spec_of(models: Sequence[Any], number: int, key: str, argument: str) -> ModalitySpec:
    """Return a modality as one of the models knows it; a target may be a protein head's.

    Raises
    ------
    ValueError
        If it does not know it.
    """
    try:
        return models[number]._check_key(key, argument)
    except ValueError as error:
        raise ValueError(f"models[{number}]: {error}") from error


def obs_of_models(
    models: Sequence[Any], sources: Sequence[str], query: Any, cells: Query, indices: Any
) -> list[pd.DataFrame]:
    """Return the cells' annotation as each model reads it, of which the first read the cells.

    A MuData may hold columns of one name in several places: each model looks for its batches where
    it was set up with them.

    Parameters
    ----------
    models
        The models.
    sources
        What each translates from.
    query, indices
        What the cells were read of.
    cells
        The cells, read by the first model.
    """
    first, source = models[0], sources[0]
    ways = [(m._batch_key(), m._batch_places(key)) for m, key in zip(models, sources, strict=True)]
    if all(way == ways[0] for way in ways):
        return [cells.obs] * len(models)
    data = first.adata if query is None else query
    data = open_backed(data) if isinstance(data, str | Path) else data
    if not isinstance(data, MuData):
        return [cells.obs] * len(models)
    adata = pick_modality(data, first.specs[source], modality=first._location(source)[0])
    rows = own_rows(data, adata, indices)
    found = [cells.obs]
    for batch_key, places in ways[1:]:
        obs = cells_annotation(data, adata, batch_key, places)
        found.append(obs if rows is None else obs.iloc[rows])
    return found


def query_blocks(query: Query, n_features: int) -> Iterator[tuple[slice, Query]]:
    """Yield some rows of a query at a time, and which, so that the widest matrix stays small.

    Parameters
    ----------
    query
        Cells to translate.
    n_features
        Features of the widest matrix that is made of them.
    """
    rows_at_a_time = max(1, _VALUES_AT_A_TIME // max(n_features, 1))
    for start in range(0, query.n_obs, rows_at_a_time):
        rows = slice(start, min(start + rows_at_a_time, query.n_obs))
        counts = RowReader(query.reader.rows(rows), n_features=query.reader.n_features)
        yield rows, Query(counts, query.obs.iloc[rows], spec=query.spec)


def of_rows(options: Mapping[str, Any], rows: slice, names: pd.Index) -> dict[str, Any]:
    """Return the keywords of ``translate`` for some rows: of depths for each cell, theirs."""
    totals = given_totals(options.get("depth", "median"), names)
    return dict(options) if totals is None else {**options, "depth": totals[rows]}


def matrices(adata: AnnData) -> dict[str, NDArray[Any]]:
    """Return ``X`` and the layers."""
    return {"X": adata.X, **{name: adata.layers[name] for name in layer_names(adata)}}


def unscored(var: pd.DataFrame) -> pd.DataFrame:
    """Leave out validation scores, which are of one model's own translations."""
    return var[[name for name in var if not str(name).startswith("validation_")]]


def gathered(
    blocks: Iterator[AnnData],
    obs: pd.DataFrame,
    *,
    out: str | Path | None,
    record: Callable[[AnnData], dict[str, Any]],
) -> AnnData | Path:
    """Put translations of some rows each together, or write them one after another.

    Parameters
    ----------
    blocks
        Translations, at least one.
    obs
        The query's annotation of all cells.
    out
        Path to write to; by default all stay in memory.
    record
        Makes the whole's ``uns["scvi_xmodal"]`` of the first block.
    """
    first = next(blocks)
    var, annotation = unscored(first.var), [first.obs]
    if out is None:
        parts = [matrices(first)]
        for block in blocks:
            parts.append(matrices(block))
            annotation.append(block.obs)
        layers = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return translation(layers, obs=pd.concat(annotation), var=var, record=record(first))
    with TranslationWriter(out, (len(obs), first.n_vars), obs=obs, var=var) as writer:
        writer.append(matrices(first))
        for block in blocks:
            writer.append(matrices(block))
            annotation.append(block.obs)
        writer.finish(obs=pd.concat(annotation), var=var, record=record(first))
    return writer.path
