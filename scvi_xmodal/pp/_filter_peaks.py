"""Peaks that are neither rare nor everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._counts import check_counts, layer_name
from scvi_xmodal.data._split import rows_to_learn_from
from scvi_xmodal.pp._cells import pick_kind, rows_in_modality
from scvi_xmodal.pp._copy import copy_features
from scvi_xmodal.pp._matrix import count_open, counts_of

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike

_ROUNDING = 1e-9  # 0.1 * 30 is a little more than 3


def filter_peaks(
    data: AnnData | MuData,
    *,
    min_cells: int = 5,
    max_fraction: float = 0.1,
    indices: ArrayLike | None = None,
    modality: str | None = None,
    layer: str | None = None,
) -> AnnData | MuData:
    """Return a copy without the peaks that are open in too few or too many cells.

    The filter of BABEL's paper (Methods): peaks open in fewer than five cells, or in more than
    10 % of them, go. (Its code takes 10 % of the cells in which the most common peak is open;
    here it is 10 % of the cells, as the paper says.) :func:`select_features` has scButterfly's.

    Parameters
    ----------
    data
        An AnnData of peaks, or a MuData with an ATAC modality.
    min_cells
        Fewest of the given cells that a peak must be open in: where its count is not zero.
    max_fraction
        Largest share of the given cells that a peak may be open in.
    indices
        Row numbers of the cells to learn from, such as ``split.train``, or a mask; all by
        default.
    modality
        Key of the MuData's modality; found by kind by default.
    layer
        Layer that holds the counts; ``X`` by default.

    Returns
    -------
    A copy of what was given, in memory, with fewer peaks in their old order.

    Raises
    ------
    ValueError
        If an argument is out of range, or no peak would be left.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> counts = np.zeros((100, 3))
    >>> counts[:4, 0] = counts[:5, 1] = counts[:11, 2] = 1
    >>> xm.pp.filter_peaks(AnnData(counts)).var_names.tolist()
    ['1']
    """
    check_arguments(locals())
    if min_cells < 0:
        raise ValueError(f"min_cells={min_cells} must be 0 or more.")
    if not 0 < max_fraction <= 1:
        raise ValueError(f"max_fraction={max_fraction} must be above 0 and at most 1.")
    rows = rows_to_learn_from(indices, data.n_obs, data.obs_names)
    key, atac = pick_kind(data, "atac", modality)
    name = key or "adata"
    if key is not None:
        rows = rows_in_modality(data, key, rows)
    counts = counts_of(atac, layer, name=name)
    check_counts(counts, name=layer_name(name, layer))
    n_open = count_open(counts, rows)
    most = np.floor(max_fraction * rows.size + _ROUNDING)
    keep = (n_open >= min_cells) & (n_open <= most)
    if not keep.any():
        raise ValueError(
            f"No peak of {name!r} is open in at least min_cells={min_cells} and at most "
            f"{most:.0f} (max_fraction={max_fraction}) of the {rows.size} given cells; the most "
            f"open one is in {n_open.max(initial=0)}. Widen them."
        )
    return copy_features(data, {key: keep})
