"""Labels given against true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._annotation import matched_labels
from scvi_xmodal.pl._axes import panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

_CELL = 0.32
_MARGIN = 2.0
_LETTER = 0.09
_SHORT = 10
_MOST_TEXT = 16


def confusion(
    truth: ArrayLike,
    annotated: ArrayLike,
    *,
    normalize: bool = True,
    unsure: str = "unsure",
    ax: Any = None,
) -> Axes:
    """Draw how often each true label was given each label.

    Parameters
    ----------
    truth
        True labels of shape (n_cells,); cells without one are left out. Two Series are matched
        by index.
    annotated
        Labels given, such as ``tl.annotate(...)["label"]``; missing ones count as unsure.
    normalize
        Whether to draw fractions of each true label's cells, or numbers of cells.
    unsure
        Label of the cells that were given none; the last column.
    ax
        Axes to draw into; by default that of a new figure.

    Returns
    -------
    The Axes: true labels are rows, labels given are columns.

    Raises
    ------
    ValueError
        If the numbers of cells differ, no cell has a true label, or one's is ``unsure``.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> ax = xm.pl.confusion(["B", "B", "T"], ["B", "T", "T"])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['B', 'T']
    """
    check_arguments(locals(), truth=None, prediction=None)
    true, given = matched_labels(truth, annotated, unsure=unsure)
    table = pd.crosstab(true, given)
    rows = sorted(table.index)
    columns = [*rows, *sorted(set(table.columns) - {*rows, unsure})]
    columns += [unsure] if unsure in table.columns else []
    table = table.reindex(index=rows, columns=columns, fill_value=0)
    sizes = table.sum(axis=1)
    shown = table.div(sizes, axis=0) if normalize else table
    size = (_margin(rows) + _CELL * len(columns), _margin(columns) + _CELL * len(rows))
    ax = panels(ax, [(0, 0)], size=size)[0]
    image = ax.imshow(shown.to_numpy(float), cmap="viridis", vmin=0, vmax=1 if normalize else None)
    ax.set_xticks(range(len(columns)), columns, rotation=90)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="label given", ylabel="true label")
    ax.figure.colorbar(
        image, ax=ax, label="fraction of cells" if normalize else "cells", shrink=0.8
    )
    if len(columns) <= _MOST_TEXT:
        _write(ax, shown, normalize=normalize)
    return ax


def _margin(labels: Sequence[str]) -> float:
    """Return inches for axis labels, the colour bar and names, however long they are."""
    longest = max(len(str(label)) for label in labels)
    return _MARGIN + _LETTER * max(longest - _SHORT, 0)


def _write(ax: Axes, shown: pd.DataFrame, *, normalize: bool) -> None:
    """Write values that are not 0, dark on light fields and light on dark ones."""
    values = shown.to_numpy(float)
    top = 1.0 if normalize else values.max()
    for row, column in zip(*values.nonzero(), strict=True):
        value = values[row, column]
        text = f"{value:.2f}".lstrip("0") if normalize else f"{value:.0f}"
        color = "black" if value > 0.6 * top else "white"
        ax.text(column, row, text, ha="center", va="center", color=color, fontsize="x-small")
