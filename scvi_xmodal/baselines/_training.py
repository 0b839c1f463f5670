"""Training cells of every modality, read by name and paired by cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from mudata import MuData

from scvi_xmodal._arguments import check_current
from scvi_xmodal.baselines._profiles import Profile
from scvi_xmodal.data import CountsField, RowReader, find_modalities
from scvi_xmodal.data._split import rows_to_learn_from
from scvi_xmodal.module import ModalitySpec, feature_statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray
    from scipy import sparse

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.module import FeatureStatistics


@dataclass(frozen=True, eq=False)
class Modality:
    """A training modality as a fitted baseline remembers it.

    Parameters
    ----------
    spec
        Its features; its key is the kind of modality.
    name
        Its key in the training MuData.
    layer
        Layer of its counts; ``None`` for ``X``.
    var
        Annotation of its features.
    statistics
        Statistics of the training cells.
    """

    spec: ModalitySpec
    name: str
    layer: str | None
    var: pd.DataFrame
    statistics: FeatureStatistics

    @property
    def profile(self) -> Profile:
        """What turns this modality's counts into its profile."""
        return Profile(self.spec.kind, self.statistics.median_library)


@dataclass(frozen=True, eq=False)
class Training:
    """One modality of the training cells.

    Parameters
    ----------
    modality
        The modality.
    counts
        Counts of shape (n_cells, n_features), float32.
    """

    modality: Modality
    counts: sparse.csr_matrix

    @cached_property
    def profile(self) -> Values:
        """Profiles of the training cells, of shape (n_cells, n_features)."""
        return self.modality.profile(self.counts)


def read_training(
    mdata: MuData, indices: ArrayLike | None, layers: Mapping[Kind, str | None]
) -> dict[Kind, Training]:
    """Read the given rows of all modalities.

    Parameters
    ----------
    mdata
        Cells with two or three modalities; not changed.
    indices
        Rows of ``mdata`` of shape (n_cells,); ``None`` for all.
    layers
        Layer of the counts of each kind of modality; ``None`` for ``X``.

    Raises
    ------
    ValueError
        If modalities, cells, layers or counts are missing or wrong.
    """
    found = _check_modalities(mdata, layers)
    rows = rows_to_learn_from(indices, mdata.n_obs, mdata.obs_names)
    return {
        kind: _read(mdata.mod[name], kind, name, layers[kind], _own_rows(mdata, name, rows))
        for kind, name in found.items()
    }


def _read(
    adata: AnnData, kind: Kind, name: str, layer: str | None, rows: NDArray[np.int64]
) -> Training:
    CountsField(kind, layer, kind, name).validate_field(adata)
    matrix = adata.X if layer is None else adata.layers[layer]
    counts = RowReader(matrix, n_features=adata.n_vars).rows(rows)
    spec = ModalitySpec.build(kind, kind, adata.var_names)
    statistics = feature_statistics([counts], n_features=adata.n_vars)
    return Training(Modality(spec, name, layer, adata.var.copy(), statistics), counts)


def _check_modalities(mdata: MuData, layers: Mapping[Kind, str | None]) -> dict[Kind, str]:
    if not isinstance(mdata, MuData):
        raise ValueError(
            f"A baseline is fitted on a MuData with paired cells, got {type(mdata).__name__}. "
            "Join the modalities: MuData({'rna': rna, 'atac': atac})."
        )
    found = find_modalities(mdata.mod)
    if len(found) < 2:
        raise ValueError(
            f"To translate takes two of the modalities rna, atac and protein; among "
            f"{list(mdata.mod)} only {list(found)} were recognised. Rename the others so."
        )
    for kind, layer in layers.items():
        if layer is not None and kind not in found:
            raise ValueError(f"{kind}_layer={layer!r}, but the data have no {kind} modality.")
    return found


def _own_rows(mdata: MuData, name: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a modality's rows of cells that are rows of the whole."""
    own = mdata.mod[name].obs_names
    check_current(mdata, name)
    if own.equals(mdata.obs_names):
        return rows
    if own.has_duplicates:
        twice = own[own.duplicated()][0]
        raise ValueError(f"Cell {twice!r} appears twice in {name!r}. Make obs_names unique.")
    position = own.get_indexer(mdata.obs_names[rows])
    if (position < 0).any():
        missing = mdata.obs_names[rows][position < 0]
        raise ValueError(
            f"{missing.size} of the {rows.size} training cells have no {name!r} measurement, such "
            f"as {list(missing[:3])}. Baselines learn from paired cells: subset the data with "
            "muon.pp.intersect_obs(mdata), or leave those cells out of indices."
        )
    return position.astype(np.int64)
