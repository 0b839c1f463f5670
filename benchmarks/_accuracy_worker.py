"""A process that fits and scores: reads jobs of one fold, writes their rows as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import scvi
import torch

from benchmarks._accuracy_data import load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._accuracy_models import MODELS, NotAvailableError
from benchmarks._accuracy_scores import rounded, score_all
from benchmarks._probe import Instant, memory, reset_peak

PACKAGES = ("scvi-xmodal", "scvi-tools", "torch", "numpy", "scipy", "scikit-learn", "scanpy")
_FIRST: list[int] = []
"""Resident bytes before each fit of this process."""


def run(job: Job, data_dir: Path | None) -> dict[str, Any]:
    """Fit, translate and score.

    Returns
    -------
    ``rows``, or ``missing`` with the reason why the model cannot run here.
    """
    mdata = load(job.data, data_dir)
    task, answers = prepare(mdata, job)
    scvi.settings.seed = job.seed
    fit = MODELS[job.model].load()
    before = memory("VmRSS")
    _FIRST.append(before)
    reset_peak()
    start = Instant.now()
    try:
        translator = fit(task, job.init, job.train)
    except NotAvailableError as error:
        return {"missing": str(error)}
    wall, cpu = Instant.now().since(start)
    # what earlier fits of this process have left behind is not this one's
    peak = memory("VmHWM") - (before - _FIRST[0])
    found = {name: version(name) for name in PACKAGES}
    if translator.cost is not None:
        wall, cpu, peak = (getattr(translator.cost, name) for name in ("wall", "cpu", "peak_rss"))
        found |= translator.cost.versions
    cost = {
        "fit_seconds": wall,
        "fit_cpu_seconds": cpu,
        "fit_peak_rss_mb": peak / 1e6,
        "rss_before_mb": None if translator.cost else _FIRST[0] / 1e6,
    }
    about = {"versions": " ".join(f"{name}={number}" for name, number in found.items())}
    rows = score_all(job, task, answers, translator)
    return {"rows": [{**row, **rounded(cost), **about} for row in rows]}


def main() -> None:
    """Read the jobs, the data folder and the output from the command line."""
    jobs = [Job(**job) for job in json.loads(sys.argv[1])]
    data_dir = Path(sys.argv[2]) if sys.argv[2] else None
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        scvi.settings.logging_dir = scratch
        results = [run(job, data_dir) for job in jobs]
    Path(sys.argv[3]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
