"""What each part of Butterfly is worth: its ablations over all data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from benchmarks._accuracy_jobs import DEFAULT
from benchmarks._accuracy_places import NAMES
from benchmarks._accuracy_summary import METRICS, OURS, distance
from benchmarks._tables import gap_text, grid

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_PART = ("fewer_features", "fifth_of_the_counts", "half_the_counts")
"""Variants of the data, not of the model."""
_RUN = ["data", "split", "fold", "seed"]


def parts(table: pd.DataFrame) -> pd.DataFrame:
    """Return gains of each run of a variant over the model as it comes.

    Parameters
    ----------
    table
        All rows without failures.

    Returns
    -------
    Columns ``variant``, ``way``, ``metric`` and ``gain``, of the leading score of each direction
    and of AMI; positive where the variant is better.
    """
    own = table[(table["model"] == OURS) & (table["train_fraction"] == 1)]
    found = []
    for (source, target), rows in own.groupby(["source", "target"], sort=False):
        for metric in (METRICS[target][0], "ami"):
            if metric not in rows:
                continue
            scores = rows.set_index([*_RUN, "variant"])[metric].unstack("variant")
            for variant in scores.columns.difference([DEFAULT, *NO_PART]):
                gain = distance(metric, scores[variant]) - distance(metric, scores[DEFAULT])
                way = f"{NAMES[source]} -> {NAMES[target]}"
                given = {"variant": variant, "way": way, "metric": metric}
                found += [{**given, "gain": value} for value in gain.dropna()]
    return pd.DataFrame(found, columns=["variant", "way", "metric", "gain"])


def parts_lines(table: pd.DataFrame) -> Iterator[str]:
    """Yield a table of the parts and a sentence on those that do not earn their place."""
    gains = parts(table)
    if gains.empty:
        return
    groups = gains.groupby(["variant", "way", "metric"], sort=False)["gain"]
    columns = list(dict.fromkeys(zip(gains["way"], gains["metric"], strict=True)))
    body, better = [], []
    for variant in sorted(set(gains["variant"])):
        cells, n_runs = [], 0
        for way, metric in columns:
            if (variant, way, metric) not in groups.groups:
                cells.append("-")
                continue
            own = groups.get_group((variant, way, metric))
            wins, n_runs = int((own > 0).sum()), max(n_runs, len(own))
            cells.append(f"{gap_text(own.mean(), own.std())} ({wins}/{len(own)})")
            if len(own) > 1 and wins == len(own):
                better.append(f"`{variant}` ({way}, {metric} {own.mean():+.3f})")
        body.append([variant, str(n_runs), *cells])
    yield "All runs together, by the leading scores and AMI; in brackets, runs that it betters."
    yield ""
    yield from grid(["variant", "runs", *(f"{way}: {metric}" for way, metric in columns)], body)
    if better:
        yield f"Better without the part, or changed, in every run: {'; '.join(better)}."
        yield ""
