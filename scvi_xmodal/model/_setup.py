"""Registering a MuData: modalities found, checked, and described to the model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scvi import REGISTRY_KEYS
from scvi.data.fields import MuDataCategoricalObsField

from scvi_xmodal._arguments import MAPPING, check_arguments
from scvi_xmodal._constants import CONDITIONS, KINDS
from scvi_xmodal.data import MuDataCountsField, find_modalities
from scvi_xmodal.data._modalities import check_kind
from scvi_xmodal.data._peaks import chromosome_order
from scvi_xmodal.model._setup_checks import check_categories, check_shared
from scvi_xmodal.module import ModalitySpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from mudata import MuData

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module import KindDefaults

COUNT_KEYS: dict[Kind, str] = {
    "rna": REGISTRY_KEYS.X_KEY,
    "atac": REGISTRY_KEYS.ATAC_X_KEY,
    "protein": REGISTRY_KEYS.PROTEIN_EXP_KEY,
}
"""Where scvi-tools' registry keeps the counts of each kind."""


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


def hold_all_cells(mdata: MuData, modalities: Mapping[str, str] | None) -> bool:
    """Return whether each modality that is found, or given, holds all cells in their order."""
    chosen = resolve_modalities(mdata, modalities, {})
    keys = [key for argument, key in chosen.items() if argument.endswith("_layer")]
    return all(mdata.mod[key].obs_names.equals(mdata.obs_names) for key in keys)


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
    mdata: MuData,
    registry_key: str,
    obs_key: str | None,
    argument: str,
    chosen: Mapping[str, str],
) -> MuDataCategoricalObsField:
    """Return a field over a column of ``mdata.obs`` or of a modality's ``obs``.

    Raises
    ------
    ValueError
        If no such column exists, it has missing values, or modalities disagree about it.
    """
    if obs_key is None:
        return MuDataCategoricalObsField(registry_key, None)
    modality = chosen.get(argument)
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
            if modality is None and key is not None:
                registered = [name for taker, name in chosen.items() if taker.endswith("_layer")]
                _check_agreement(mdata, key, registered, obs_key, argument)
            return MuDataCategoricalObsField(registry_key, obs_key, mod_key=key)
    columns = {str(key or "mdata"): list(place.obs.columns) for key, place in places.items()}
    raise ValueError(f"{argument}={obs_key!r} is no column of obs; there are {columns}.")


def _check_agreement(
    mdata: MuData, key: str, others: Sequence[str], obs_key: str, argument: str
) -> None:
    """Raise if other modalities hold other values in a column that is taken from one."""
    own = _as_text(mdata.mod[key].obs[obs_key])
    for name in others:
        if name == key or obs_key not in mdata.mod[name].obs:
            continue
        values = _as_text(mdata.mod[name].obs[obs_key]).reindex(own.index)
        differ = own.index[values.notna() & (own != values)]
        if differ.size:
            cell = differ[0]
            raise ValueError(
                f"{argument}={obs_key!r}: {key!r} and {name!r} disagree about {differ.size} "
                f"cells, such as {cell!r}, which is {own[cell]!r} and {values[cell]!r}. Say which "
                f"one holds: mdata.obs[{obs_key!r}] = mdata[{key!r}].obs[{obs_key!r}]."
            )


def _as_text(column: pd.Series) -> pd.Series:
    """Return the values that are there; a gap among other cells makes 1.0 of the batch 1."""
    return column.dropna().astype(str).str.removesuffix(".0")


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
