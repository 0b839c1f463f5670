"""One experiment out of what people have: one table with feature types, or one a modality."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData

from scvi_xmodal._arguments import check_sliceable
from scvi_xmodal._constants import KINDS
from scvi_xmodal.data._modalities import find_modalities, kind_of_feature
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.pp._annotate import peak_columns
from scvi_xmodal.pp._gene_names import named_by_symbol

if TYPE_CHECKING:
    from scvi_xmodal._constants import Kind

_FEATURE_TYPES = "feature_types"
_LEVEL = 4  # from what gather calls up to the caller of to_mudata or read_10x


def to_mudata(
    data: AnnData | Mapping[str, AnnData],
    *,
    cells: Literal["raise", "shared"] = "raise",
) -> MuData:
    """Gather one AnnData with ``feature_types``, or one AnnData a modality, into a MuData.

    Names of features are made unique, with a warning. Genes named by Ensembl identifiers take
    their symbols where ``var`` has them, and keep the identifiers in ``var["gene_ids"]``. Peaks
    get ``chrom``, ``start`` and ``end`` as by :func:`annotate_peaks`; those without coordinates
    are kept, with a warning.

    Parameters
    ----------
    data
        One AnnData whose ``var["feature_types"]`` says what each feature is (``"Gene
        Expression"``, ``"Peaks"``, ``"Antibody Capture"``), as scanpy reads 10x files; or a
        mapping such as ``{"rna": rna, "atac": atac}``. Not changed.
    cells
        What to do if the AnnDatas of a mapping hold different cells:

        * ``"raise"``: refuse
        * ``"shared"``: keep those that all of them hold, in the first one's order

    Returns
    -------
    MuData of copies in memory, all modalities with the same cells in the same order. One AnnData
    becomes the modalities ``"rna"``, ``"atac"`` and ``"protein"``; a mapping's keys stay.
    ``obs`` holds the columns on which the modalities agree.

    Raises
    ------
    ValueError
        If fewer than two modalities are found, a cell appears twice in an AnnData of a mapping,
        or the cells differ.

    Examples
    --------
    >>> import anndata, pandas as pd
    >>> import scvi_xmodal as xm
    >>> truth = xm.datasets.synthetic(n_cells=30, n_genes=20, n_peaks=40)
    >>> adata = anndata.concat(truth.mod, axis="var", merge="first")
    >>> adata.var["feature_types"] = ["Gene Expression"] * 20 + ["Peaks"] * 40
    >>> xm.pp.to_mudata(adata)["atac"].shape
    (30, 40)
    >>> xm.pp.to_mudata({"gex": truth["rna"], "peaks": truth["atac"]}).shape
    (30, 60)
    """
    return gather(data, cells)


def gather(
    data: AnnData | Mapping[str, AnnData],
    cells: Literal["raise", "shared"] = "raise",
    *,
    fewest: int = 2,
) -> MuData:
    """Do what :func:`to_mudata` does, for functions that users call, of that many modalities."""
    if cells not in ("raise", "shared"):
        raise ValueError(f"cells={cells!r}; known are 'raise' and 'shared'.")
    with warnings.catch_warnings():
        # anndata's come several times a modality; and a gene and its protein may share a name
        warnings.filterwarnings("ignore", message="(Variable|Observation|var_)\\s?names are not")
        modalities = _modalities(data, cells, fewest)
        kinds = {key: kind for kind, key in find_modalities(modalities).items()}
        for key, adata in modalities.items():
            _name_features(adata, key, kinds.get(key))
        with own_columns_only():
            mdata = MuData(modalities)
        mdata.obs = _agreed_obs([adata.obs for adata in modalities.values()])
        return mdata


def _modalities(data: Any, cells: str, fewest: int) -> dict[str, AnnData]:
    if isinstance(data, Mapping):
        modalities = _same_cells(data, cells)
    elif isinstance(data, AnnData):
        modalities = _by_feature_type(data)
    else:
        raise ValueError(
            f"An AnnData with feature_types or a mapping of AnnDatas is needed, got "
            f"{type(data).__name__}."
        )
    if len(modalities) < fewest:
        raise ValueError(
            f"Only {list(modalities)} was found; two modalities are needed to translate "
            "between. Give them by name: to_mudata({'rna': rna, 'atac': atac})."
        )
    return modalities


def _by_feature_type(adata: AnnData) -> dict[str, AnnData]:
    """Return copies of the features of each known type, by kind."""
    if _FEATURE_TYPES not in adata.var:
        raise ValueError(
            f"The AnnData's var has no column {_FEATURE_TYPES!r} to tell its modalities by; it "
            f"has {list(adata.var)}. Read 10x files with xm.datasets.read_10x or "
            "scanpy.read_10x_h5(gex_only=False), or give {'rna': rna, 'atac': atac}."
        )
    types = adata.var[_FEATURE_TYPES].astype(str)
    kinds = types.map({name: kind_of_feature(name) for name in types.unique()})
    unknown = types[kinds.isna()]
    if unknown.size:
        warnings.warn(
            f"{unknown.size} features of the types {sorted(unknown.unique())} are left out.",
            UserWarning,
            stacklevel=_LEVEL + 1,
        )
    parts: dict[str, AnnData] = {}
    for kind in KINDS:
        columns = np.flatnonzero((kinds == kind).to_numpy())
        if columns.size:
            parts[kind] = adata[:, columns].to_memory(copy=True)
            parts[kind].uns.clear()
    if not adata.obs_names.is_unique:
        warnings.warn(
            "Names of cells are not unique; -1, -2, ... are appended.",
            UserWarning,
            stacklevel=_LEVEL + 1,
        )
        for part in parts.values():
            part.obs_names_make_unique()
    return parts


def _same_cells(data: Mapping[str, AnnData], cells: str) -> dict[str, AnnData]:
    """Return copies of the modalities with the same cells in the first one's order."""
    for key, adata in data.items():
        if not isinstance(adata, AnnData):
            raise ValueError(f"{key!r} must be an AnnData, got {type(adata).__name__}.")
        check_sliceable(adata, str(key))
        if not adata.obs_names.is_unique:
            twice = adata.obs_names[adata.obs_names.duplicated()][0]
            raise ValueError(
                f"Cell {twice!r} appears twice in {key!r}, so that nobody can tell its partner: "
                "make obs_names unique."
            )
    if not data:
        return {}
    names = [adata.obs_names for adata in data.values()]
    shared = reduce(lambda one, two: one[one.isin(two)], names)
    if not shared.size or (cells == "raise" and any(shared.size < n.size for n in names)):
        sizes = ", ".join(f"{key!r} has {adata.n_obs}" for key, adata in data.items())
        mend = "Keep those with cells='shared'."
        if not shared.size:
            examples = [str(cells_of_one[0]) for cells_of_one in names if cells_of_one.size]
            mend = f"Their names differ, such as {examples}: rename them."
        raise ValueError(f"The cells differ: {sizes}, and {shared.size} are in all. {mend}")
    return {
        key: adata[adata.obs_names.get_indexer(shared)].to_memory(copy=True)
        for key, adata in data.items()
    }


def _name_features(adata: AnnData, key: str, kind: Kind | None) -> None:
    """Give a copied modality unique names, genes their symbols and peaks their coordinates."""
    if kind == "rna":
        adata.var = named_by_symbol(adata.var)
    if not adata.var_names.is_unique:
        twice = adata.var_names[adata.var_names.duplicated()].unique()
        warnings.warn(
            f"{twice.size} names of {key!r} appear more than once, such as {list(twice[:3])}; "
            "-1, -2, ... are appended.",
            UserWarning,
            stacklevel=_LEVEL,
        )
        adata.var_names_make_unique()
    if kind == "atac":
        columns = peak_columns(adata.var, on_error="keep", stacklevel=_LEVEL + 1)
        for column, values in columns.items():
            adata.var[column] = values


def _agreed_obs(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the columns that are the same wherever they stand."""
    agreed: dict[Any, pd.Series] = {}
    refused = set()
    for table in tables:
        for name, column in table.items():
            if not agreed.setdefault(name, column).equals(column):
                refused.add(name)
    kept = {name: column for name, column in agreed.items() if name not in refused}
    return pd.DataFrame(kept, index=tables[0].index)
