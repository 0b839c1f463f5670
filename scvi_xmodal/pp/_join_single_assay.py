"""Paired cells and single-assay experiments in one object."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scvi_xmodal._arguments import TEXTS, check_arguments
from scvi_xmodal.data._matching import check_unique, match_places
from scvi_xmodal.data._modalities import check_kind, find_modalities
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.pp._align import align_features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MEND = {
    "atac": "xm.pp.repool_peaks(other, mdata[{key!r}])",
    "rna": "xm.pp.align_features(other, mdata[{key!r}], missing='zero')",
    "protein": "rename its proteins, or keep those of both panels in all experiments",
}


def join_single_assay(
    mdata: MuData,
    *,
    rna: AnnData | Sequence[AnnData] = (),
    atac: AnnData | Sequence[AnnData] = (),
    protein: AnnData | Sequence[AnnData] = (),
    obs_keys: Sequence[str] = (),
) -> MuData:
    """Return the cells of a paired experiment and of single-assay ones, rows of one MuData.

    What :class:`~scvi_xmodal.model.Polarbear` learns from. A cell of a single-assay experiment is
    a row that lacks the other modalities; it is no cell of the paired experiment even if their
    barcodes are the same: such names are prefixed, as in ``"rna1:AAAC-1"``.

    Parameters
    ----------
    mdata
        Paired cells; not changed.
    rna, atac, protein
        Single-assay experiments of each modality, one or several, with the features of ``mdata``
        in any order; further features are left out.
    obs_keys
        Columns to bring along into ``obs`` of the result, such as the batch and cell types. Each
        experiment must have them, ``mdata`` at the top or in a modality.

    Returns
    -------
    MuData of all cells, the paired ones first. ``obs`` holds the columns asked for. ``X`` and
    layers that all experiments have are there. Modalities of unknown kind are kept as they are.

    Raises
    ------
    ValueError
        If an experiment lacks features or a column, holds features of another kind, has no cells
        or twice the same, or its modality is not in ``mdata``.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30)
    >>> joined = xm.pp.join_single_assay(mdata[:20].copy(), rna=mdata["rna"][20:].copy())
    >>> joined.n_obs, joined["rna"].n_obs, joined["atac"].n_obs
    (60, 60, 20)
    """
    check_arguments({"mdata": mdata, "obs_keys": obs_keys}, obs_keys=TEXTS)
    obs_keys = [obs_keys] if isinstance(obs_keys, str) else obs_keys
    keys = find_modalities(mdata.mod)
    for key in keys.values():
        _check_cells(mdata.mod[key], repr(key))
    given: dict[Any, list[AnnData]] = {
        kind: _experiments(own, kind)
        for kind, own in (("rna", rna), ("atac", atac), ("protein", protein))
    }
    known, columns = set(mdata.obs_names), [_columns(mdata, obs_keys)]
    parts = {}
    for kind, key in keys.items():
        own = [mdata.mod[key]]
        for number, other in enumerate(given.pop(kind), 1):
            name = f"{kind}{number}"
            own.append(_fitted(other, own[0], key=key, kind=kind, name=name))
            if not known.isdisjoint(own[-1].obs_names):
                own[-1].obs_names = [f"{name}:{cell}" for cell in own[-1].obs_names]
            known.update(own[-1].obs_names)
            columns.append(_columns(own[-1], obs_keys, name=name))
        parts[key] = _stacked(own)
    # of another kind: only paired cells have them, but what was there stays
    parts |= {key: other.copy() for key, other in mdata.mod.items() if key not in parts}
    for left, others in given.items():
        if others:
            raise ValueError(
                f"{left}= was given, but mdata has no {left} modality; it has {list(mdata.mod)}."
            )
    return _with_columns(parts, pd.concat(columns))


def _experiments(given: Any, kind: str) -> list[AnnData]:
    """Return one experiment or several as a list."""
    if isinstance(given, AnnData):
        return [given]
    if not isinstance(given, list | tuple):  # a MuData would yield modalities without end
        raise ValueError(
            f"{kind}= must be an AnnData or a list of them, got {type(given).__name__}."
        )
    for number, other in enumerate(given, 1):
        if not isinstance(other, AnnData):
            raise ValueError(f"{kind}{number} must be an AnnData, got {type(other).__name__}.")
    return list(given)


def _check_cells(adata: AnnData, name: str) -> None:
    """Raise unless there are cells, each once."""
    if adata.n_obs == 0:
        raise ValueError(f"{name} has no cells: leave it out.")
    if adata.obs_names.has_duplicates:
        twice = adata.obs_names[adata.obs_names.duplicated()][0]
        raise ValueError(f"Cell {twice!r} appears twice in {name}. Make obs_names unique.")


def _fitted(other: AnnData, paired: AnnData, *, key: str, kind: str, name: str) -> AnnData:
    """Return a copy of an experiment with the paired one's features, checked."""
    _check_cells(other, name)
    check_kind(other, kind, name)
    check_unique(other.var_names, name=f"The features of {name}")
    # as align_features matches them: by name, peaks also by place
    column = other.var_names.get_indexer(paired.var_names).astype(np.int64)
    missing = paired.var_names[match_places(paired.var_names, other.var_names, column) < 0]
    if missing.size:
        raise ValueError(
            f"{name} lacks {missing.size} of the {paired.n_vars} {key!r} features of mdata, such "
            f"as {list(missing[:3])}; its own are named {list(other.var_names[:3])}. Bring it to "
            f"the same features first: {_MEND[kind].format(key=key)}."
        )
    for matrix, owner, place in (
        (other.X, paired.X, name),
        (paired.X, other.X, f"mdata[{key!r}]"),
    ):
        if matrix is None and owner is not None:
            raise ValueError(
                f"{place}.X is empty: put the counts there, or in all into one layer."
            )
    return align_features(other, paired)


def _columns(
    data: AnnData | MuData, obs_keys: Sequence[str], *, name: str = "mdata"
) -> pd.DataFrame:
    """Return columns of an experiment's cells, wherever they stand."""
    places = [data, *(data.mod.values() if isinstance(data, MuData) else ())]
    found = {}
    for column in obs_keys:
        holders = [place.obs[column] for place in places if column in place.obs]
        if not holders:
            raise ValueError(
                f"{name} has no column {column!r} in obs; it has {list(data.obs.columns)}."
            )
        found[column] = holders[0].astype(object).reindex(data.obs_names)
    return pd.DataFrame(found, index=data.obs_names)


def _stacked(parts: Sequence[AnnData]) -> AnnData:
    joined = anndata.concat(parts, axis="obs", join="inner", merge="first")
    joined.var = parts[0].var.copy()
    return joined


def _with_columns(parts: Mapping[str, AnnData], columns: pd.DataFrame) -> MuData:
    with own_columns_only(), warnings.catch_warnings():
        # a protein and its gene share a name; the modality tells them apart
        warnings.filterwarnings("ignore", message="var_names are not unique")
        joined = MuData(dict(parts))
    for name in columns:
        values = columns[name].reindex(joined.obs_names).infer_objects()
        is_measure = pd.api.types.is_float_dtype(values) and not (values.dropna() % 1 == 0).all()
        joined.obs[name] = values if is_measure else values.astype("category")
    return joined
