"""Cells with neither too few nor too many genes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._counts import check_counts, layer_name
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.pp._cells import pick_kind
from scvi_xmodal.pp._copy import copy_features
from scvi_xmodal.pp._matrix import counts_of, row_blocks

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


def filter_cells_by_genes(
    data: AnnData | MuData,
    *,
    min_genes: int = 200,
    max_genes: int = 7000,
    modality: str | None = None,
    layer: str | None = None,
) -> AnnData | MuData:
    """Return a copy without the cells in which too few or too many genes were detected.

    As in BABEL (Methods): cells with fewer than 200 genes or more than 7,000 go (for mouse,
    ``max_genes=2500``). BABEL counts autosomal genes, so :func:`exclude_chromosomes` comes
    first. Each cell is judged by itself; nothing is learned from others.

    Parameters
    ----------
    data
        An AnnData of genes, or a MuData with an RNA modality.
    min_genes
        Fewest genes with a count.
    max_genes
        Most genes with a count.
    modality
        Key of the MuData's modality; found by kind by default.
    layer
        Layer that holds the counts; ``X`` by default.

    Returns
    -------
    A copy of what was given, in memory, with fewer cells in all modalities. Cells whose RNA was
    not measured are kept.

    Raises
    ------
    ValueError
        If an argument is out of range, or no cell would be left.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> adata = AnnData(np.tri(4))
    >>> xm.pp.filter_cells_by_genes(adata, min_genes=2, max_genes=3).obs_names.tolist()
    ['1', '2']
    """
    check_arguments(locals())
    if not 0 <= min_genes <= max_genes:
        raise ValueError(
            f"min_genes={min_genes} and max_genes={max_genes}: 0 <= min_genes <= max_genes."
        )
    key, rna = pick_kind(data, "rna", modality)
    name = key or "adata"
    counts = counts_of(rna, layer, name=name)
    check_counts(counts, name=layer_name(name, layer))
    n_genes = _count_genes(counts)
    keep = (n_genes >= min_genes) & (n_genes <= max_genes)
    if key is not None:
        own = np.ravel(data.obsmap[key]).astype(np.int64)  # counts from 1; 0 is absent
        keep = np.concatenate([[True], keep])[own]
    if not keep.any():
        raise ValueError(
            f"No cell has between min_genes={min_genes} and max_genes={max_genes} genes: they "
            f"have {n_genes.min(initial=0)} to {n_genes.max(initial=0)}."
        )
    with own_columns_only():
        return copy_features(data[keep], {})


def _count_genes(counts: Any) -> NDArray[np.int64]:
    rows = np.arange(counts.shape[0])
    per_block = [np.diff(block.indptr) for block in row_blocks(counts, rows)]
    return np.concatenate([np.zeros(0, dtype=np.int64), *per_block])
