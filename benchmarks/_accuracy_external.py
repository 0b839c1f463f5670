"""Models that run in another interpreter: arrays out, arrays and their cost back."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData
from scipy import sparse

from benchmarks._accuracy_models import Cost
from benchmarks._run import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


def run_driver(
    python: Path,
    module: str,
    *,
    matrices: Mapping[str, sparse.csr_matrix],
    arrays: Mapping[str, Any],
    options: Mapping[str, Any],
    path: Sequence[Path] = (),
) -> tuple[dict[str, np.ndarray], Cost]:
    """Run a driver module on a folder of arrays.

    Parameters
    ----------
    python
        Interpreter of the driver.
    module
        Module to run; it gets the folder as its argument.
    matrices
        Written as ``<name>.npz``.
    arrays
        Written together as ``cells.npz``.
    options
        Written as ``options.json``.
    path
        Folders that its imports may also come from.

    Returns
    -------
    The arrays in its ``predictions.npz``, and the cost in its ``cost.json``.

    Raises
    ------
    RuntimeError
        If it fails, with the last line it wrote.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, matrix in matrices.items():
            sparse.save_npz(folder / f"{name}.npz", sparse.csr_matrix(matrix))
        np.savez(folder / "cells.npz", **arrays)
        (folder / "options.json").write_text(json.dumps(dict(options)))
        own = environment()
        own["PYTHONPATH"] = ":".join([own["PYTHONPATH"], *map(str, path)])
        command = [str(python), "-W", "ignore", "-m", module, str(folder)]
        done = subprocess.run(
            command, env=own, cwd=scratch, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{module}: {last_error(done.stderr or done.stdout)}")
        with np.load(folder / "predictions.npz") as found:
            predictions = dict(found)
        return predictions, Cost(**json.loads((folder / "cost.json").read_text()))


def last_error(text: str) -> str:
    """Return the last line that names an error, else the last."""
    lines = [line for line in text.splitlines() if line.strip()] or ["silent"]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)]
    return (named or lines)[-1].strip()


def as_adata(values: np.ndarray, cells: pd.Index, features: pd.Index) -> AnnData:
    """Wrap predictions of shape (n_cells, n_features).

    Raises
    ------
    RuntimeError
        If a prediction is NaN or infinite: the model failed to train.
    """
    if not np.isfinite(values).all():
        raise RuntimeError("the model predicted NaN or infinite values")
    adata = AnnData(np.asarray(values, dtype=np.float32))
    adata.obs_names, adata.var_names = cells, features
    return adata
