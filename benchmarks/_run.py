"""Start one measurement in a process of its own and turn what it says into table rows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks._machine import ROOT, available_memory
from benchmarks._wheel import wheel_python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.simulate import Size

SYSTEMS = {
    "default": "scvi_xmodal Butterfly",
    "preset": 'scvi_xmodal preset="scbutterfly"',
    "wheel": "scbutterfly 0.0.9 (published wheel)",
    "multivi": "scvi-tools MULTIVI",
}
WHEEL_BYTES = 17.5
"""What the wheel's pre-processing holds for each cell and peak (three dense arrays)."""


def measure(system: str, size: Size, folder: Path, epochs: int) -> dict[str, Any]:
    """Run one system on one simulated folder.

    Returns
    -------
    What the process recorded, or ``{"skipped": reason}``.
    """
    reason = _too_large(size) if system == "wheel" else None
    if reason:
        return {"skipped": reason}
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "result.json"
        if system == "wheel":
            start = [str(wheel_python()), "-W", "ignore", "-m", "benchmarks._wheel_driver"]
            command = [*start, str(folder), str(epochs), str(out)]
        else:
            start = [sys.executable, "-W", "ignore", "-m", "benchmarks._worker"]
            command = [*start, system, str(folder), str(epochs), str(out)]
        done = subprocess.run(
            command, env=environment(), cwd=scratch, capture_output=True, text=True, check=False
        )
        if done.returncode or not out.exists():
            lines = (done.stderr or done.stdout).strip().splitlines()
            return {"skipped": f"failed ({done.returncode}): {lines[-1] if lines else 'silent'}"}
        return json.loads(out.read_text())


def environment() -> dict[str, str]:
    """Return an environment for one thread on the CPU."""
    threads = ("OMP", "MKL", "OPENBLAS", "NUMBA", "NUMEXPR")
    limits = {f"{name}_NUM_THREADS": "1" for name in threads}
    return {**os.environ, **limits, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}


def _too_large(size: Size) -> str | None:
    needed, free = WHEEL_BYTES * size.n_cells * size.n_peaks, available_memory()
    if needed < free / 2:
        return None
    return (
        f"its pre-processing holds {WHEEL_BYTES} bytes a cell and peak, here "
        f"{needed / 1e9:.1f} GB, more than half of the {free / 1e9:.1f} GB that are free"
    )


def merge(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Join repeated measurements of one system: repetitions together, the highest peaks."""
    first, *rest = results
    if "skipped" in first:
        return first
    for other in rest:
        for own, more in zip(first["records"], other.get("records", []), strict=False):
            own["wall"] += more["wall"]
            own["cpu"] += more["cpu"]
            own["peak_rss"] = max(own["peak_rss"], more["peak_rss"])
    return first


def rows(system: str, size: Size, result: dict[str, Any], about: dict[str, Any]) -> list[dict]:
    """Return one row for each phase, or one that says why there is none."""
    start = {
        "system": system,
        "n_cells": size.n_cells,
        "n_peaks": size.n_peaks,
        "n_genes": size.n_genes,
        "density": size.density,
    }
    if "skipped" in result:
        return [{**start, "phase": "all", "skipped": result["skipped"], **about}]
    end = {
        "rss_imports_mb": round(result["rss_imports"] / 1e6, 1),
        **result["extra"],
        "versions": " ".join(f"{k}={v}" for k, v in result["versions"].items()),
        **about,
    }
    return [{**start, **_figures(r, result["rss_imports"]), **end} for r in result["records"]]


def _figures(record: dict[str, Any], rss_imports: int) -> dict[str, Any]:
    wall, cpu = median(record["wall"]), median(record["cpu"])
    return {
        "phase": record["phase"],
        "unit": record["unit"],
        "n_repetitions": len(record["cpu"]),
        "seconds": round(wall, 5),
        "cpu_seconds": round(cpu, 5),
        "cpu_seconds_min": round(min(record["cpu"]), 5),
        "cpu_seconds_max": round(max(record["cpu"]), 5),
        "cells_per_second": round(record["n_cells"] / wall, 1),
        "cells_per_cpu_second": round(record["n_cells"] / cpu, 1),
        "peak_rss_mb": round(record["peak_rss"] / 1e6, 1),
        "peak_above_imports_mb": round((record["peak_rss"] - rss_imports) / 1e6, 1),
    }
