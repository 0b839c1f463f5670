"""Predicted probabilities against what is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.pl._axes import panels
from scvi_xmodal.pl._colors import label_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from scvi_xmodal.metrics import Calibration

_SIZE = (3.6, 3.4)
_MARKERS = "osD^vP*X"


def calibration(
    curves: Calibration | Mapping[str, Calibration], *, log: bool = True, ax: Any = None
) -> Axes:
    """Draw predicted probabilities against the fractions of entries that are open.

    On the diagonal probabilities mean what they say; below it the model promises too much.

    Parameters
    ----------
    curves
        What :func:`scvi_xmodal.metrics.calibration` returned, or several by name.
    log
        Whether to use logarithmic axes: most probabilities are near 0. Bins of which nothing is
        open are then not drawn.
    ax
        Axes to draw into; by default that of a new figure.

    Returns
    -------
    The Axes. The legend gives each ratio of mean probability to open fraction.

    Raises
    ------
    ValueError
        If there is no curve, or on logarithmic axes nothing to draw.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> found = xm.metrics.calibration([[0, 1, 0, 1]], [[0.1, 0.1, 0.7, 0.7]], n_bins=2)
    >>> xm.pl.calibration(found, log=False).get_xlabel()
    'mean predicted probability'
    """
    check_arguments(locals())
    named = dict(curves) if isinstance(curves, Mapping) else {"": curves}
    for name, curve in named.items():
        if not hasattr(curve, "n_entries"):
            raise ValueError(
                f"curves {name!r} must be what metrics.calibration returned, got {curve!r}."
            )
    if not any((curve.n_entries > 0).any() for curve in named.values()):
        raise ValueError("There is no curve to draw: no entries were compared.")
    points = {name: _points(curve, log) for name, curve in named.items()}
    drawn = np.concatenate([np.concatenate(pair) for pair in points.values()])
    if not drawn.size:
        raise ValueError("No bin has an open entry: give log=False to draw them at 0.")
    ax = panels(ax, [(0, 0)], size=_SIZE)[0]
    ends = [drawn.min() * 0.8 if log else 0.0, min(drawn.max() * 1.1, 1.0)]
    ax.plot(ends, ends, color="0.6", linewidth=1, zorder=0)
    for number, (name, color) in enumerate(label_colors(list(named)).items()):
        marker = _MARKERS[number % len(_MARKERS)]
        label = f"{name} (ratio {named[name].ratio:.2f})".strip()
        ax.plot(*points[name], color=color, marker=marker, markersize=4, label=label)
    if log:
        ax.set(xscale="log", yscale="log")
    ax.set(xlabel="mean predicted probability", ylabel="fraction open")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize="small")
    return ax


def _points(curve: Calibration, log: bool) -> tuple[Any, Any]:
    kept = (curve.open_fraction > 0) & (curve.mean_predicted > 0) if log else curve.n_entries > 0
    return curve.mean_predicted[kept], curve.open_fraction[kept]
