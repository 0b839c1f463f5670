"""Count what was tried: run the tests of faults, bad input, files and numbers, by group."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks._machine import ROOT, describe
from benchmarks._run import environment
from benchmarks._tables import as_markdown

RESULTS = Path(__file__).with_name("results")
GROUPS = {
    "bad input: a clear error, and nothing changed": (
        "tests/armour",
        "tests/model/test_bad_queries.py",
        "tests/pp/test_feature_inputs.py",
    ),
    "faults: killed, interrupted, full disk, NaN": (
        "tests/model/test_resuming.py",
        "tests/model/test_interrupt.py",
        "tests/test_aside.py",
        "tests/train/test_callbacks.py",
        "tests/data/test_writer.py",
    ),
    "files: other versions, truncated, foreign, malicious": (
        "tests/model/test_files.py",
        "tests/model/test_fixtures.py",
        "tests/model/test_saved.py",
    ),
    "numbers: determinism, blocks, precision, extremes": (
        "tests/model/test_extremes.py",
        "tests/model/test_permutations.py",
    ),
    "when not to believe it: scores, familiarity, intervals": (
        "tests/model/test_trust_scores.py",
        "tests/model/test_familiarity.py",
        "tests/model/test_intervals.py",
        "tests/model/test_quantiles.py",
        "tests/module/test_uncertainty.py",
    ),
    "load: threads, memory, released models": ("tests/benchmarks/test_trust.py",),
}


def main(arguments: list[str] | None = None) -> None:
    """Run each group, and write ``trust_tests.csv`` and ``trust_tests.md``."""
    options = _parser().parse_args(arguments)
    about = describe()
    rows = [{**count(name, paths, options.workers), **about} for name, paths in GROUPS.items()]
    table = pd.DataFrame(rows)
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "trust_tests.csv", index=False)
    shown = table[["group", "tests", "passed", "failed", "skipped"]]
    text = (
        f"{table['tests'].sum()} tests, {table['failed'].sum()} of which fail.\n\n"
        f"{as_markdown(shown)}\n\n`{about['command']}`; {about['date']}, commit "
        f"{about['commit']}, {about['machine']}.\n"
    )
    (options.out / "trust_tests.md").write_text(text)
    print(text)
    if table["failed"].sum():
        raise SystemExit(1)


def count(name: str, paths: tuple[str, ...], workers: int) -> dict[str, Any]:
    """Run the tests at some paths and return how many there were and how they ended."""
    there = [path for path in paths if (ROOT / path).exists()]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *there]
        spread = ["-n", str(workers), "--dist", "worksteal"] if workers > 1 else []
        done = subprocess.run(
            [*command, *spread, f"--junit-xml={report}"],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"{name}: pytest ended with\n{done.stdout[-2000:]}{done.stderr}")
        suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    found = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    failed = found["failures"] + found["errors"]
    passed = found["tests"] - failed - found["skipped"]
    row = {"group": name, "tests": found["tests"], "passed": passed, "failed": failed}
    return {**row, "skipped": found["skipped"], "files": " ".join(there)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.trust", description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
