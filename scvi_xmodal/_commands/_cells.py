"""Which cells a model saw, kept beside it by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scvi_xmodal._aside import written_aside

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from scvi_xmodal.data import Split

_FILE = "cells.json"
_PARTS = ("train", "validation", "test")


def write_cells(model_dir: Path, names: pd.Index, split: Split) -> None:
    """Write the names of the cells of each part of a split."""
    cells = {part: names[getattr(split, part)].astype(str).tolist() for part in _PARTS}
    with written_aside(model_dir / _FILE) as aside:
        aside.write_text(json.dumps(cells))


def read_cells(model_dir: Path) -> dict[str, list[str]] | None:
    """Return them, or ``None`` if the model was not trained on the command line.

    Raises
    ------
    ValueError
        If the file is there but cannot be read.
    """
    path = model_dir / _FILE
    if not path.exists():
        return None
    try:
        cells = json.loads(path.read_text())
        return {part: list(map(str, cells[part])) for part in _PARTS}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} cannot be read ({error}): delete it.") from error
