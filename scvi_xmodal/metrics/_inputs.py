"""From AnnData and MuData to checked matrices with named cells and features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scipy import sparse

from scvi_xmodal._constants import KINDS, UNS_KEY
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import check_counts, check_unique, find_modalities
from scvi_xmodal.data._modalities import check_kind
from scvi_xmodal.metrics._blocks import as_matrix, check_finite
from scvi_xmodal.metrics._matching import Measured, Prediction

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from scvi_xmodal._constants import Kind


# what brings raw counts of a kind to a translation's scale
_MENDS = {
    "rna": "scanpy.pp.normalize_total(data); scanpy.pp.log1p(data)",
    "atac": "data.X = (data.X > 0).astype('float32')",
    "protein": "data.X = scvi_xmodal.pp.clr(data.X)",
}


def read_predictions(
    prediction: AnnData | Mapping[str, AnnData], *, name: str = "prediction"
) -> dict[str, AnnData]:
    """Return predictions by name; a single one is called ``"prediction"``.

    Raises
    ------
    ValueError
        If there are none, or one is no AnnData.
    """
    named = dict(prediction) if isinstance(prediction, Mapping) else {"prediction": prediction}
    if not named:
        raise ValueError(f"{name} is an empty dict: give at least one translation.")
    for key, adata in named.items():
        if not hasattr(adata, "var_names") or hasattr(adata, "mod"):
            raise ValueError(
                f"{name} {key!r} is a {type(adata).__name__}: an AnnData is needed, as "
                "translate returns it."
            )
    return named


def read_prediction(adata: AnnData, *, name: str) -> Prediction:
    """Read a translation.

    Raises
    ------
    ValueError
        If it is empty, names repeat, values are missing or not finite, or they are drawn counts
        of RNA.
    """
    label = f"prediction {name!r}"
    if adata.X is None or 0 in adata.shape:
        raise ValueError(f"The {label} has shape {adata.shape} and nothing to score in X.")
    _check_names(adata, label)
    matrix = as_matrix(adata.X, name=f"X of {label}")
    check_finite(matrix, name=f"X of {label}")
    refuse_drawn_counts(adata, name=f"X of {label}")
    scale = adata.uns.get(UNS_KEY, {}).get("scale")
    return Prediction(name, matrix, adata.obs, adata.var_names, scale)


def holds_drawn_counts(adata: AnnData) -> bool:
    """Return whether ``posterior_predictive_sample`` drew an AnnData, which holds counts yet."""
    drawn = adata.uns.get(UNS_KEY, {}).get("options", {}).get("drawn", False)
    return bool(drawn) and _are_counts(adata.X)  # they may have been normalised since


def refuse_drawn_counts(adata: AnnData, *, name: str) -> None:
    """Raise at drawn counts of RNA, where log1p expression is meant.

    Open peaks are drawn as 0 and 1, which is the scale of translations too.

    Raises
    ------
    ValueError
        If it holds such counts.
    """
    if adata.uns.get(UNS_KEY, {}).get("target_kind") == "rna" and holds_drawn_counts(adata):
        raise ValueError(
            f"{name} holds drawn counts, where log1p expression is meant. Of a copy, "
            "scanpy.pp.normalize_total(drawn); scanpy.pp.log1p(drawn)."
        )


def refuse_counts(matrix: Any, kind: str, *, name: str) -> None:
    """Raise at raw counts where a translation's scale is meant: they differ by the cells' depth.

    Raises
    ------
    ValueError
        If they are counts above 1; lower ones may be peaks, open or not.
    """
    if matrix is None:
        return
    matrix = as_matrix(matrix, name=name)
    if not matrix.size or matrix.max() <= 1:
        return
    if _are_counts(matrix):
        raise ValueError(
            f"{name} holds whole numbers up to {matrix.max():g}, as raw counts do: deeper cells "
            f"would have more of everything. Of a copy of the data, {_MENDS[kind]}."
        )


def _are_counts(matrix: Any) -> bool:
    try:
        check_counts(matrix, name="X")
    except ValueError:
        return False
    return True


def find_kind(predictions: Mapping[str, AnnData], kind: str | None) -> Kind:
    """Return what the predictions are of.

    Raises
    ------
    ValueError
        If nothing says so, or statements differ.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown; it is one of {list(KINDS)}.")
    stated = {} if kind is None else {"kind=": kind}
    for name, adata in predictions.items():
        recorded = adata.uns.get(UNS_KEY, {}).get("target_kind")
        if recorded is not None:
            stated[f"prediction {name!r}"] = recorded
    if not stated:
        raise ValueError(
            f"No prediction says in uns['{UNS_KEY}']['target_kind'] what it is of: give kind=, "
            f"one of {list(KINDS)}."
        )
    if len(set(stated.values())) > 1:
        raise ValueError(
            f"Only predictions of one kind can stand in a table, but these differ: {stated}."
        )
    found = next(iter(stated.values()))
    if found not in KINDS:
        raise ValueError(f"Kind {found!r} is unknown; it is one of {list(KINDS)}.")
    return found


def read_counts(
    data: AnnData | MuData, *, kind: Kind, target: str | None, layer: str | None, name: str
) -> Measured:
    """Read measured counts of a kind.

    Parameters
    ----------
    data
        AnnData of that kind, or MuData that has it.
    kind
        What to look for in a MuData.
    target
        The modality's key, where the prediction recorded it.
    layer
        Layer that holds the counts; ``None`` for ``X``.
    name
        How messages call it.

    Raises
    ------
    ValueError
        If the modality or layer is missing, its features are of another kind, names repeat, or
        values are not counts.
    """
    adata, place = pick_modality(data, kind=kind, target=target, name=name)
    check_kind(adata, kind, place)  # first, because antibodies may be named like genes
    _check_names(adata, place)
    matrix, place = _pick_layer(adata, layer, place)
    matrix = as_matrix(matrix, name=place)
    check_counts(matrix, name=place)
    obs = _joined_obs(adata, data)
    return Measured(name, sparse.csr_matrix(matrix), obs, adata.var_names)


def pick_modality(
    data: AnnData | MuData, *, kind: Kind, target: str | None, name: str
) -> tuple[AnnData, str]:
    """Return the modality of a kind, and what messages call it."""
    if not hasattr(data, "mod"):
        if not hasattr(data, "var_names"):
            raise ValueError(f"{name} is a {type(data).__name__}: AnnData or MuData is needed.")
        return data, name
    key = target if target in data.mod else find_modalities(data.mod).get(kind)
    if key is None:
        raise ValueError(
            f"{name} is a MuData with modalities {list(data.mod)}, none of which is {kind}. Give "
            "the measured AnnData itself."
        )
    return data.mod[key], f"{name}[{key!r}]"


def _joined_obs(adata: AnnData, data: AnnData | MuData) -> pd.DataFrame:
    """Return a modality's annotation, with what only the MuData's has beside it."""
    if adata is data:
        return adata.obs
    further = data.obs.columns.difference(adata.obs.columns)
    return adata.obs.join(data.obs[further])


def _pick_layer(adata: AnnData, layer: str | None, place: str) -> tuple[Any, str]:
    if layer is None:
        if adata.X is None:
            raise ValueError(f"{place}.X is empty: name the layer of the counts, layer=.")
        return adata.X, f"{place}.X"
    if layer not in adata.layers:
        raise ValueError(f"{place} has no layer {layer!r}; it has {layer_names(adata)}.")
    return adata.layers[layer], f"{place}.layers[{layer!r}]"


def _check_names(adata: AnnData, name: str) -> None:
    check_unique(adata.var_names, name=f"The features of {name}")
    if not adata.obs_names.is_unique:
        twice = adata.obs_names[adata.obs_names.duplicated()]
        raise ValueError(
            f"The cells of {name} are matched by name, but {twice[0]!r} appears more than once. "
            "Call obs_names_make_unique() on the data before translating."
        )
