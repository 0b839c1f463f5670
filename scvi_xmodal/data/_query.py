"""Cells to translate: from any object that holds the source modality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pandas as pd
from mudata import MuData

from scvi_xmodal._layers import chosen_layer, layer_names
from scvi_xmodal.data._coordinates import read_coordinates
from scvi_xmodal.data._counts import check_counts, layer_name
from scvi_xmodal.data._matching import check_unique, match_features
from scvi_xmodal.data._modalities import (
    check_kind,
    find_modalities,
    kind_of,
    may_be_of_kind,
)
from scvi_xmodal.data._query_cells import cells_annotation, own_rows
from scvi_xmodal.data._reader import RowReader
from scvi_xmodal.data._repool import PeakPool, pool_peaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from scvi_xmodal.module import ModalitySpec


@dataclass(frozen=True, eq=False)
class Query:
    """Source counts of the cells to translate, in the network's feature order.

    Parameters
    ----------
    reader
        Reads rows of counts.
    obs
        The cells' annotation; of a MuData the modality's own columns and the top level's, and
        batches from where the training data's were registered.
    pool
        How the query's peaks were mapped onto the model's, if they were.
    spec
        The modality that the features' order is of, or several; ``None`` where nobody said.
    """

    reader: RowReader
    obs: pd.DataFrame
    pool: PeakPool | None = None
    spec: ModalitySpec | tuple[ModalitySpec, ...] | None = None

    def check_source(self, *specs: ModalitySpec) -> None:
        """Raise a ``ValueError`` if the counts are of other modalities or in another order."""
        if self.spec is None:
            return
        read = self.spec if isinstance(self.spec, tuple) else (self.spec,)
        own, wanted = ({spec.key: spec for spec in part} for part in (read, specs))
        if len(own) == len(wanted) == 1:
            _check_same(read[0], specs[0])
        elif own.keys() != wanted.keys():
            raise ValueError(
                f"The Query was read as {list(own)}, but the source is {list(wanted)}: give the "
                "cells themselves."
            )
        else:
            for key, spec in wanted.items():
                _check_same(own[key], spec)

    @property
    def n_obs(self) -> int:
        """Number of cells."""
        return self.reader.n_rows


def _check_same(own: ModalitySpec, spec: ModalitySpec) -> None:
    """Raise unless what was read is what a model reads."""
    if own is not spec:
        if own.key != spec.key or list(own.feature_names) != list(spec.feature_names):
            raise ValueError(
                f"The Query was read as {own.key!r} ({own.n_features} features), but the model's "
                f"{spec.key!r} has {spec.n_features}, others or in another order: give the cells "
                "themselves."
            )
        if not np.array_equal(own.order, spec.order):
            raise ValueError(
                f"The Query was read for a model whose network holds the {spec.key!r} features in "
                "another order, as those set up with other chromosomes do: give the cells "
                "themselves."
            )


def read_query(
    query: AnnData | MuData,
    spec: ModalitySpec,
    *,
    modality: str | None = None,
    layer: str | None = None,
    setup_layer: str | None = None,
    indices: Any = None,
    batch_key: str | None = None,
    batch_places: Sequence[str | None] = (),
    other_specs: tuple[ModalitySpec, ...] = (),
    repool: pd.DataFrame | None = None,
) -> Query:
    """Find the source modality in a query and match its features by name, or peaks by place.

    Parameters
    ----------
    query
        An AnnData of the source modality, or a MuData that holds it; not changed.
    spec
        The source modality as the model knows it.
    modality
        Its key in the training MuData, looked for first.
    layer
        Layer of the counts; ``"X"`` for ``X``, by default ``setup_layer``.
    setup_layer
        Layer of the training data's counts; ``None`` for ``X``.
    indices
        Rows to read, as numbers or a mask; by default all. Of a MuData its own rows, in its
        order, of which those that lack the modality are left out.
    batch_key
        Column of batches, looked for in all of a MuData.
    batch_places
        Where it is looked for first: keys of modalities, ``None`` for the MuData's own ``obs``.
    other_specs
        The model's other modalities, to tell a query of the wrong one.
    repool
        The model's peaks, as a ``var`` table in the user's order, to map the query's peaks onto
        by their overlap; by default features are matched by name.

    Raises
    ------
    ValueError
        If the query lacks the modality, cells, features or counts.
    """
    adata = pick_modality(query, spec, modality=modality)
    layer = chosen_layer(adata, layer, setup_layer)
    place = f"query[{spec.key!r}]" if isinstance(query, MuData) else "query"
    name = layer_name(place, layer)
    if adata.n_obs == 0:
        raise ValueError("The query has no cells.")
    if layer is not None and layer not in adata.layers:
        refuse_layer(adata, layer, setup_layer, place=place)
    check_unique(adata.var_names[may_be_of_kind(adata, spec.kind)], name="The query's features")
    _refuse_wrong_modality(adata, spec, other_specs)
    matching = _match(adata, spec, modality) if repool is None else _pool(adata, spec, repool)
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        raise ValueError(
            f"{name} is empty: the query needs counts. Name their layer, layer=; there are "
            f"{layer_names(adata)}."
        )
    pool = matching.get("pool")
    obs = cells_annotation(query, adata, batch_key, batch_places)
    rows = own_rows(query, adata, indices)
    if indices is None:
        check_counts(matrix, name=name)
        reader = RowReader(matrix, n_features=spec.n_features, own_rows=rows, **matching)
        return Query(reader, obs if rows is None else obs.iloc[rows].copy(), pool, spec)
    picked = RowReader(matrix, n_features=adata.n_vars).rows(rows)
    check_counts(picked, name=name)
    reader = RowReader(picked, n_features=spec.n_features, **matching)
    return Query(reader, obs.iloc[rows].copy(), pool, spec)


def refuse_layer(adata: AnnData, layer: str, setup_layer: str | None, *, place: str) -> NoReturn:
    """Raise at a layer that is not there, and say whether ``X`` could take its place."""
    name, name_of_x = layer_name(place, layer), layer_name(place, None)
    trained = "X" if setup_layer is None else f"layer {setup_layer!r}"
    message = (
        f"{name} does not exist; the layers are {layer_names(adata)}. The model was set "
        f"up with counts in {trained}"
    )
    if _are_counts(adata.X):
        raise ValueError(f"{message}; {name_of_x} holds counts too: layer='X' takes them.")
    raise ValueError(f"{message}; {name_of_x} holds no counts: name the layer that does, layer=.")


def _are_counts(matrix: Any) -> bool:
    if matrix is None:
        return False
    try:
        check_counts(matrix, name="X")
    except ValueError:
        return False
    return True


def _match(adata: AnnData, spec: ModalitySpec, modality: str | None) -> dict[str, Any]:
    """Return the network's feature for each column, as a reader takes it."""
    # the gene of a name must not stand in for the antibody of that name
    own = may_be_of_kind(adata, spec.kind)
    position = np.full(adata.n_vars, -1, dtype=np.int64)
    position[own] = match_features(
        adata.var_names[own],
        spec.feature_names,
        modality=spec.key,
        kind=spec.kind,
        reference=modality,
    )
    found = position >= 0
    position[found] = spec.position[position[found]]
    return {"position": position}


def _pool(adata: AnnData, spec: ModalitySpec, model_peaks: pd.DataFrame) -> dict[str, Any]:
    """Return which columns open which of the network's peaks, as a reader takes it."""
    if spec.kind != "atac":
        raise ValueError(
            f"repool=True maps peaks onto peaks, but source={spec.key!r} is {spec.kind}."
        )
    check_kind(adata, spec.kind, f"source={spec.key!r}")  # 10x tells where genes lie, too
    pool = pool_peaks(
        read_coordinates(adata.var, name="The query"),
        read_coordinates(model_peaks, name="The model"),
    )
    return {"pool": pool.ordered(spec.order)}


def pick_modality(
    query: AnnData | MuData, spec: ModalitySpec, *, modality: str | None = None
) -> AnnData:
    """Return the modality of a query that a spec describes."""
    if not isinstance(query, MuData):
        if not hasattr(query, "var_names"):
            raise ValueError(
                f"A query must be an AnnData or a MuData, got {type(query).__name__}."
            )
        return query
    return query.mod[modality_name(query, spec, modality=modality)]


def modality_name(query: MuData, spec: ModalitySpec, *, modality: str | None = None) -> str:
    """Return what a MuData calls the modality that a spec describes."""
    for key in (modality, spec.key):
        if key is not None and key in query.mod:
            return key
    found = find_modalities(query.mod)
    if spec.kind not in found:
        raise ValueError(
            f"The query has no {spec.kind} modality to translate from; it has "
            f"{list(query.mod)}. Rename the modality to {spec.key!r}, or give the AnnData itself."
        )
    return found[spec.kind]


def _refuse_wrong_modality(
    adata: AnnData, spec: ModalitySpec, others: tuple[ModalitySpec, ...]
) -> None:
    names, own = pd.Index(adata.var_names), kind_of("", adata)
    # first, because antibodies may be named like genes
    is_other = adata.n_vars > 0 and not may_be_of_kind(adata, spec.kind).any()
    if not is_other and names.isin(spec.feature_names).any():
        return
    if pd.Index(adata.obs_names).isin(spec.feature_names).any():
        raise ValueError(
            f"The query's cells are named as the model's {spec.key!r} features, such as "
            f"{adata.obs_names[0]!r}: features are its rows. Transpose it, adata.T."
        )
    for other in others:
        if own == other.kind if is_other else names.isin(other.feature_names).any():
            told = " (var['feature_types'] says so)" if is_other else ""
            raise ValueError(
                f"The query holds {other.key!r} features{told}, but source={spec.key!r}. Give the "
                f"{spec.key!r} modality, or translate with source={other.key!r}."
            )
    if is_other:
        check_kind(adata, spec.kind, f"source={spec.key!r}")
