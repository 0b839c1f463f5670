"""Training curves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._arguments import MAPPING, check_arguments
from scvi_xmodal._constants import LAST_TRAINING
from scvi_xmodal.pl._axes import panels
from scvi_xmodal.pl._colors import OKABE_ITO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_WATCHED = "reconstruction_loss"
_PARTS = ("train", "validation")
_COLORS = dict(zip(_PARTS, OKABE_ITO, strict=False))
_MARK = OKABE_ITO[3]
_SIZE = (3.6, 2.9)


@dataclass(frozen=True, eq=False)
class _Panel:
    """One metric in one phase: its curves by part, the epoch that was kept, and since which."""

    phase: str
    metric: str
    curves: dict[str, pd.Series]
    best: Any
    start: int


def history(
    model_or_history: Any,
    *,
    metrics: str | Sequence[str] | None = None,
    axes: Any = None,
) -> NDArray[Any]:
    """Draw the curves of training and validation cells, one panel for each phase.

    A dotted line marks the epoch with the lowest validation reconstruction loss of each phase:
    the one whose weights are kept. Of a phase that was trained several times it is the best of
    the last training, whose weights took the place of all before.

    Parameters
    ----------
    model_or_history
        A trained model, or its ``history``.
    metrics
        Metrics to draw, each in the phases that have it: ``"reconstruction_loss"`` (the
        default), ``"rna_to_atac"``, ``"kl_local"``, ``"loss"``, ``"discriminator_loss"``, ...
    axes
        Axes to draw into, one for each panel; by default those of a new figure.

    Returns
    -------
    Array of Axes of shape (n_panels,), metric after metric and phase after phase; in a new figure
    one row a metric and one column a phase.

    Raises
    ------
    ValueError
        If the model is not trained or kept no history, a metric is unknown, or the number of axes
        is another.

    Examples
    --------
    >>> import pandas as pd
    >>> import scvi_xmodal as xm
    >>> curve = pd.DataFrame({"loss": [3.0, 2.0, 2.5]})
    >>> names = ("reconstruction_loss_train", "reconstruction_loss_validation")
    >>> axes = xm.pl.history({f"integrative_{name}": curve for name in names})
    >>> axes[0].get_title()
    'integrative'
    """
    given = getattr(model_or_history, "history", model_or_history)
    check_arguments({"history": given}, history=MAPPING.or_none())
    if not given and getattr(model_or_history, "is_trained_", False):
        raise ValueError(
            "This trained model has no history to draw: was it trained with logger=False? Train "
            "it without that."
        )
    found = _found(given)
    if metrics is None:
        metrics = (_WATCHED,)
    drawn = _panels(found, (metrics,) if isinstance(metrics, str) else metrics)
    rows = list(dict.fromkeys(panel.metric for panel in drawn))
    columns = list(dict.fromkeys(phase for phase, _, _ in found))
    places = [(rows.index(panel.metric), columns.index(panel.phase)) for panel in drawn]
    axes = panels(axes, places, size=_SIZE)
    for ax, panel in zip(axes, drawn, strict=True):
        _draw(ax, panel)
    axes[0].legend(frameon=False, fontsize="small")
    return axes


def _found(
    table: Mapping[str, pd.DataFrame | pd.Series] | None,
) -> dict[tuple[str, str, str], pd.Series]:
    """Return each curve by phase, metric and part, read from the names."""
    if not table:
        raise ValueError("There is no history to draw: train the model first.")
    # a phase is known by its reconstruction loss; a model of scvi-tools has one without a name
    ends = tuple(f"{_WATCHED}_{part}" for part in _PARTS)
    phases = [name.removesuffix(end) for name in table for end in ends if name.endswith(end)]
    found = {}
    for name, values in table.items():
        owners = [phase for phase in dict.fromkeys(phases) if name.startswith(phase)]
        if owners:
            phase = max(owners, key=len)
            metric, part = _metric_and_part(name.removeprefix(phase))
            curve = values.copy() if values.ndim == 1 else values.iloc[:, 0].copy()
            curve.attrs = dict(values.attrs)  # not all versions of pandas take them along
            found[phase.rstrip("_"), metric, part] = curve
    if not found:
        raise ValueError(f"The history has no {_WATCHED!r}; it has {list(table)[:6]}.")
    return found


def _metric_and_part(name: str) -> tuple[str, str]:
    """Part ``"kl_local_train"`` and scvi-tools' ``"train_loss_epoch"`` into metric and part."""
    match = re.fullmatch(r"(.*)_(train|validation)|(train|validation)_(.*?)(_epoch)?", name)
    if match is None:
        return name, "train"
    metric, part, other_part, other_metric, _ = match.groups()
    return (metric, part) if metric else (other_metric, other_part)


def _panels(
    found: Mapping[tuple[str, str, str], pd.Series], metrics: Sequence[str]
) -> list[_Panel]:
    known = dict.fromkeys(metric for _, metric, _ in found)
    phases = dict.fromkeys(phase for phase, _, _ in found)
    drawn = []
    for metric in metrics:
        if metric not in known:
            raise ValueError(f"metrics names {metric!r}; the history has {list(known)}.")
        for phase in phases:
            curves = {p: found[phase, metric, p] for p in _PARTS if (phase, metric, p) in found}
            if curves:
                start = _last_training(found, phase)
                best = _best_epoch(found.get((phase, _WATCHED, "validation")), start)
                drawn.append(_Panel(phase, metric, curves, best, start))
    return drawn


def _last_training(found: Mapping[tuple[str, str, str], pd.Series], phase: str) -> int:
    """Return the epoch at which a phase was trained for the last time."""
    own = (curve for (name, _, _), curve in found.items() if name == phase)
    return max(int(curve.attrs.get(LAST_TRAINING, 0)) for curve in own)


def _best_epoch(watched: pd.Series | None, start: int) -> Any:
    """Return the best epoch from one on; ``None`` if none of them was validated."""
    if watched is None:
        return None
    last = watched[watched.index >= start].astype(float) if start else watched.astype(float)
    return last.idxmin() if np.isfinite(last).any() else None


def _draw(ax: Axes, panel: _Panel) -> None:
    from matplotlib.ticker import MaxNLocator

    for part, curve in panel.curves.items():
        # a phase of a single epoch is a point, which a line would not show
        marker = "o" if len(curve) == 1 else None
        ax.plot(curve.index, curve.to_numpy(float), color=_COLORS[part], label=part, marker=marker)
    if panel.best is not None:
        ax.axvline(panel.best, color=_MARK, linestyle=":", label="best epoch", zorder=0)
    ax.set_title(panel.phase or "training")
    which = "best of the last training" if panel.start else "best"
    ax.set_xlabel("epoch" if panel.best is None else f"epoch ({which}: {panel.best})")
    ax.set_ylabel(panel.metric.replace("_", " "))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.spines[["top", "right"]].set_visible(False)
