"""Start a worker for each job and put its rows into the table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._accuracy_external import last_error
from benchmarks._accuracy_jobs import KEY
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

    def one(numbered: tuple[int, Job]) -> None:
        number, job = numbered
        result = measure(job, data_dir)
        table.append([{**row, **about} for row in rows_of(job, result)])
        print(f"[{number}/{len(wanted)}] {job.label}: {_summary(result)}", flush=True)

    with ThreadPoolExecutor(n_workers) as pool:
        for _ in pool.map(one, enumerate(wanted, start=1)):
            pass


def measure(job: Job, data_dir: Path | None) -> dict[str, Any]:
    """Run one job in a process of its own.

    Returns
    -------
    Its ``rows``, why it is ``missing``, or the ``error`` that ended it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "rows.json"
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks._accuracy_worker"]
        given = [json.dumps(asdict(job)), str(data_dir.resolve()) if data_dir else "", str(out)]
        done = subprocess.run(
            [*command, *given],
            env=environment(),
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0 and out.exists():
            return json.loads(out.read_text())
        return {
            "error": f"exit {done.returncode}: {last_error(done.stderr or done.stdout)}"[:KEPT]
        }


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
