"""Peaks that tell a group of cells from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import WHOLE, check_arguments
from scvi_xmodal.metrics._groups import group_labels
from scvi_xmodal.metrics._inputs import read_prediction
from scvi_xmodal.tl._markers import refuse_other_kind
from scvi_xmodal.tl._nearest_genes import nearest_genes

if TYPE_CHECKING:
    from anndata import AnnData
    from numpy.typing import NDArray


def marker_peaks(
    prediction: AnnData,
    groupby: str,
    *,
    n_peaks: int = 10,
    genes: pd.DataFrame | None = None,
    max_distance: int = 10_000,
    penalty: float = 1.0,
    max_iter: int = 1000,
) -> pd.DataFrame:
    r"""Find the peaks by which a logistic regression knows each group.

    BABEL's rule (Wu et al. 2021, "Unpaired PBMC analysis"): for each group one model of "in the
    group" against "not in it",

    .. math:: P(i \in g) = \frac{1}{1 + e^{-(w_g \cdot x_i + b_g)}}

    fitted with the penalty :math:`\frac{1}{2}|w_g|^2`; the ten peaks with the largest weights,
    each with the nearest gene within 10,000 bp.

    Parameters
    ----------
    prediction
        Translated accessibility of shape (n_cells, n_peaks), dense, or sparse after
        :func:`binarize`; not changed.
    groupby
        Column of ``obs``, such as cell types or clusters; cells without a label are left out.
    n_peaks
        Number of peaks of each group. Only peaks of positive weight are named.
    genes
        Where genes lie, such as :func:`~scvi_xmodal.datasets.gene_table`; without it no genes
        are named.
    max_distance
        Farthest gene to name, in bp.
    penalty
        Factor of the penalty.
    max_iter
        Largest number of steps of the optimiser.

    Returns
    -------
    One row for each group and peak, best first: ``group``, ``rank`` from 1, ``peak``,
    ``weight``, ``mean``, ``mean_others``, and with ``genes`` ``gene`` and ``distance``.

    Raises
    ------
    ValueError
        If there are not two groups, values, coordinates or genes are missing, or the prediction
        is of RNA or proteins.

    Notes
    -----
    Time grows with groups x cells x peaks: 2,000 cells, 5,606 peaks and 15 groups take a few
    seconds. Weights of peaks that go together are shared among them, so a strong marker may
    rank behind a lone weaker one; :func:`differential_peaks` tests each peak by itself.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=90, n_genes=30, n_peaks=40, n_cell_types=2)
    >>> ridge = xm.baselines.Ridge(n_components=5).fit(mdata)
    >>> atac = ridge.translate(mdata["rna"], source="rna", target="atac")
    >>> table = xm.tl.marker_peaks(atac, "cell_type", n_peaks=3)
    >>> table["rank"].tolist()
    [1, 2, 3, 1, 2, 3]
    """
    check_arguments(locals(), n_peaks=WHOLE)
    if n_peaks < 1 or not penalty > 0:
        raise ValueError(f"n_peaks={n_peaks} and penalty={penalty} must be above 0.")
    refuse_other_kind(prediction, "atac")
    values = read_prediction(prediction, name="prediction").matrix
    labels = group_labels(prediction, groupby, name="prediction")
    known = labels.notna().to_numpy()
    if not known.all():
        values, labels = values[known], labels[known]
    groups = labels.cat.categories
    if len(groups) < 2:
        raise ValueError(f"obs[{groupby!r}] has the group {groups[0]!r} only: two are needed.")
    near = (
        None if genes is None else nearest_genes(prediction.var, genes, max_distance=max_distance)
    )
    tables = []
    for group in groups:
        is_member = (labels == group).to_numpy()
        weights = _weights(values, is_member, penalty, max_iter)
        tables.append(_top(values, is_member, weights, n_peaks))
    table = pd.concat(tables, keys=list(groups), names=["group"]).reset_index("group")
    column = table.pop("column").to_numpy()
    table.insert(2, "peak", prediction.var_names[column])
    if near is not None:
        table = table.assign(**{name: near[name].array[column] for name in near})
    return table.reset_index(drop=True)


def _weights(
    values: Any, is_member: NDArray[np.bool_], penalty: float, max_iter: int
) -> NDArray[np.float64]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / penalty, max_iter=max_iter)
    return model.fit(values, is_member).coef_[0]


def _top(
    values: Any, is_member: NDArray[np.bool_], weights: NDArray[np.float64], n_peaks: int
) -> pd.DataFrame:
    """Return the columns of the largest positive weights, with their means."""
    order = np.argsort(-weights, kind="stable")[:n_peaks]
    order = order[weights[order] > 0]
    inside, outside = (
        np.asarray(values[rows][:, order].mean(axis=0, dtype=np.float64)).ravel()
        for rows in (is_member, ~is_member)
    )
    return pd.DataFrame(
        {
            "rank": np.arange(1, order.size + 1),
            "column": order,
            "weight": weights[order],
            "mean": inside,
            "mean_others": outside,
        }
    )
