"""Clock and memory of a process; standard library only, for every Python environment."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Instant:
    """A moment by the wall clock and by this process's CPU time (all threads), in seconds."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Instant:
        """Read both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, earlier: Instant) -> tuple[float, float]:
        """Return wall and CPU seconds since an earlier moment."""
        return self.wall - earlier.wall, self.cpu - earlier.cpu


@dataclass(frozen=True)
class Record:
    """One phase of one process.

    Parameters
    ----------
    phase
        What was measured.
    unit
        What ``wall`` and ``cpu`` are seconds of: ``"epoch"``, ``"step"`` or ``"call"``.
    wall, cpu
        Seconds of each repetition after the warm-up.
    n_cells
        Cells that each repetition visits.
    peak_rss
        Highest resident memory during the phase, bytes.
    """

    phase: str
    unit: str
    wall: list
    cpu: list
    n_cells: int
    peak_rss: int


def memory(field: str) -> int:
    """Return ``"VmRSS"`` (resident now) or ``"VmHWM"`` (its peak) in bytes.

    ``ru_maxrss`` will not do: a process inherits it from the one that started it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}: measure memory on Linux.")


def fit_cost(start: Instant, packages: tuple[str, ...]) -> dict[str, object]:
    """Return what a fit cost since its start, and the versions that it ran with, for JSON."""
    wall, cpu = Instant.now().since(start)
    versions = {name: version(name) for name in packages}
    return {"wall": wall, "cpu": cpu, "peak_rss": memory("VmHWM"), "versions": versions}


def reset_peak() -> None:
    """Let ``VmHWM`` start anew from what is resident now."""
    # where the kernel refuses, peaks are those since the start of the process
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


class Recorder:
    """Collects records, one phase after the other."""

    def __init__(self):
        self.rss_imports = memory("VmRSS")
        self.records: list[Record] = []
        self.extra: dict[str, object] = {}
        self._marks: list[Instant] = []
        reset_peak()

    def start(self) -> None:
        """Begin a phase: clocks and peak memory start anew."""
        reset_peak()
        self._marks = [Instant.now()]

    def lap(self) -> None:
        """End one repetition."""
        self._marks.append(Instant.now())

    def finish(self, phase: str, unit: str, n_cells: int, *, skip: int = 0) -> None:
        """End the phase, leaving out the first repetitions as warm-up."""
        laps = [b.since(a) for a, b in zip(self._marks, self._marks[1:])]  # noqa: B905
        laps = laps[min(skip, len(laps) - 1) :]
        wall, cpu = [w for w, _ in laps], [c for _, c in laps]
        self.records.append(Record(phase, unit, wall, cpu, n_cells, memory("VmHWM")))

    def add(self, phase: str, wall: float, cpu: float) -> None:
        """Add a part of a phase that came later to each of its repetitions."""
        for record in self.records:
            if record.phase == phase:
                record.wall[:] = [seconds + wall for seconds in record.wall]
                record.cpu[:] = [seconds + cpu for seconds in record.cpu]

    def result(self, versions: dict[str, str]) -> dict[str, object]:
        """Return everything as plain values for JSON."""
        return {
            "rss_imports": self.rss_imports,
            "versions": versions,
            "extra": self.extra,
            "records": [asdict(record) for record in self.records],
        }
