"""Which rows and which modality a function was asked to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from mudata import MuData

from scvi_xmodal.data._modalities import check_kind, find_modalities

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind


def rows_in_modality(mdata: MuData, key: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a modality's own rows, ascending, of those cells that were measured in it."""
    own = np.ravel(mdata.obsmap[key]).astype(np.int64)[rows]  # counts from 1; 0 is absent
    return np.sort(own[own > 0]) - 1


def pick_kind(
    data: AnnData | MuData, kind: Kind, modality: str | None = None
) -> tuple[str | None, AnnData]:
    """Return an AnnData, or a MuData's modality of a kind, with its key.

    Raises
    ------
    ValueError
        If the MuData has no such modality, or features say that they are something else.
    """
    if not isinstance(data, MuData):
        if modality is not None:
            raise ValueError(f"modality={modality!r} needs a MuData, got {type(data).__name__}.")
        check_kind(data, kind, "This function")
        return None, data
    key = modality if modality is not None else find_modalities(data.mod).get(kind)
    if key is None:
        raise ValueError(
            f"No {kind} modality was found among {list(data.mod)}: name a modality {kind!r}, or "
            "give the AnnData itself."
        )
    if key not in data.mod:
        raise ValueError(f"There is no modality {key!r}; the modalities are {list(data.mod)}.")
    check_kind(data.mod[key], kind, "This function")
    return key, data.mod[key]
