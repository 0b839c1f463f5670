"""Start a worker for each job and put its rows into the table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from benchmarks._accuracy_external import last_error
from benchmarks._accuracy_jobs import KEY
from benchmarks._accuracy_models import MODELS
from benchmarks._run import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks._accuracy_jobs import Job
    from benchmarks._accuracy_table import Table

KEPT = 300
"""Characters of a failure's message that stand in the table."""


def run_all(
    jobs: Sequence[Job],
    table: Table,
    *,
    data_dir: Path | None,
    about: dict[str, Any],
    n_workers: int = 1,
) -> None:
    """Run what the table lacks; what fails has a row that says so, and the others go on.

    Parameters
    ----------
    jobs
        Wanted fits.
    table
        Finished ones are skipped, new rows appended as each fit ends.
    data_dir
        Folder of the data sets that are not bundled.
    about
        Machine, date and commit, for each row.
    n_workers
        Fits at a time, one thread each.
    """
    done = table.finished()
    wanted = [job for job in jobs if not done.issuperset(job.keys())]
    print(f"{len(jobs)} fits, {len(jobs) - len(wanted)} of them in {table.path}", flush=True)
    lock, count = Lock(), iter(range(1, len(wanted) + 1))

    def one(group: list[Job]) -> None:
        results = measure(group, data_dir)
        for job, result in zip(group, results, strict=True):
            with lock:
                table.append([{**row, **about} for row in rows_of(job, result)])
                place = f"[{next(count)}/{len(wanted)}]"
                print(f"{place} {job.label}: {_summary(result)}", flush=True)

    with ThreadPoolExecutor(n_workers) as pool:
        for _ in pool.map(one, groups(wanted)):
            pass


def groups(jobs: Sequence[Job]) -> list[list[Job]]:
    """Put together what shares a process: the baselines of a fold, which take milliseconds.

    The process takes seconds to start. Every model that is trained by steps has its own.
    """
    found: dict[Any, list[Job]] = {}
    for number, job in enumerate(jobs):
        fold = (job.data, job.split, job.fold, job.train_fraction, str(job.data_options))
        found.setdefault(number if MODELS[job.model].random else fold, []).append(job)
    return list(found.values())


def measure(group: list[Job], data_dir: Path | None) -> list[dict[str, Any]]:
    """Run jobs in a process of their own; one by one if they fail together.

    Returns
    -------
    For each job its ``rows``, why it is ``missing``, or the ``error`` that ended it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "rows.json"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks._accuracy_worker"]
        given = json.dumps([asdict(job) for job in group])
        done = subprocess.run(
            [*command, given, str(data_dir.resolve()) if data_dir else "", str(out)],
            env=environment(),
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0 and out.exists():
            return json.loads(out.read_text())
    if len(group) > 1:
        return [result for job in group for result in measure([job], data_dir)]
    reason = last_error(done.stderr or done.stdout)
    return [{"error": f"exit {done.returncode}: {reason}"[:KEPT]}]


def rows_of(job: Job, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the table's rows: scores, or for each direction the error; none if missing."""
    common = {name: value for name, value in asdict(job).items() if name in (*KEY, "options")}
    if "error" in result:
        names = ("source", "target")
        failed = [dict(zip(names, pair, strict=True)) for pair in job.directions]
        return [{**common, **row, "error": result["error"]} for row in failed]
    return [{**common, **row} for row in result.get("rows", [])]


def _summary(result: dict[str, Any]) -> str:
    if "missing" in result:
        return f"not run: {result['missing']}"
    if "error" in result:
        return f"FAILED, {result['error']}"
    row = result["rows"][0]
    return f"{row['fit_cpu_seconds']:.1f} CPU s, {row['fit_peak_rss_mb']:.0f} MB"
