"""Measured values against predicted ones, where points would hide each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import sparse

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._blocks import thin_cells
from scvi_xmodal.metrics._comparison import compare
from scvi_xmodal.metrics._scores import column_means
from scvi_xmodal.pl._axes import panels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes
    from mudata import MuData
    from numpy.typing import NDArray

    Level = Literal["entries", "features", "cells"]

_SIZE = (3.6, 3.1)
_COLUMNS = 3
_UNITS = {"rna": "log1p expression", "atac": "open fraction", "protein": "centred log-ratio"}


def prediction_density(
    prediction: AnnData | Mapping[str, AnnData],
    truth: AnnData | MuData,
    *,
    level: Level | None = None,
    reference: AnnData | MuData | None = None,
    kind: str | None = None,
    layer: str | None = None,
    grid_size: int = 60,
    max_entries: int = 2_000_000,
    axes: Any = None,
) -> NDArray[Any]:
    """Draw measured against predicted values as a density, a panel for each prediction.

    Hexagons are coloured by how many values they hold, on a logarithmic scale; the diagonal is
    a perfect prediction, and r Pearson's correlation of what is drawn.

    Parameters
    ----------
    prediction, truth, reference, kind, layer
        As in :func:`~scvi_xmodal.metrics.evaluate_translation`.
    level
        What a point is: ``"entries"``, each feature in each cell, as the papers draw it;
        ``"features"``, means over cells; ``"cells"``, means over features. By default entries,
        and features for ATAC, whose measured entries are but 0 and 1.
    grid_size
        Number of hexagons across.
    max_entries
        Of more entries, every k-th cell is drawn.
    axes
        Axes to draw into, one for each prediction; by default those of a new figure.

    Returns
    -------
    Array of Axes of shape (n_predictions,).

    Raises
    ------
    ValueError
        If the level is unknown, or cells, features or counts do not match.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=90, n_genes=30, n_peaks=40)
    >>> ridge = xm.baselines.Ridge(n_components=8).fit(mdata, indices=range(60))
    >>> rna = ridge.translate(mdata["atac"][60:], source="atac", target="rna")
    >>> xm.pl.prediction_density(rna, mdata["rna"][60:])[0].get_xlabel()
    'measured log1p expression'
    """
    check_arguments(locals(), prediction=None)
    if level not in (None, "entries", "features", "cells"):
        raise ValueError(f"level={level!r} is unknown; it is 'entries', 'features' or 'cells'.")
    comparison = compare(prediction, truth, reference=reference, kind=kind, layer=layer)
    level = level or ("features" if comparison.kind == "atac" else "entries")
    drawn = {
        name: _points(comparison.truth.aligned_to(one), one.matrix, level, max_entries)
        for name, one in comparison.predictions.items()
    }
    places = [divmod(number, _COLUMNS) for number in range(len(drawn))]
    axes = panels(axes, places, size=_SIZE)
    for ax, (name, points) in zip(axes, drawn.items(), strict=True):
        _draw(ax, *points, grid_size)
        ax.set_title("" if name == "prediction" else name)
        unit = _UNITS[comparison.kind]
        ax.set(xlabel=f"measured {unit}", ylabel=f"predicted {unit}")
    return axes


def _points(
    truth: Any, prediction: Any, level: Level, max_entries: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    if level == "features":
        return column_means(truth), column_means(prediction)
    if level == "cells":
        return column_means(truth.T), column_means(prediction.T)
    thinned = thin_cells(truth, prediction, max_entries)
    x, y = (m.toarray() if sparse.issparse(m) else np.asarray(m) for m in thinned)
    return x.ravel(), y.ravel()


def _draw(ax: Axes, x: NDArray[Any], y: NDArray[Any], grid_size: int) -> None:
    low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    high = high if high > low else low + 1.0
    hexagons = ax.hexbin(
        x,
        y,
        gridsize=grid_size,
        bins="log",
        mincnt=1,
        extent=(low, high, low, high),
        cmap="viridis",
        linewidths=0,
        rasterized=True,
    )
    ax.plot([low, high], [low, high], color="0.5", linewidth=1)
    ax.figure.colorbar(hexagons, ax=ax, label="values")
    varies = np.ptp(x) > 0 and np.ptp(y) > 0
    r = np.corrcoef(x, y)[0, 1] if varies else float("nan")
    ax.text(0.04, 0.96, f"r = {r:.2f}", transform=ax.transAxes, va="top")
    margin = 0.03 * (high - low)  # hexagons at the ends are drawn whole
    ax.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
    ax.spines[["top", "right"]].set_visible(False)
