"""Which cells train, validate and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from mudata import MuData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._counts import check_counts
from scvi_xmodal.pp._cells import pick_kind
from scvi_xmodal.pp._clusters import rna_clusters
from scvi_xmodal.pp._folds import (
    CELL_FRACTION,
    by_cell,
    by_cluster,
    by_group,
    with_drawn_validation,
)
from scvi_xmodal.pp._labels import cell_labels
from scvi_xmodal.pp._matrix import counts_of, take_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from scvi_xmodal.data._split import Split

By = Literal["cell", "batch", "cell_type", "cluster"]
ValidationBy = Literal["same", "cell"]


@dataclass(frozen=True)
class _Defaults:
    """What the papers do."""

    n_folds: int | None
    validation_fraction: float | None


_DEFAULTS = {
    "cell": _Defaults(5, CELL_FRACTION),
    "batch": _Defaults(None, None),
    "cell_type": _Defaults(3, 0.25),
    "cluster": _Defaults(5, None),
}


def split(
    data: AnnData | MuData,
    *,
    by: By = "cell",
    n_folds: int | None = None,
    fold: int = 0,
    seed: int = 0,
    key: str | None = None,
    validation_fraction: float | None = None,
    validation_by: ValidationBy = "same",
    exclude: Sequence[str | None] = (),
    layer: str | None = None,
) -> Split:
    """Split cells for cross-validation, at random or by what a model has never seen.

    Over all folds every cell (by batch and cell type: every one that is not excluded) is tested
    exactly once; by cluster, every cell of the ``n_folds`` largest clusters.

    Parameters
    ----------
    data
        A MuData or AnnData. Rows of the split are rows of this object.
    by
        What to hold out:

        * ``"cell"``: random cells; five folds give 64 % training, 16 % validation and 20 % test
          cells, as in scButterfly
        * ``"batch"``: whole batches, as many for validation as for testing, or, if only one is
          left to train, a fifth of its cells
        * ``"cell_type"``: whole cell types; three folds test a third of the types and train on
          half of them, as in scButterfly, and the others validate. Types, as batches, are dealt
          out by size, so that the folds hold similar numbers of cells
        * ``"cluster"``: whole Leiden clusters of the RNA (resolution 1.5), as in BABEL. Of the
          ``n_folds`` largest clusters one validates and the next tests (in fold 0 the largest
          and the second largest), all other cells train
    n_folds
        Number of folds: by default 5 by cell and by cluster, 3 by cell type, and as many as
        there are batches.
    fold
        Which fold to test, counted from 0.
    seed
        Seed of which cells, batches or types go into which fold, and of the clustering.
    key
        Column of ``obs``: ``"batch"`` or ``"cell_type"`` by default. A MuData's modalities are
        searched too (``"rna:cell_type"`` names one). By cluster: clusters of your own.
    validation_fraction
        Share of the cells, batches or types outside the test fold that validate, at least one
        of them; 0 for none. By default as said above.
    validation_by
        What validates: ``"same"`` as tests, whole batches, types or clusters as in the papers,
        or ``"cell"``, random cells (a fifth by default) of all that are not tested, so that all
        of their batches, types or clusters train. A model that must translate new batches or
        types has learned from more of them then, and is better at it; what it says of itself
        (``trust_summary()``) is judged by known ones.
    exclude
        Labels whose cells stand in no part, such as ``["Mis"]``; ``None`` among them stands for
        cells without a label.
    layer
        By cluster: the layer that holds the RNA counts; ``X`` by default.

    Returns
    -------
    Split
        Row numbers ``train``, ``validation`` and ``test``.

    Raises
    ------
    ValueError
        If there is no such way, fold or column, if labels are missing, or if there are too few
        cells, batches, types or clusters.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=100, n_genes=20, n_peaks=30)
    >>> xm.pp.split(mdata, by="cell", n_folds=5, fold=0, seed=0)
    Split(train=64, validation=16, test=20)
    """
    check_arguments(locals())
    _check_choices(by, key, validation_fraction, validation_by, exclude)
    if layer is not None and (by != "cluster" or key is not None):
        raise ValueError(
            f"layer={layer!r} says nothing here: counts are read to cluster cells only, "
            "by='cluster' without key."
        )
    if validation_by == "cell" and by != "cell":
        own = split(
            data,
            by=by,
            n_folds=n_folds,
            fold=fold,
            seed=seed,
            key=key,
            exclude=exclude,
            layer=layer,
        )
        return with_drawn_validation(own, validation_fraction, np.random.default_rng(seed))
    defaults = _DEFAULTS[by]
    n_folds = defaults.n_folds if n_folds is None else n_folds
    folds: dict[str, Any] = {"n_folds": n_folds, "fold": fold}
    if validation_fraction is None:
        validation_fraction = defaults.validation_fraction
    if by == "cluster":
        labels = (
            _clusters(data, layer, seed)
            if key is None
            else cell_labels(data, key, exclude=exclude)
        )
        return by_cluster(labels, **folds)
    how = {
        **folds,
        "validation_fraction": validation_fraction,
        "rng": np.random.default_rng(seed),
    }
    if by == "cell":
        return by_cell(data.n_obs, **how)
    labels = cell_labels(data, by if key is None else key, exclude=exclude)
    return by_group(labels, **how)


def _check_choices(
    by: str,
    key: str | None,
    validation_fraction: float | None,
    validation_by: str,
    exclude: Sequence[str | None],
) -> None:
    if by not in get_args(By):
        raise ValueError(f"by={by!r}; known are {list(get_args(By))}.")
    if validation_by not in get_args(ValidationBy):
        raise ValueError(
            f"validation_by={validation_by!r}; known are {list(get_args(ValidationBy))}."
        )
    if isinstance(exclude, str):
        raise ValueError(f"exclude={exclude!r} is one text; give a list: exclude=[{exclude!r}].")
    if by == "cell" and (key is not None or exclude):
        raise ValueError("key and exclude say nothing by='cell'; take by='batch' or 'cell_type'.")
    if by == "cluster" and validation_fraction is not None and validation_by == "same":
        raise ValueError(
            "validation_fraction says nothing by='cluster': a cluster validates. For random "
            "cells, validation_by='cell'."
        )
    if by == "cluster" and key is None and exclude:
        raise ValueError("exclude needs the column of your own clusters: give key=.")
    if validation_fraction is not None and not 0 <= validation_fraction < 1:
        raise ValueError(
            f"validation_fraction={validation_fraction}; it must be at least 0 and below 1."
        )


def _clusters(data: AnnData | MuData, layer: str | None, seed: int) -> pd.Series:
    """Return Leiden clusters by rows of the data."""
    key, rna = pick_kind(data, "rna")
    matrix = counts_of(rna, layer, name=key or "adata")
    check_counts(matrix, name=key or "adata")
    rows = np.arange(data.n_obs)
    if isinstance(data, MuData):
        rows = np.ravel(data.obsmap[key]).astype(np.int64) - 1
        if (rows < 0).any():
            raise ValueError(
                f"{int((rows < 0).sum())} cells were not measured in {key!r}: by='cluster' needs "
                "the RNA of all cells. Subset the data with muon.pp.intersect_obs(mdata)."
            )
    labels = rna_clusters(take_rows(matrix, np.arange(rna.n_obs)), seed=seed)
    return pd.Series(labels[rows])
