"""Registering a MuData: modalities found, checked, and described to the model."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import reduce
from itertools import permutations
from typing import TYPE_CHECKING, Any

import pandas as pd
from scvi import REGISTRY_KEYS
from scvi.data.fields import MuDataCategoricalObsField

from scvi_xmodal._arguments import MAPPING, check_arguments
from scvi_xmodal._constants import KINDS
from scvi_xmodal.data import MuDataCountsField, find_modalities, rows_of_modality
from scvi_xmodal.data._modalities import kind_of
from scvi_xmodal.data._mosaic import separate_modalities
from scvi_xmodal.data._peaks import chromosome_order
from scvi_xmodal.module import ModalitySpec
from scvi_xmodal.pairing._cells import labels_of
from scvi_xmodal.pairing._transport import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module import KindDefaults

COUNT_KEYS: dict[Kind, str] = {
    "rna": REGISTRY_KEYS.X_KEY,
    "atac": REGISTRY_KEYS.ATAC_X_KEY,
    "protein": REGISTRY_KEYS.PROTEIN_EXP_KEY,
}
"""Where scvi-tools' registry keeps the counts of each kind."""

_ISOTYPE = re.compile(r"isotype|(?<![a-z])igg\d?[abc]?(?![a-z0-9])", re.IGNORECASE)
"""Names of isotype controls: immunoglobulin G of an animal, which marks no cell."""

_ONE_KIND = ("string", "integer", "floating", "boolean")
"""What pandas calls values that are all of one type; said of a million in an instant."""


_MANY_CELLS = 10


def resolve_modalities(
    mdata: MuData, modalities: Mapping[str, str] | None, layers: Mapping[str, str | None]
) -> dict[str, str]:
    """Return the modality for each ``*_layer`` argument, found or as given.

    Raises
    ------
    ValueError
        If a named modality does not exist or fewer than two are found.
    """
    check_arguments({"modalities": modalities, **layers}, modalities=MAPPING.or_none())
    allowed = [f"{kind}_layer" for kind in KINDS]
    if modalities is None:
        found = find_modalities(mdata.mod)
        chosen = {f"{kind}_layer": key for kind, key in found.items()}
    else:
        chosen = {arg: key for arg, key in modalities.items() if key is not None}
    for argument, key in chosen.items():
        if argument not in [*allowed, "batch_key", "labels_key"]:
            raise ValueError(
                f"modalities has the key {argument!r}; it maps setup arguments to modalities, "
                f"such as {{'rna_layer': 'rna'}}. Known arguments: {allowed}."
            )
        if key not in list(mdata.mod):
            raise ValueError(
                f"modalities names {key!r} for {argument!r}, but the MuData has {list(mdata.mod)}."
            )
    for key in chosen.values():
        takers = [argument for argument in allowed if chosen.get(argument) == key]
        if len(takers) > 1:
            raise ValueError(f"modalities names {key!r} for {takers}; give each its own.")
    counted = [argument for argument in allowed if argument in chosen]
    for argument in counted:
        check_kind(mdata.mod[chosen[argument]], argument.removesuffix("_layer"), argument)
    for argument, layer in layers.items():
        if layer is not None and argument not in counted:
            raise ValueError(
                f"{argument}={layer!r} was given, but no {argument.removesuffix('_layer')} "
                f"modality was found among {list(mdata.mod)}. Name it: "
                f"modalities={{{argument!r}: ...}}."
            )
    if len(counted) < 2:
        raise ValueError(
            f"Two modalities are needed to translate between; found {chosen or 'none'} among "
            f"{list(mdata.mod)}. Name them, such as "
            "modalities={'rna_layer': 'rna', 'atac_layer': 'atac'}."
        )
    return chosen


def check_kind(adata: AnnData, kind: str, argument: str) -> None:
    """Raise if the features say that they are something else than what they were given for."""
    own = kind_of("", adata)
    if own not in (None, kind):
        raise ValueError(
            f"{argument} takes {kind}, but var['feature_types'] says that this is {own}, such as "
            f"{list(adata.var_names[:2])}. Give each modality its own place, or correct "
            "var['feature_types']."
        )


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
        labels_of(mdata, labels_key)


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


def count_fields(
    chosen: Mapping[str, str], layers: Mapping[str, str | None]
) -> list[MuDataCountsField]:
    """Return one field of counts for each modality."""
    return [
        MuDataCountsField(
            COUNT_KEYS[kind],
            layers[f"{kind}_layer"],
            kind,
            kind,
            mod_key=chosen[f"{kind}_layer"],
            mod_required=True,
        )
        for kind in KINDS
        if f"{kind}_layer" in chosen
    ]


def obs_field(
    mdata: MuData, registry_key: str, obs_key: str | None, argument: str, modality: str | None
) -> MuDataCategoricalObsField:
    """Return a field over a column of ``mdata.obs`` or of a modality's ``obs``.

    Raises
    ------
    ValueError
        If no such column exists or it has missing values.
    """
    if obs_key is None:
        return MuDataCategoricalObsField(registry_key, None)
    places: dict[str | None, Any] = {None: mdata, **mdata.mod}
    if modality is not None:
        places = {modality: mdata.mod[modality]}
    for key, place in places.items():
        if obs_key in place.obs:
            n_missing = int(place.obs[obs_key].isna().sum())
            if n_missing:
                raise ValueError(
                    f"{argument}={obs_key!r} is missing for {n_missing} cells. Fill it, or drop "
                    "them."
                )
            check_categories(place.obs[obs_key], argument)
            check_shared(place.obs[obs_key], argument)
            return MuDataCategoricalObsField(registry_key, obs_key, mod_key=key)
    columns = {str(key or "mdata"): list(place.obs.columns) for key, place in places.items()}
    raise ValueError(f"{argument}={obs_key!r} is no column of obs; there are {columns}.")


def check_categories(column: pd.Series, argument: str) -> None:
    """Raise unless a column's values are of one kind, so that they can be sorted."""
    known = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
    if pd.api.types.infer_dtype(known, skipna=False) in _ONE_KIND and not column.hasnans:
        return
    kinds = {type(value).__name__ for value in column}
    if len(kinds) > 1 or kinds & {"list", "dict", "set", "ndarray"}:
        raise ValueError(
            f"{argument}={column.name!r} holds values of the types {sorted(kinds)}: make them "
            f"text, obs[{column.name!r}].astype(str)."
        )


def check_shared(column: pd.Series, argument: str) -> None:
    """Raise if each cell has a value of its own, as barcodes, totals and scores are."""
    if len(column) >= _MANY_CELLS and column.nunique() == len(column):
        raise ValueError(
            f"{argument}={column.name!r} has a value of its own for each of {len(column)} cells, "
            f"such as {list(column[:2])}: name a column that groups cells."
        )


def check_setup_keywords(kwargs: Mapping[str, Any], known: str) -> None:
    """Raise at a keyword that neither setup knows nor scvi-tools, which ``load`` hands on."""
    if kwargs and "source_registry" not in kwargs:
        raise ValueError(f"Setup has no argument {next(iter(kwargs))!r}; there are {known}.")


def specs_from_registry(
    registry: Mapping[str, Any],
    settings: Mapping[Kind, KindDefaults],
    *,
    n_hidden: Mapping[str, int] | None = None,
) -> list[ModalitySpec]:
    """Describe each registered modality to the networks, some with hidden units of their own."""
    specs = []
    for kind in KINDS:
        field = registry["field_registries"].get(COUNT_KEYS[kind])
        if not field:
            continue
        state = field["state_registry"]
        block_of = state["block_of"]
        order = None if block_of is None else tuple(chromosome_order(sorted(set(block_of))))
        of_conditions = registry.get("setup_method_name") == "setup_anndata"
        for key in CONDITIONS if of_conditions else (state["modality"],):
            names = state["column_names"]
            own = settings[kind]
            own = replace(own, n_hidden=(n_hidden or {}).get(key, own.n_hidden))
            options: dict[str, Any] = {"block_order": order, "settings": own}
            specs.append(ModalitySpec.build(key, kind, names, block_of, **options))
    return specs
