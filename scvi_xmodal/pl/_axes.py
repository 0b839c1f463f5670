"""Axes in and axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def panels(
    axes: Any, places: Sequence[tuple[int, int]], *, size: tuple[float, float]
) -> NDArray[Any]:
    """Return axes to draw into: those given, or those of a new figure.

    Parameters
    ----------
    axes
        One Axes, or an array or sequence with one for each panel; ``None`` for new ones.
    places
        Row and column of each panel in a new figure.
    size
        Width and height of a panel of a new figure in inches.

    Returns
    -------
    Array of Axes of shape (n_panels,).

    Raises
    ------
    ValueError
        If there is no panel, or the number of given axes is another.
    """
    if not places:
        raise ValueError("There is nothing to draw: an empty list names no panel.")
    if axes is None:
        return _new(places, size)
    given = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
    if given.size != len(places):
        raise ValueError(f"{given.size} axes were given for {len(places)} panels.")
    return given


def _new(places: Sequence[tuple[int, int]], size: tuple[float, float]) -> NDArray[Any]:
    import matplotlib.pyplot as plt

    n_rows, n_columns = (1 + max(numbers) for numbers in zip(*places, strict=True))
    figure = plt.figure(figsize=(n_columns * size[0], n_rows * size[1]), layout="constrained")
    grid = figure.add_gridspec(n_rows, n_columns)
    axes = np.empty(len(places), dtype=object)
    axes[:] = [figure.add_subplot(grid[place]) for place in places]
    return axes
