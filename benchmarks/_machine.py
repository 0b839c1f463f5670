"""Where and with what a measurement was made."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def describe() -> dict[str, str]:
    """Return machine, date, commit and command."""
    return {
        "machine": f"{_cpu_model()}, {os.cpu_count()} cores, {_total_memory():.0f} GB",
        "system_os": f"{platform.platform(terse=True)}, Python {platform.python_version()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "command": " ".join(["python -m", _module(), *sys.argv[1:]]),
    }


def commit() -> str:
    """Return the commit, and whether files of the package differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        return "unknown"
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "scvi_xmodal"])
    return head.stdout.strip() + (" with changes" if changed.returncode else "")


def available_memory() -> float:
    """Return the bytes that new processes can have."""
    return _meminfo("MemAvailable")


def _total_memory() -> float:
    return _meminfo("MemTotal") / 1e9


def _meminfo(field: str) -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/meminfo has no {field}: measure on Linux.")


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _module() -> str:
    return f"benchmarks.{Path(sys.argv[0]).stem}"
