"""Which cells a model saw, kept beside it by name."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._aside import written_aside

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from scvi_xmodal.data import Split

_FILE = "cells.json"
_PARTS = ("train", "validation", "test")
_TRAINING = "training"


def write_cells(model_dir: Path, names: pd.Index, split: Split, *, model: Any) -> None:
    """Write the names of the cells of each part of a split, and which training they are of."""
    cells: dict[str, Any] = {
        part: names[getattr(split, part)].astype(str).tolist() for part in _PARTS
    }
    with written_aside(model_dir / _FILE) as aside:
        aside.write_text(json.dumps({**cells, _TRAINING: _training_of(model_dir, model)}))


def read_cells(model_dir: Path, model: Any) -> dict[str, list[str]] | None:
    """Return them, or ``None`` if this model was not trained on the command line.

    Another may have been saved in the folder since, which leaves the file there.

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
        found = {part: list(map(str, cells[part])) for part in _PARTS}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} cannot be read ({error}): delete it.") from error
    # files of older versions do not say of which training they are
    return found if cells.get(_TRAINING) in (None, _training_of(model_dir, model)) else None


def _training_of(model_dir: Path, model: Any) -> str:
    """Return a digest of a model's cells and of the rows that trained and validated."""
    from scvi_xmodal.model import read_manifest

    digest = hashlib.sha256(json.dumps(read_manifest(model_dir).get("cells")).encode())
    for rows in (model.train_indices, model.validation_indices):
        digest.update(np.asarray([] if rows is None else rows, dtype=np.int64).tobytes() + b"\0")
    return digest.hexdigest()
