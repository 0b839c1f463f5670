"""What data sets, splits and directions are called in reports."""

from __future__ import annotations

from typing import Any

NAMES = {"rna": "RNA", "atac": "ATAC", "protein": "protein"}
SPLIT_NAMES = {"cell": "by cell", "cell_type": "by cell type", "batch": "by batch"}


def where(row: Any) -> str:
    """Return the place of a row that has ``data``, ``split``, ``source`` and ``target``."""
    names = NAMES[row.source], NAMES[row.target]
    return f"{row.data}, {SPLIT_NAMES[row.split]}: {names[0]} -> {names[1]}"
