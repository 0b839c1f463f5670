"""Genes and peaks worth modelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from mudata import MuData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._counts import check_counts
from scvi_xmodal.data._modalities import check_kind, find_modalities, kind_of
from scvi_xmodal.data._peaks import parse_peaks
from scvi_xmodal.data._split import rows_to_learn_from
from scvi_xmodal.pp._cells import rows_in_modality
from scvi_xmodal.pp._copy import copy_features
from scvi_xmodal.pp._matrix import count_open, counts_of, take_rows
from scvi_xmodal.pp._variable_genes import variable_genes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

    from scvi_xmodal._constants import Kind

_ROUNDING = 1e-9  # 0.1 * 30 is a little more than 3


def select_features(
    data: AnnData | MuData,
    *,
    n_top_genes: int | None = 3000,
    min_peak_fraction: float = 0.005,
    max_peak_fraction: float | None = None,
    indices: ArrayLike | None = None,
    layers: Mapping[str, str] | None = None,
) -> AnnData | MuData:
    """Return a copy with the most variable genes and the peaks that are open often enough.

    The choice is made from the given cells alone, so that nothing is learned from the others.
    Genes are ranked by scanpy's flavor ``"seurat"`` on log-normalised counts, and a peak counts
    as open where it is not zero, as in scButterfly (Methods, "preprocessing"); BABEL's filter
    is :func:`filter_peaks`. The counts themselves are not changed. Genes and peaks without any
    count in the given cells are dropped; proteins and modalities of unknown kind are kept whole.

    Parameters
    ----------
    data
        A MuData, or an AnnData of genes or of peaks (told by ``var["feature_types"]``, else by
        the features' names).
    n_top_genes
        Number of genes to keep, at most; ``None`` keeps all that were detected.
    min_peak_fraction
        A peak must be open in at least ceil(fraction * number of given cells) cells.
    max_peak_fraction
        A peak may be open in at most this fraction of the given cells; ``None`` for no limit.
    indices
        Row numbers of the cells to learn from, such as ``split.train``, or a mask; all by
        default.
    layers
        Layer that holds a modality's counts, by the modality's key, such as
        ``{"rna": "counts"}``; ``X`` by default. For an AnnData the key is its kind.

    Returns
    -------
    A copy of what was given, in memory, with fewer features in their old order.

    Raises
    ------
    ValueError
        If an argument is out of range, RNA is no counts, or nothing would be left.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30)
    >>> chosen = xm.pp.select_features(mdata, n_top_genes=10, indices=range(40))
    >>> chosen["rna"].n_vars
    10
    """
    check_arguments(locals())
    rows = rows_to_learn_from(indices, data.n_obs, data.obs_names)
    rule = _Rule(n_top_genes, min_peak_fraction, max_peak_fraction)
    places = _places(data, rows)
    layers = dict(layers or {})
    known = list(data.mod) if isinstance(data, MuData) else [place.name for place in places]
    if unknown := sorted(set(layers) - set(known)):
        raise ValueError(f"layers names {unknown}; the modalities are {known}.")
    keep = {}
    for place in places:
        matrix = counts_of(place.adata, layers.get(place.name), name=place.name)
        choose = rule.genes if place.kind == "rna" else rule.peaks
        keep[place.key] = choose(matrix, place)
    return copy_features(data, keep)


@dataclass(frozen=True, eq=False)
class _Place:
    """A modality to choose features of, and the rows to choose by."""

    key: str | None
    name: str
    kind: Kind
    adata: AnnData
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class _Rule:
    """What features must fulfil."""

    n_top_genes: int | None
    min_fraction: float
    max_fraction: float | None

    def __post_init__(self) -> None:
        if self.n_top_genes is not None and self.n_top_genes < 1:
            raise ValueError(f"n_top_genes={self.n_top_genes}; it must be at least 1 or None.")
        low, high = self.min_fraction, self.max_fraction
        if not 0 <= low <= 1:
            raise ValueError(f"min_peak_fraction={low}; it must be between 0 and 1.")
        if high is not None and not low <= high <= 1:
            raise ValueError(
                f"max_peak_fraction={high}; it must be between min_peak_fraction={low} and 1."
            )

    def genes(self, matrix: Any, place: _Place) -> NDArray[np.bool_]:
        """Mark the genes to keep."""
        try:
            check_counts(matrix, name=place.name)
        except ValueError as error:
            error.add_note(f"Here: layers={{{place.name!r}: 'counts'}}.")
            raise
        counts = take_rows(matrix, place.rows)
        keep = variable_genes(counts, place.adata.var_names, n_top_genes=self.n_top_genes)
        if not keep.any():
            raise ValueError(f"No gene of {place.name!r} has a count in the given cells.")
        return keep

    def peaks(self, matrix: Any, place: _Place) -> NDArray[np.bool_]:
        """Mark the peaks to keep."""
        n_cells, n_open = place.rows.size, count_open(matrix, place.rows)
        fewest = max(np.ceil(self.min_fraction * n_cells - _ROUNDING), 1)
        keep = n_open >= fewest
        if self.max_fraction is not None:
            keep &= n_open <= np.floor(self.max_fraction * n_cells + _ROUNDING)
        if not keep.any():
            raise ValueError(
                f"No peak of {place.name!r} is open in between {self.min_fraction:.3%} and "
                f"{self.max_fraction or 1:.3%} of the {n_cells} given cells; the most open one is "
                f"in {n_open.max(initial=0)}. Widen min_peak_fraction or max_peak_fraction."
            )
        return keep


def _places(data: AnnData | MuData, rows: NDArray[np.int64]) -> list[_Place]:
    if not isinstance(data, MuData):
        kind = kind_by_features(data)
        return [] if kind == "protein" else [_Place(None, kind, kind, data, rows)]
    found = find_modalities(data.mod)
    places = [
        _Place(key, key, kind, data.mod[key], rows_in_modality(data, key, rows))
        for kind, key in found.items()
        if kind != "protein"
    ]
    if not found:
        raise ValueError(
            f"None of the modalities {list(data.mod)} is known as RNA, ATAC or protein: name them "
            "'rna', 'atac' or 'protein', or set var['feature_types']."
        )
    for place in places:
        if not place.rows.size:
            raise ValueError(f"None of the given cells was measured in {place.name!r}.")
    return places


def kind_by_features(adata: AnnData) -> Kind:
    """Return what ``feature_types`` says; else peaks if most names are peaks', or genes.

    Raises
    ------
    ValueError
        If the features are of several kinds.
    """
    if stated := kind_of("", adata):
        return stated
    # not all names: one that was made unique, or comes from a plasmid, makes no peaks genes
    is_peaks = adata.n_vars > 0 and parse_peaks(adata.var_names).parsed.mean() > 0.5
    kind: Kind = "atac" if is_peaks else "rna"
    check_kind(adata, kind, "This function")
    return kind
