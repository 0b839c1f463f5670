"""Tables as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def as_markdown(table: pd.DataFrame) -> str:
    """Return a table with three digits behind the point, and nothing where there is nothing."""
    lines = [list(table.columns), ["---"] * table.shape[1]]
    lines += [[_shown(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _shown(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.3f}"
    return str(value)


def grid(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table and an empty line."""
    parts = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(part) + " |" for part in parts] + [""]


def gap_text(mean: float, std: float) -> str:
    """Return a difference and its spread over folds, of which a single one has none."""
    return f"{mean:+.3f}" + ("" if np.isnan(std) else f" +- {std:.3f}")
