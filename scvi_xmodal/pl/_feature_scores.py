"""How scores are spread over genes, peaks or proteins, baselines beside the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.pl._axes import panels
from scvi_xmodal.pl._colors import label_colors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_SIZE = (5.4, 3.0)
_NOTHING = {"pearson": 0.0, "spearman": 0.0, "auroc": 0.5}
_LEADING = ("pearson", "auroc")


def feature_scores(
    table: pd.DataFrame,
    *,
    scores: str | Sequence[str] | None = None,
    bins: int = 40,
    axes: Any = None,
) -> NDArray[Any]:
    """Draw how a score is spread over the features, one curve for each prediction.

    A translation may owe its mean to a few features. Curves count features; a dashed line marks
    the score of knowing nothing of the cell, where bars may be cut; the legend gives each median.

    Parameters
    ----------
    table
        What :func:`~scvi_xmodal.metrics.evaluate_features` returned for one or several
        predictions, such as a model and its baselines.
    scores
        Columns to draw, a panel each; by default ``"pearson"`` (RNA, protein) or ``"auroc"``
        (ATAC).
    bins
        Number of bins.
    axes
        Axes to draw into, one for each score; by default those of a new figure.

    Returns
    -------
    Array of Axes of shape (n_scores,).

    Raises
    ------
    ValueError
        If a score is no column, or no feature has it.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=90, n_genes=30, n_peaks=40)
    >>> named = {"Ridge": xm.baselines.Ridge(n_components=8), "Mean": xm.baselines.Mean()}
    >>> rna = {
    ...     name: model.fit(mdata, indices=range(60)).translate(
    ...         mdata["atac"][60:], source="atac", target="rna"
    ...     )
    ...     for name, model in named.items()
    ... }
    >>> axes = xm.pl.feature_scores(xm.metrics.evaluate_features(rna, mdata["rna"][60:]))
    >>> axes[0].get_xlabel()
    'pearson'
    """
    check_arguments(locals())
    wanted = _wanted(table, scores)
    parts = {"": table}
    if isinstance(table.index, pd.MultiIndex):
        parts = {str(name): part for name, part in table.groupby(level=0, sort=False)}
    axes = panels(axes, [(0, number) for number in range(len(wanted))], size=_SIZE)
    for ax, score in zip(axes, wanted, strict=True):
        _draw(ax, score, {name: part[score].dropna() for name, part in parts.items()}, bins)
    return axes


def _wanted(table: pd.DataFrame, scores: str | Sequence[str] | None) -> list[str]:
    if scores is None:
        scores = [name for name in _LEADING if name in table][:1]
    wanted = [scores] if isinstance(scores, str) else list(scores)
    if not wanted:
        raise ValueError(f"The table has none of {list(_LEADING)}: name its scores, scores=.")
    for score in wanted:
        if score not in table:
            raise ValueError(f"scores names {score!r}; the table has {list(table)}.")
        if table[score].isna().all():
            raise ValueError(f"No feature has a value of {score!r}.")
    return wanted


def _draw(ax: Axes, score: str, values: dict[str, pd.Series], bins: int) -> None:
    together = pd.concat(list(values.values()))
    edges = np.histogram_bin_edges(together, bins).tolist()
    colors = label_colors(list(values))
    for name, own in values.items():
        label = f"{name} (median {own.median():.2f})".strip()
        ax.hist(own, edges, histtype="stepfilled", color=colors[name], alpha=0.15, zorder=1)
        ax.hist(own, edges, histtype="step", color=colors[name], linewidth=1.6, label=label)
    if score in _NOTHING:
        ax.axvline(_NOTHING[score], color="0.4", linestyle="--", linewidth=1, zorder=0)
    ax.set_ylim(0, 1.05 * _height(values, edges, _NOTHING.get(score)))
    ax.set_xlabel(score.replace("_", " "))
    ax.set_ylabel("features")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _height(values: dict[str, pd.Series], edges: list[float], nothing: float | None) -> float:
    """Return the height of the highest bin but that of knowing nothing, where constants pile up.

    A baseline that gives all features one score would flatten every other curve; its bar is cut.
    """
    counts = np.array([np.histogram(own, edges)[0] for own in values.values()])
    if nothing is not None:
        middle = np.searchsorted(edges, nothing, side="right") - 1
        others = np.delete(counts, middle, axis=1) if 0 <= middle < counts.shape[1] else counts
        counts = others if others.any() else counts
    return float(max(counts.max(), 1))
