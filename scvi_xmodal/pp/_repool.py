"""Counts on the peaks of another data set or a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData
from scipy import sparse

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._coordinates import read_coordinates
from scvi_xmodal.data._counts import check_counts
from scvi_xmodal.data._matching import check_unique
from scvi_xmodal.data._modalities import check_kind
from scvi_xmodal.data._repool import pool_peaks
from scvi_xmodal.pp._align import as_table
from scvi_xmodal.pp._matrix import counts_of, row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def repool_peaks(
    adata: AnnData,
    target: AnnData | pd.DataFrame | pd.Index | Sequence[str],
    *,
    layer: str | None = None,
) -> AnnData:
    r"""Return a copy whose peaks are the target's, open where an own peak beneath is open.

    .. math:: y_{ij} = \bigvee_{k \,:\, k \cap j \neq \emptyset} \left[x_{ik} > 0\right]

    for cell :math:`i`, target peak :math:`j` and own peaks :math:`k`. Peaks overlap if they share
    a base; intervals are half-open, so that touching peaks do not (BABEL, Methods). A peak that
    overlaps two target peaks opens both; one that overlaps none is dropped; a target peak that
    overlaps none is closed in every cell. How many there are of each is said in a warning and
    kept in ``uns["repool_peaks"]``, with the fields of :class:`RepoolReport` and their
    ``coverage``.

    Both sets must be of one genome assembly; :func:`liftover` moves peaks to another.

    Parameters
    ----------
    adata
        Peaks of shape (n_cells, n_peaks), with coordinates in ``chrom``, ``start`` and ``end`` of
        ``var`` or in their names; stays as it is. May be backed.
    target
        Peaks to map onto: names, a ``var`` table such as a translation's, or an AnnData with one;
        in any order, and overlapping each other or not.
    layer
        Layer that holds the counts; ``X`` by default.

    Returns
    -------
    AnnData of shape (n_cells, n_target), in memory, whose ``X`` is CSR float32 of zeros and ones
    and whose ``var`` is the target's. ``obs``, ``obsm``, ``obsp`` and ``uns`` are kept; layers,
    ``varm`` and ``varp``, which tell of the old peaks, are not.

    Raises
    ------
    ValueError
        If peaks lack coordinates or have start >= end, target names are not unique, values are
        no counts, or no peaks overlap.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> peaks = pd.DataFrame(index=["chr1:950-1150", "chr1:1190-2090"])
    >>> adata = AnnData(np.array([[0, 0], [1, 0], [2, 1]]), var=peaks)
    >>> xm.pp.repool_peaks(adata, ["chr1:1000-2000"]).X.toarray().ravel()
    array([0., 1., 1.], dtype=float32)
    """
    check_arguments(locals())
    if not isinstance(adata, AnnData):
        raise ValueError(f"An AnnData is needed, got {type(adata).__name__}: give one modality.")
    check_kind(adata, "atac", "This function")
    table = as_table(target)
    check_unique(table.index, name="The names of the target's peaks")
    pool = pool_peaks(
        read_coordinates(adata.var, name="adata"), read_coordinates(table, name="The target")
    )
    counts = counts_of(adata, layer, name="adata")
    check_counts(counts, name="adata.X" if layer is None else f"adata.layers[{layer!r}]")
    pool.warn()
    blocks = [pool.apply(block) for block in row_blocks(counts, np.arange(adata.n_obs))]
    empty = sparse.csr_matrix((0, len(table)), dtype=np.float32)
    bare = AnnData(obs=adata.obs, obsm=adata.obsm, obsp=adata.obsp, uns=adata.uns).copy()
    return AnnData(
        X=sparse.vstack(blocks, format="csr") if blocks else empty,
        obs=bare.obs,
        var=table.copy(),
        obsm=dict(bare.obsm),
        obsp=dict(bare.obsp),
        uns={**bare.uns, "repool_peaks": pool.report.record()},
    )
