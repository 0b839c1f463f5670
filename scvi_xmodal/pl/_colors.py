"""Colours that stay apart, for colour-blind readers too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._arguments import check_arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MISSING = "#CCCCCC"
"""Colour of cells without a label."""

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442")
"""Okabe and Ito, "Color universal design" (2008), without black, in the order of use here."""

_GRID = 14
_LIGHTNESS = (0.38, 0.88)
_LEAST_CHROMA = 0.06

# Ottosson, "A perceptual color space for image processing" (2020): linear RGB to OKLab.
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# Machado, Oliveira & Fernandes, IEEE TVCG 15 (2009), severity 1: protanopia, deuteranopia.
_SEEN = np.array(
    [
        np.eye(3),
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    ]
)


def label_colors(labels: Sequence[Any]) -> dict[Any, str]:
    r"""Give every label a colour; the first n colours do not depend on how many follow.

    Okabe and Ito's seven, then one after another the colour whose nearest neighbour is farthest
    away, where the distance of two colours is the smallest in OKLab over normal, protanope and
    deuteranope vision. White and the grey of missing labels count as taken.

    Parameters
    ----------
    labels
        Labels of shape (n_labels,), each once.

    Returns
    -------
    Hexadecimal colour of each label.

    Raises
    ------
    ValueError
        If there are more labels than colours, some hundreds.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> xm.pl.label_colors(["B", "T"])
    {'B': '#0072B2', 'T': '#E69F00'}
    """
    check_arguments(locals())
    colors = list(OKABE_ITO[: len(labels)])
    n_more = len(labels) - len(colors)
    if n_more:
        colors += _farthest(n_more)
    return dict(zip(labels, colors, strict=True))


def _farthest(n_colors: int) -> list[str]:
    """Return further colours, each as far as possible from all before."""
    candidates = _candidates()
    if n_colors > len(candidates):
        raise ValueError(
            f"There are {n_colors + len(OKABE_ITO)} labels and only "
            f"{len(candidates) + len(OKABE_ITO)} colours: use a coarser column of obs."
        )
    seen = _as_seen(candidates)
    taken = _as_seen(np.array([_to_rgb(c) for c in (*OKABE_ITO, MISSING, "#FFFFFF")]))
    nearest = np.min([_distances(seen, one) for one in taken], axis=0)
    colors = []
    for _ in range(n_colors):
        chosen = int(nearest.argmax())
        colors.append(_to_hex(candidates[chosen]))
        nearest = np.minimum(nearest, _distances(seen, seen[chosen]))
        nearest[chosen] = -1.0
    return colors


def _candidates() -> NDArray[np.float64]:
    """Return colours neither pale, dark nor grey, of shape (n_colors, 3)."""
    steps = np.linspace(0, 1, _GRID)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness, a, b = _as_seen(rgb)[:, 0].T
    readable = (lightness > _LIGHTNESS[0]) & (lightness < _LIGHTNESS[1])
    return rgb[readable & (np.hypot(a, b) > _LEAST_CHROMA)]


def _as_seen(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return OKLab as each kind of vision sees it, of shape (n_colors, n_visions, 3)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    simulated = np.clip(np.einsum("vij,nj->nvi", _SEEN, linear), 0, 1)
    return np.cbrt(simulated @ _TO_CONES.T) @ _TO_OKLAB.T


def _distances(seen: NDArray[np.float64], one: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linalg.norm(seen - one, axis=-1).min(axis=1)


def _to_rgb(color: str) -> list[float]:
    return [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]


def _to_hex(rgb: NDArray[np.float64]) -> str:
    return "#" + "".join(f"{round(255 * float(value)):02X}" for value in rgb)
