"""Copies of annotated data, in memory."""

from __future__ import annotations

import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from mudata import MuData

from scvi_xmodal._arguments import check_current
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray


def copy_features(
    data: AnnData | MuData, keep: Mapping[str | None, NDArray[np.bool_]]
) -> AnnData | MuData:
    """Return a copy, in memory, with some of the features.

    Parameters
    ----------
    data
        In memory or backed by a file; a file is read but for what is left out.
    keep
        For each modality (``None`` for an AnnData) a mask of shape (n_features,); modalities
        without one are copied whole.
    """
    if not isinstance(data, MuData):
        return (data[:, keep[None]] if None in keep else data).to_memory(copy=True)
    mask = np.ones(data.n_vars, dtype=bool)
    for key, kept in keep.items():
        check_current(data, str(key), axis="var")
        position = np.ravel(data.varmap[key]).astype(np.int64)  # counts from 1; 0 is elsewhere
        mask[position > 0] = kept[position[position > 0] - 1]
    view = data[:, mask]
    with own_columns_only(), warnings.catch_warnings():
        # a gene and its protein may share a name, which the user's own MuData has said already
        warnings.filterwarnings("ignore", message="var_names are not unique")
        return MuData(
            {key: adata.to_memory(copy=True) for key, adata in view.mod.items()},
            obs=view.obs.copy(),
            var=view.var.copy(),
            uns=deepcopy(dict(view.uns)),
            **{name: _copies(getattr(view, name)) for name in ("obsm", "varm", "obsp", "varp")},
            obsmap=dict(view.obsmap.items()),
            varmap=dict(view.varmap.items()),
            axis=view.axis,
        )


def _copies(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Copy arrays that may be views of a MuData into plain ones."""
    return {key: array.copy() for key, array in arrays.items()}
