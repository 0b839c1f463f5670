"""The table of results: a CSV that grows row by row and survives being stopped."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks._accuracy_jobs import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from benchmarks._accuracy_jobs import Job

TEXT = ["variant", "options", "error", "versions"]


@dataclass(frozen=True)
class Table:
    """A CSV file, whole at every moment, that several processes may append to.

    Parameters
    ----------
    path
        The file; it need not exist.
    """

    path: Path

    def read(self) -> pd.DataFrame:
        """Return all rows; none if there is no file."""
        if not self.path.exists():
            return pd.DataFrame(columns=list(dict.fromkeys([*KEY, *TEXT])))
        table = pd.read_csv(self.path, dtype={"commit": str})  # some are digits alone
        for name in TEXT:
            table[name] = table[name].fillna("") if name in table else ""
        return table

    def finished(self) -> set[tuple[Any, ...]]:
        """Return the keys of all rows, failed ones included."""
        return set(self.read()[KEY].itertuples(index=False, name=None))

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows; one with the key of an older row takes its place."""
        if not rows:
            return
        with self._locked():
            filled = [dict.fromkeys(TEXT, "") | row for row in rows]
            table = pd.DataFrame([*self.read().to_dict("records"), *filled])
            self._write(table.drop_duplicates(KEY, keep="last"))

    def forget_failures(self, jobs: Iterable[Job]) -> None:
        """Drop the rows of failed jobs, so that they run again."""
        keys = {key for job in jobs for key in job.keys()}
        with self._locked():
            table = self.read()
            own = [key in keys for key in table[KEY].itertuples(index=False, name=None)]
            self._write(table[~(pd.Series(own, index=table.index, dtype=bool) & _failed(table))])

    def check_options(self, jobs: Iterable[Job]) -> None:
        """Raise a ``ValueError`` if a variant's name already stands for other keywords."""
        stored = self.read()[["model", "variant", "options"]].drop_duplicates()
        known = {(row.model, row.variant): row.options for row in stored.itertuples()}
        for job in jobs:
            before = known.get((job.model, job.variant), job.options)
            if before != job.options:
                raise ValueError(
                    f"Variant {job.variant!r} of {job.model} has options {job.options}, but its "
                    f"rows in {self.path} were made with {before}: give it another name."
                )

    def _write(self, table: pd.DataFrame) -> None:
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        columns = dict.fromkeys([*KEY, *(name for name in table if name not in TEXT), *TEXT])
        table.sort_values(KEY, kind="stable").to_csv(aside, columns=list(columns), index=False)
        aside.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _failed(table: pd.DataFrame) -> pd.Series:
    return table["error"] != ""
