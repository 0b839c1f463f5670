"""Which features set groups of cells apart: scanpy's tests, as one table."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scvi_xmodal.metrics._groups import group_labels, group_means
from scvi_xmodal.metrics._inputs import read_prediction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    Method = Literal["wilcoxon", "t-test"]

_FEWEST_CELLS = 2
_METHODS = ("wilcoxon", "t-test")


def rank_features(
    adata: AnnData,
    groupby: str,
    *,
    feature: str,
    method: Method = "wilcoxon",
    one_sided: bool = False,
    correct_ties: bool = False,
) -> pd.DataFrame:
    """Compare each group of cells with all others, feature by feature.

    Parameters
    ----------
    adata
        Values to compare in ``X``; not changed.
    groupby
        Column of ``obs``; cells without a label are left out, groups of one cell are warned of.
    feature
        What the column of names is called.
    method
        scanpy's ``"wilcoxon"`` rank-sum test by its normal approximation, or ``"t-test"``
        (Welch).
    one_sided
        Whether p values ask for higher values only.
    correct_ties
        Whether the rank-sum test's variance is corrected for ties, as SciPy's is and scanpy's by
        default is not. Open peaks are little else than ties.

    Returns
    -------
    One row for each group and feature, by group and falling score, with the columns ``group``,
    the feature, ``score``, ``p_value``, ``adjusted_p_value`` (Benjamini-Hochberg over the
    features of a group), ``mean`` and ``mean_others``.

    Raises
    ------
    ValueError
        If there are not two groups, or no group of two cells.
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r} is unknown; it is one of {list(_METHODS)}.")
    if one_sided and method != "wilcoxon":
        raise ValueError("one_sided=True needs method='wilcoxon', whose scores are z values.")
    labels = group_labels(adata, groupby, name="prediction")
    labelled = labels.notna().to_numpy()
    values = read_prediction(adata, name="prediction").matrix
    values = values if labelled.all() else values[labelled]
    labels = labels[labelled]
    groups = _groups_to_rank(labels, groupby)
    means, others = _means(values, labels)
    found = _scanpy(values, labels, groups, method, correct_ties)
    table = pd.concat(found, keys=groups, names=["group"])
    table = table.reset_index("group").astype({"group": str}).reset_index(drop=True)
    if one_sided:
        table = _one_sided(table)
    code = labels.cat.categories.get_indexer(table["group"])
    column = table.pop("column").to_numpy()
    table.insert(1, feature, adata.var_names[column])
    return table.assign(mean=means[code, column], mean_others=others[code, column])


def best(table: pd.DataFrame, *, n: int | None, alpha: float) -> pd.DataFrame:
    """Return the first significant rows of each group that are higher there, ranked from 1.

    Parameters
    ----------
    table
        What :func:`rank_features` returned.
    n
        Largest number of each group; ``None`` for all.
    alpha
        Largest adjusted p value.
    """
    if n is not None and n < 1:
        raise ValueError(f"The number of markers is {n}: at least 1 is needed.")
    kept = table[(table["score"] > 0) & (table["adjusted_p_value"] <= alpha)]
    kept = kept.groupby("group", sort=False).head(len(kept) if n is None else n)
    rank = kept.groupby("group", sort=False).cumcount() + 1
    kept = kept.reset_index(drop=True)
    kept.insert(1, "rank", rank.to_numpy())
    return kept


def _groups_to_rank(labels: pd.Series, groupby: str) -> list[str]:
    sizes = labels.value_counts(sort=False)
    if len(sizes) < 2:
        raise ValueError(
            f"obs[{groupby!r}] has the group {sizes.index[0]!r} only: two are needed."
        )
    small = sizes.index[sizes < _FEWEST_CELLS]
    if len(small) == len(sizes):
        raise ValueError(f"No group of obs[{groupby!r}] has {_FEWEST_CELLS} cells.")
    if small.size:
        warnings.warn(
            f"{small.size} groups of obs[{groupby!r}] have one cell and get no markers: "
            f"{list(small[:5])}.",
            stacklevel=4,
        )
    return list(sizes.index[sizes >= _FEWEST_CELLS])


def _means(values: Any, labels: pd.Series) -> tuple[Any, Any]:
    """Return the means of each group and of all other cells, of shape (n_groups, n_features)."""
    means = group_means(values, labels)
    sizes = labels.value_counts(sort=False).to_numpy()[:, None]
    total = (means * sizes).sum(axis=0)
    return means, (total - means * sizes) / (sizes.sum() - sizes)


def _scanpy(
    values: Any, labels: pd.Series, groups: list[str], method: Method, correct_ties: bool
) -> list[pd.DataFrame]:
    """Return scores and p values of each group, highest score first, columns by number."""
    import scanpy as sc
    from anndata import AnnData

    # numbers for names: scanpy keeps them in a structured array, which refuses some strings
    codes = pd.Categorical(labels.cat.codes.astype(str))
    wanted = [str(labels.cat.categories.get_loc(group)) for group in groups]
    cells = AnnData(
        values,
        obs=pd.DataFrame({"group": codes}, index=labels.index.astype(str)),
        var=pd.DataFrame(index=np.arange(values.shape[1]).astype(str)),
    )
    with warnings.catch_warnings(), _silent(sc.settings):
        # fold changes, which are not used, are undefined for negative values
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(
            cells, "group", groups=wanted, method=method, tie_correct=correct_ties
        )
    found = cells.uns["rank_genes_groups"]
    return [
        pd.DataFrame(
            {
                "column": found["names"][code].astype(np.int64),
                "score": found["scores"][code].astype(np.float64),
                "p_value": found["pvals"][code],
                "adjusted_p_value": found["pvals_adj"][code],
            }
        )
        for code in wanted
    ]


@contextmanager
def _silent(settings: Any) -> Iterator[None]:
    """Keep scanpy from asking for logarithms of open peaks, which it takes for counts."""
    verbosity = settings.verbosity
    settings.verbosity = "error"
    try:
        yield
    finally:
        settings.verbosity = verbosity


def _one_sided(table: pd.DataFrame) -> pd.DataFrame:
    from scipy.stats import false_discovery_control, norm

    p_values = norm.sf(table["score"])
    adjusted = (
        pd.Series(p_values)
        .groupby(table["group"].to_numpy())
        .transform(lambda group: false_discovery_control(group))
    )
    return table.assign(p_value=p_values, adjusted_p_value=adjusted.to_numpy())
