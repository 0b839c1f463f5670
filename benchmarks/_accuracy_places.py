"""What data sets, splits and directions are called in reports."""

from __future__ import annotations

from typing import Any

from benchmarks._accuracy_splits import SPLITS

NAMES = {"rna": "RNA", "atac": "ATAC", "protein": "protein"}


def where(row: Any) -> str:
    """Return the place of a row that has ``data``, ``split``, ``source`` and ``target``."""
    names = NAMES[row.source], NAMES[row.target]
    return f"{row.data}, {SPLITS[row.split].name}: {names[0]} -> {names[1]}"
