"""Measured and translated cells side by side."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import DATA, check_arguments
from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal.data import find_modalities
from scvi_xmodal.pl._axes import panels
from scvi_xmodal.pl._colors import MISSING, label_colors
from scvi_xmodal.pl._embedding import BASIS_NAMES, embed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from mudata import MuData
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.pl._embedding import Basis

_SIZE = (4.4, 4.2)
_POINT_AREAS = (0.3, 18.0)
_COVERED = 0.12
_LEGEND_ROWS = 20
_NAMES = {"rna": "RNA", "atac": "ATAC"}


def translation_umap(
    measured: AnnData | MuData,
    translated: AnnData,
    *,
    color: str,
    basis: Basis = "umap",
    layer: str | None = None,
    axes: Any = None,
    palette: Mapping[Any, str] | None = None,
    legend: bool = True,
    seed: int = 0,
) -> NDArray[Any]:
    """Draw measured cells and translated cells as two UMAPs, or t-SNEs, with the same colours.

    Each side has an embedding of its own: positions cannot be compared, groups can. Measured
    counts are log-normalised (RNA) or turned into centred log-ratios (protein) and reduced by PCA,
    or weighted by TF-IDF and reduced by LSI (ATAC); translated values are reduced by PCA as they
    are. A side that has ``obsm["X_umap"]``, or ``obsm["X_tsne"]``, is drawn with it.

    Parameters
    ----------
    measured
        Raw counts of the target modality, or a MuData that holds it.
    translated
        What ``translate`` returned.
    color
        Column of ``obs`` with labels. Looked for on both sides; a side without it takes it from
        the other by cell name. Cells whose label is missing are grey.
    basis
        ``"umap"`` or ``"tsne"``, which both papers draw too.
    layer
        Layer of the measured modality that holds the counts; ``X`` by default.
    axes
        Two Axes to draw into; by default those of a new figure.
    palette
        Colour of each label; by default chosen to suit colour-blind readers.
    legend
        Whether to draw a legend beside the right panel.
    seed
        Seed of the embeddings.

    Returns
    -------
    Array of two Axes: measured, translated.

    Raises
    ------
    ValueError
        If a column, modality, layer or colour is missing, labels are numbers, measured values are
        no counts, or there are too few cells.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=40, n_genes=20, n_peaks=30)
    >>> mean = xm.baselines.Mean().fit(mdata)
    >>> rna = mean.translate(mdata["atac"], source="atac", target="rna")
    >>> axes = xm.pl.translation_umap(mdata, rna, color="cell_type")
    >>> [ax.get_title() for ax in axes]
    ['RNA measured', 'RNA translated from ATAC']
    """
    check_arguments(locals(), measured=DATA)
    record = _record(translated)
    kind: Kind = record["target_kind"]
    cells = _target_cells(measured, kind)
    sides = [
        _labels(measured, cells, translated, color),
        _labels(translated, translated, measured, color),
    ]
    colors = _colors(sides, palette, color)
    spots = [
        embed(cells, kind, basis=basis, layer=layer, name="measured", seed=seed),
        embed(translated, basis=basis, name="translated", seed=seed),
    ]
    titles = [
        f"{_shown(record['target'])} measured",
        f"{_shown(record['target'])} translated from {_shown(record['source'])}",
    ]
    drawn = panels(axes, ((0, 0), (0, 1)), size=_SIZE)
    for ax, xy, labels, title in zip(drawn, spots, sides, titles, strict=True):
        _scatter(ax, xy, labels, colors)
        called = BASIS_NAMES[basis]
        ax.set(title=title, xlabel=f"{called} 1", ylabel=f"{called} 2")
    if legend:
        handles = legend_handles(colors, missing=any(side.isna().any() for side in sides))
        shown = drawn[-1].legend(
            handles=handles,
            title=color,
            loc="center left",
            bbox_to_anchor=(1.02, 0.5),
            ncols=-(-len(handles) // _LEGEND_ROWS),
            frameon=False,
            fontsize="small",
        )
        if axes is None:
            _widen(shown)
    return drawn


def _widen(legend: Legend) -> None:
    """Make a figure wider by its legend, which the panels would make room for."""
    figure: Any = legend.figure
    figure.set_figwidth(figure.get_figwidth() + legend.get_window_extent().width / figure.dpi)


def legend_handles(colors: Mapping[Any, str], *, missing: bool) -> list[Line2D]:
    """Return a legend's entries: one for each label, and one for cells without."""
    from matplotlib.lines import Line2D

    entries = [(str(label), color) for label, color in colors.items()]
    if missing:
        entries.append(("no label", MISSING))
    return [
        Line2D([], [], linestyle="", marker="o", markeredgewidth=0, color=color, label=label)
        for label, color in entries
    ]


def _record(translated: AnnData) -> dict[str, Any]:
    if UNS_KEY not in translated.uns:
        raise ValueError(
            f"translated has no uns[{UNS_KEY!r}], which says what it is: give the AnnData that "
            "translate returned."
        )
    return translated.uns[UNS_KEY]


def _target_cells(measured: AnnData | MuData, kind: Kind) -> AnnData:
    """Return the measured modality that the translation predicts."""
    if not hasattr(measured, "mod"):
        return measured
    found = find_modalities(measured.mod)
    if kind not in found:
        raise ValueError(f"measured has no {kind} modality; it has {list(measured.mod)}.")
    return measured.mod[found[kind]]


def _labels(own: Any, cells: AnnData, other: Any, color: str) -> pd.Series:
    """Return the label of each cell of one side, if need be from the other side's same cells."""
    column = _column(own, cells, color)
    if column is None:
        column = _column(other, other, color)
        if column is None:
            raise ValueError(
                f"color={color!r} is no column of obs; there are {list(other.obs.columns)} and "
                f"{list(own.obs.columns)}."
            )
    return _by_name(column, cells.obs_names, color)


def _column(side: Any, cells: AnnData, color: str) -> pd.Series | None:
    """Return a column of one side's cells, or, of a MuData, of all its cells."""
    places = [side, cells, *getattr(side, "mod", {}).values()]
    column = next((place.obs[color] for place in places if color in place.obs), None)
    if column is not None and pd.api.types.is_float_dtype(column):
        raise ValueError(
            f"color={color!r} holds numbers; labels are needed. Group them, as with pd.cut."
        )
    return column


def _by_name(column: pd.Series, names: pd.Index, color: str) -> pd.Series:
    """Return a column of the cells drawn: a MuData, or the other side, has others between."""
    if column.index.equals(names):
        return column
    if not column.index.is_unique:
        twice = column.index[column.index.duplicated()][0]
        raise ValueError(
            f"color={color!r} is of other cells, which are matched by name, and {twice!r} appears "
            "twice: make the names unique, or put the column into obs of both sides."
        )
    # gaps would turn whole numbers into fractions
    kept = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype(object)
    return kept.reindex(names)


def _colors(
    sides: list[pd.Series], palette: Mapping[Any, str] | None, color: str
) -> dict[Any, str]:
    """Return one colour for each label that either side has."""
    order: dict[Any, None] = {}
    for side in sides:
        present = side.dropna().unique()
        if isinstance(side.dtype, pd.CategoricalDtype):
            present = [label for label in side.cat.categories if label in set(present)]
        else:
            present = sorted(present, key=_rank)
        order.update(dict.fromkeys(present))
    if palette is None:
        return label_colors(list(order))
    lacking = [label for label in order if label not in palette]
    if lacking:
        raise ValueError(f"palette has no colour for {lacking[:3]} of obs[{color!r}].")
    return {label: palette[label] for label in order}


def _rank(label: Any) -> tuple[bool, Any]:
    """Return what labels are sorted by: numbers by size, others after them as text."""
    return (False, label) if isinstance(label, Real) else (True, str(label))


def _scatter(
    ax: Axes, xy: NDArray[np.float32], labels: pd.Series, colors: Mapping[Any, str]
) -> None:
    """Draw all cells in one layer, shuffled, so that no label hides another."""
    own = labels.astype(object).map(dict(colors)).fillna(MISSING).to_numpy(dtype=str)
    order = np.random.default_rng(0).permutation(len(own))
    # cells without a label lie beneath
    order = order[np.argsort(own[order] != MISSING, kind="stable")]
    ax.scatter(
        xy[order, 0],
        xy[order, 1],
        c=own[order],
        s=point_area(ax, len(own)),
        linewidths=0,
        rasterized=True,
    )
    ax.set(xticks=[], yticks=[])
    ax.spines[["top", "right"]].set_visible(False)


def point_area(ax: Axes, n_cells: int) -> float:
    """Return the area of a point in square points: all cells together cover a fixed share."""
    per_pixel = 72 / ax.figure.dpi
    area = ax.bbox.width * ax.bbox.height * per_pixel**2
    return float(np.clip(_COVERED * area / max(n_cells, 1), *_POINT_AREAS))


def _shown(key: str) -> str:
    """Return how titles call a modality, or several of which one was translated."""
    return "+".join(_NAMES.get(part, part) for part in key.split("+"))
