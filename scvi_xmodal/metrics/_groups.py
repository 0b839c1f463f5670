"""Groups of cells: labels, and what the cells of a group have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scvi_xmodal._texts import label_texts

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def group_labels(adata: AnnData, groupby: str, *, name: str) -> pd.Series:
    """Return the label of each cell as categories of strings; only those that cells have.

    Parameters
    ----------
    adata
        Cells.
    groupby
        Column of ``obs``.
    name
        How messages call the cells.

    Raises
    ------
    ValueError
        If there is no such column, or no cell has a label.
    """
    if not hasattr(adata, "obs") or groupby not in adata.obs:
        columns = list(getattr(adata, "obs", ()))
        raise ValueError(f"{groupby!r} is no column of {name}.obs, which has {columns}.")
    labels = adata.obs[groupby]
    if labels.isna().all():
        raise ValueError(f"No cell of {name} has a label in obs[{groupby!r}].")
    texts = label_texts(labels)
    if not isinstance(labels.dtype, pd.CategoricalDtype):
        return texts.astype("category")
    used = labels.cat.remove_unused_categories().cat.categories
    order = pd.CategoricalDtype(label_texts(used.to_series()).unique())
    return texts.astype(order)


def group_means(matrix: Any, labels: pd.Series) -> NDArray[np.float64]:
    """Return the mean profile of each group, of shape (n_groups, n_features).

    Parameters
    ----------
    matrix
        Values of shape (n_cells, n_features), dense or sparse; not copied.
    labels
        Categories of the cells; cells without one are left out.
    """
    codes = labels.cat.codes.to_numpy()
    rows = np.flatnonzero(codes >= 0)
    n_groups = len(labels.cat.categories)
    sizes = np.bincount(codes[rows], minlength=n_groups)
    weights = 1.0 / sizes[codes[rows]]
    average = sparse.csr_matrix((weights, (codes[rows], rows)), shape=(n_groups, codes.size))
    means = average @ matrix
    return means.toarray() if sparse.issparse(means) else np.asarray(means, dtype=np.float64)
