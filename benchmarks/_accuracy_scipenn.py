"""sciPENN: protein from RNA by a recurrent network (Lakkis et al., Nat. Mach. Intell. 2022).

Installed without its dependencies, whose old pins exclude each other, into a folder of its own.
It is given training and validation cells together, of which it draws as many for validation as we
have. Three things differ from its defaults: no cell or gene is dropped for quality (that would
drop test cells), and no gene is chosen, because the sets have at most the 1,000 that it would
choose. It predicts proteins as z-scores of its own log-normalisation; each is put back on the
scale of centred log-ratios by the training cells' mean and standard deviation of that protein,
which changes no correlation over cells.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks._accuracy_external import as_adata, run_driver
from benchmarks._accuracy_models import NotAvailableError, Predictions, Translation

if TYPE_CHECKING:
    from benchmarks._accuracy_data import Task

PACKAGE = "sciPENN==0.9.6"
FOLDER = Path.home() / ".cache" / "scvi_xmodal_bench" / "scipenn"


def scipenn(task: Task, init: dict[str, Any], train: dict[str, Any]) -> Predictions:
    """Train sciPENN and predict the proteins of the test cells."""
    query = task.queries["rna"]
    share = task.split.validation.size / task.training.n_obs
    predicted, cost = run_driver(
        Path(sys.executable),
        "benchmarks._accuracy_scipenn_driver",
        matrices={
            "rna": task.training["rna"].X,
            "protein": task.training["protein"].X,
            "query": query.X,
        },
        arrays={},
        options={"init": {"val_split": share, **init}, "train": train, "seed": task.seed},
        path=[_folder()],
    )
    counts = task.training["protein"].X[task.split.train].toarray()
    logged = np.log1p(counts)
    clr = logged - logged.mean(axis=1, keepdims=True)
    values = clr.mean(axis=0) + clr.std(axis=0) * predicted["protein"]
    adata = as_adata(values, query.obs_names, task.queries["protein"].var_names)
    return Predictions({("rna", "protein"): Translation(adata, adata)}, cost)


def _folder() -> Path:
    if not (FOLDER / "sciPENN").exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", PACKAGE]
        done = subprocess.run(
            [*command, "--target", str(FOLDER)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NotAvailableError(f"{PACKAGE} cannot be installed: {done.stderr[-200:]}")
    return FOLDER
