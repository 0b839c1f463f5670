"""What the demonstration prints at its end."""

from __future__ import annotations

import sys
import textwrap
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

_WIDTH = 99
_CLUSTERING = ["ari", "ami", "nmi"]
_SHOWN = {
    "RNA": ["pearson_gene", "pearson_cell", "pearson_flat", "rmse", *_CLUSTERING],
    "ATAC": ["auroc_peak", "ap_peak", "auroc_cell", "auroc_flat", *_CLUSTERING],
}
_LEADING = {"RNA": ("pearson_gene", "Pearson", "gene"), "ATAC": ("auroc_peak", "AUROC", "peak")}


def report(scores: pd.DataFrame, files: Sequence[Path], *, model: str, started: float) -> None:
    """Print the tables, what they mean, where the files are, and what it cost.

    Parameters
    ----------
    scores
        Scores by direction, such as ``"ATAC -> RNA"``, and model.
    files
        What was written.
    model
        The model among the baselines.
    started
        When the work began, by :func:`time.perf_counter`.
    """
    for direction, table in _by_direction(scores):
        shown = table[_SHOWN[_target(direction)]].rename_axis(None)
        print(f"\n{direction}, {int(table['n_cells'].iloc[0])} held-out cells")
        print(shown.to_string(float_format="%.3f", na_rep="-"))
    print("\nari, ami, nmi: clusters of these profiles against cell types; rmse: less is better")
    print(textwrap.fill(meaning(scores, model=model), _WIDTH), end="\n\n")
    print(*files, sep="\n")
    print(f"\nwall time {time.perf_counter() - started:.0f} s", end="")
    peak = _peak_memory()
    print("" if peak is None else f", peak memory {peak / 1e9:.2f} GB")


def meaning(scores: pd.DataFrame, *, model: str) -> str:
    """Say in a sentence how the model stands against the best baseline, feature by feature."""
    parts = []
    for direction, table in _by_direction(scores):
        column, score, feature = _LEADING[_target(direction)]
        values = table[column].dropna()
        rivals = values.drop(model)
        parts.append(
            f"{feature} by {feature} with a mean {score} of {values[model]:.3f} (best baseline: "
            f"{rivals.idxmax()}, {rivals.max():.3f})"
        )
    found = " and ".join(parts)
    return f"{model} tells held-out cells apart {found}; a constant guess scores 0 and .5."


def _by_direction(scores: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for direction, table in scores.groupby(level="direction", sort=False):
        yield str(direction), table.droplevel("direction")


def _target(direction: str) -> str:
    return direction.split()[-1]


def _peak_memory() -> int | None:
    """Return the largest resident set of this process in bytes, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
