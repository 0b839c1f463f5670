"""Mean profiles of translated cells against those of measured ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal.pl._axes import panels
from scvi_xmodal.pl._colors import OKABE_ITO

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from scvi_xmodal.tl import PseudobulkConcordance

_SIZE = (2.9, 2.9)
_COLUMNS = 4
_LABEL: dict[str, Any] = {
    "textcoords": "offset points",
    "xytext": (3, 3),
    "fontsize": "x-small",
}


def pseudobulk(
    concordance: PseudobulkConcordance,
    *,
    groups: str | Sequence[str] | None = None,
    label: str | Sequence[str] = (),
    axes: Any = None,
) -> NDArray[Any]:
    """Draw mean profiles of translated cells against measured ones, a panel for each group.

    Parameters
    ----------
    concordance
        What :func:`scvi_xmodal.tl.pseudobulk_concordance` returned.
    groups
        Rows of its table to draw; by default all.
    label
        Features to name, such as marker genes.
    axes
        Axes to draw into, one for each panel; by default those of a new figure.

    Returns
    -------
    Array of Axes of shape (n_groups,).

    Raises
    ------
    ValueError
        If a group or feature is unknown, or the number of axes is another.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=120, n_genes=40, n_peaks=60)
    >>> ridge = xm.baselines.Ridge(n_components=8).fit(mdata, indices=range(80))
    >>> rna = ridge.translate(mdata["atac"][80:], source="atac", target="rna")
    >>> axes = xm.pl.pseudobulk(xm.tl.pseudobulk_concordance(rna, mdata["rna"][:80]))
    >>> axes[0].get_title()
    'all cells'
    """
    if not hasattr(concordance, "profiles"):
        raise ValueError(
            f"concordance must be what tl.pseudobulk_concordance returned, got {concordance!r}."
        )
    table = concordance.table
    groups = list(table.index) if groups is None else _listed(groups)
    unknown = [group for group in groups if group not in table.index]
    if unknown:
        raise ValueError(f"groups names {unknown[0]!r}; there are {list(table.index)}.")
    features = concordance.profiles.index.unique("feature")
    label = _listed(label)
    absent = [feature for feature in label if feature not in features]
    if absent:
        raise ValueError(f"label names {absent[0]!r}, which is none of the features compared.")
    places = [divmod(number, _COLUMNS) for number in range(len(groups))]
    axes = panels(axes, places, size=_SIZE)
    for ax, group in zip(axes, groups, strict=True):
        _draw(ax, concordance.profiles.loc[group], table.loc[group, "pearson"], label)
        ax.set_title(group)
    return axes


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _draw(ax: Axes, profile: pd.DataFrame, pearson: float, label: Sequence[str]) -> None:
    x, y = profile["reference"], profile["predicted"]
    size = float(np.clip(8000 / max(len(profile), 1), 1.5, 16.0))
    alpha = float(np.clip(6000 / max(len(profile), 1), 0.06, 0.6))
    ends = [min(x.min(), y.min()), max(x.max(), y.max())]
    ax.plot(ends, ends, color="0.6", linewidth=1, zorder=0)
    ax.scatter(x, y, s=size, color=OKABE_ITO[0], alpha=alpha, linewidths=0, rasterized=True)
    for feature in label:
        point = x[feature], y[feature]
        ax.scatter(*point, s=18, color=OKABE_ITO[3], linewidths=0, zorder=3)
        ax.annotate(feature, point, color=OKABE_ITO[3], zorder=4, **_LABEL)
    ax.text(0.04, 0.96, f"r = {pearson:.2f}", transform=ax.transAxes, va="top")
    ax.set_xlabel("mean, measured")
    ax.set_ylabel("mean, predicted")
    ax.spines[["top", "right"]].set_visible(False)
