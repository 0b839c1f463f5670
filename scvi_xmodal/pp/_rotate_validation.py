"""Splits that take turns in which cells validate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scvi_xmodal._arguments import SPLIT, check_arguments
from scvi_xmodal.data._split import Split
from scvi_xmodal.pp._folds import deal
from scvi_xmodal.pp._labels import cell_labels

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

By = Literal["cell", "batch", "cell_type"]
_FEWEST = 2
_BY_CELL = 5
_TYPES = 4
"""A quarter of the types validates, as in ``split(by="cell_type")``."""


def rotate_validation(
    data: AnnData | MuData,
    split: Split,
    *,
    by: By = "cell",
    n_rotations: int | None = None,
    seed: int = 0,
    key: str | None = None,
) -> list[Split]:
    """Let the training and validation cells of a split take turns in validating.

    A network must leave out cells to stop by, which it then cannot learn from; regression need
    not. Train one model on each of these splits and take their mean with
    :func:`scvi_xmodal.tl.translate_ensemble`: every cell trains all models but one, and still
    no model is judged by cells that it has learned from.

    Parameters
    ----------
    data
        The object that the split was made from.
    split
        Its training and validation cells are dealt anew; its test cells stay.
    by
        What takes turns: random cells (``"cell"``), whole batches (``"batch"``) or whole cell
        types (``"cell_type"``), dealt out by size as :func:`split` does. Random cells were as
        good or better on new types too (docs/validating.md).
    n_rotations
        Number of splits: by default 5 by cell, 4 by cell type or as many as there are types, and
        by batch as many as there are batches. Where one batch or type is all there is, its cells
        take turns.
    seed
        Seed of which cells, batches or types validate together.
    key
        Column of ``obs``, ``"batch"`` or ``"cell_type"`` by default, as in :func:`split`.

    Returns
    -------
    Splits with the same test cells. Over all of them every other cell validates exactly once.

    Raises
    ------
    ValueError
        If there are fewer cells, batches or types than rotations, if there is no such column, or
        cells lack a label.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=100, n_genes=20, n_peaks=30, atac_density=0.3)
    >>> split = xm.pp.split(mdata)
    >>> split
    Split(train=64, validation=16, test=20)
    >>> xm.pp.rotate_validation(mdata, split, n_rotations=2)
    [Split(train=40, validation=40, test=20), Split(train=40, validation=40, test=20)]

    Models for an ensemble:

    >>> xm.model.Butterfly.setup_mudata(mdata)
    >>> models = []
    >>> for rotation in xm.pp.rotate_validation(mdata, split, n_rotations=2):
    ...     models.append(xm.model.Butterfly(mdata, n_latent=4))
    ...     models[-1].train(1, pretrain_epochs=1, split=rotation, enable_progress_bar=False)
    >>> rna = mdata["rna"][split.test]
    >>> xm.tl.translate_ensemble(models, rna, source="rna", target="atac").shape
    (20, 30)
    """
    check_arguments(locals(), split=SPLIT)
    if by not in get_args(By):
        raise ValueError(f"by={by!r}; known are {list(get_args(By))}.")
    if by == "cell" and key is not None:
        raise ValueError(f"key={key!r} says nothing by='cell'; take by='batch' or 'cell_type'.")
    if n_rotations is not None and n_rotations < _FEWEST:
        raise ValueError(f"n_rotations={n_rotations}; it takes {_FEWEST} or more to take turns.")
    split.check_range(data.n_obs)
    cells = np.concatenate([split.train, split.validation])
    labels = None if by == "cell" else _labels(data, cells, by if key is None else key)
    rng = np.random.default_rng(seed)
    if labels is None or labels.nunique() <= 1:
        turns = _of_cells(cells, n_rotations, rng)
    else:
        turns = _of_groups(labels, n_rotations, rng, most=_TYPES if by == "cell_type" else None)
    return [Split(np.setdiff1d(cells, turn), turn, split.test) for turn in turns]


def _labels(data: AnnData | MuData, cells: NDArray, key: str) -> pd.Series:
    """Return the label of each cell, by its row."""
    labels = cell_labels(data, key, exclude=[None]).loc[cells]
    if missing := int(labels.isna().sum()):
        raise ValueError(
            f"{missing} of the split's {cells.size} training and validation cells have no label "
            f"in obs[{key!r}]. Make the split with exclude=[None], or rotate by='cell'."
        )
    return labels


def _of_cells(cells: NDArray, n: int | None, rng: np.random.Generator) -> list[NDArray]:
    n = _BY_CELL if n is None else n
    if cells.size < n:
        raise ValueError(
            f"{cells.size} training and validation cells cannot take n_rotations={n} turns."
        )
    return np.array_split(rng.permutation(cells), n)


def _of_groups(
    labels: pd.Series, n: int | None, rng: np.random.Generator, *, most: int | None
) -> list[NDArray]:
    sizes = labels.value_counts().sort_index()  # the order of cells must not matter
    if n is None:
        n = sizes.size if most is None else min(sizes.size, most)
    if sizes.size < n:
        raise ValueError(
            f"{sizes.size} different labels, such as {list(sizes.index[:5])}, train and validate, "
            f"too few for n_rotations={n}."
        )
    return [labels.index[labels.isin(part)].to_numpy() for part in deal(sizes, n, rng)]
