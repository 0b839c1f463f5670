"""Speed and memory of training and translating, beside the published wheel and MULTIVI."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from benchmarks import _report
from benchmarks._machine import describe
from benchmarks._run import SYSTEMS, measure, merge, rows
from benchmarks._wheel import wheel_python
from benchmarks.simulate import Size, parse_size, write_folder

RESULTS = Path(__file__).with_name("results")
BASE = Size(1000, 20_000)
SIZES = ("1kx20k", "1kx60k", "4kx20k", "10kx100k")


@dataclass(frozen=True)
class Job:
    """One simulated data set, the systems to run on it, and the part of the report it serves."""

    size: Size
    systems: tuple[str, ...]
    part: str = "comparison"


def main(arguments: list[str] | None = None) -> None:
    """Measure, then write ``speed.csv``, ``speed.md`` and ``speed.png``."""
    options = _parser().parse_args(arguments)
    if "wheel" in options.systems:
        wheel_python()
    about = {**describe(), "seed": options.seed}
    epochs = 1 + (options.epochs or (3 if options.quick else 5))
    found: list[dict] = []
    name = "speed_quick" if options.quick else "speed"
    options.out.mkdir(parents=True, exist_ok=True)
    for job in plan(options):
        found += _run(job, epochs, options.repeats, about)
        pd.DataFrame(found).to_csv(options.out / f"{name}.csv", index=False)
    table = pd.DataFrame(found)
    base = {axis: getattr(BASE, axis) for axis in _report.SIZE}
    text = _report.markdown(table, {key: str(value) for key, value in about.items()}, base)
    (options.out / f"{name}.md").write_text(text)
    _report.figure(table, base, options.out / f"{name}.png")
    print(text)


def plan(options: argparse.Namespace) -> list[Job]:
    """Return all sizes with all systems, then the points along each axis with ours alone."""
    sizes = options.sizes or (SIZES[:2] if options.quick else SIZES)
    table = [parse_size(text, seed=options.seed) for text in sizes]
    jobs = [Job(size, tuple(options.systems)) for size in table]
    if options.no_growth:
        return jobs
    base = replace(BASE, seed=options.seed)
    steps = {"n_cells": (500, 2000), "n_peaks": (5000,), "density": (0.01, 0.1)}
    if not options.quick:
        steps["n_cells"] += (8000,)
        steps["n_peaks"] += (10_000, 40_000, 160_000)
        steps["density"] += (0.003,)
    points = [replace(base, **{axis: x}) for axis, values in steps.items() for x in values]
    ours = tuple(s for s in ("default", "preset") if s in options.systems)
    ours = ours[:1] if options.quick else ours
    extra = [Job(point, ours, "growth") for point in [base, *points] if point not in table]
    return jobs + (extra if ours else [])


def _run(job: Job, epochs: int, repeats: int, about: dict) -> list[dict]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_folder(job.size, folder)
        results: dict[str, list] = {system: [] for system in job.systems}
        # systems take turns, so that what else the machine does falls on all of them
        for _ in range(repeats):
            for system in job.systems:
                print(f"{job.size.label}: {system}", flush=True)
                results[system].append(measure(system, job.size, folder, epochs))
    about = {"part": job.part, **about}
    return [r for s in job.systems for r in rows(s, job.size, merge(results[s]), about)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two sizes; under ten minutes")
    parser.add_argument("--sizes", nargs="+", help="cells x peaks, such as 1kx20k 4kx20k")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--epochs", type=int, help="epochs to measure after the warm-up")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each system, in turn")
    parser.add_argument("--no-growth", action="store_true", help="leave out the growth figure")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
