"""What pairs drawn again within types (-T) or clusters (-C) change, place by place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_places import where
from benchmarks._accuracy_summary import METRICS, OURS, PLACE, by_fold
from benchmarks._tables import gap_text, grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

REPAIRED = ("butterfly_t", "butterfly_c")
_CLUSTERS, _COST = "ami", "fit_cpu_seconds"


def repaired_lines(rows: pd.DataFrame) -> Iterator[str]:
    """Yield the differences from Butterfly as Markdown; nothing where neither ran.

    Parameters
    ----------
    rows
        Rows of the models as they come.
    """
    table = differences(rows, REPAIRED)
    if not table:
        return
    yield (
        "Difference from Butterfly, which trains on measured pairs, on the folds that both have, "
        "mean +- standard deviation: of the leading score (per gene, peak or protein) and of AMI; "
        "and how many times as long a fit takes, clusters of Butterfly-C by MULTIVI or TOTALVI "
        "included. Butterfly-T is told the training cells' types. Quick clusters and fewer cells "
        "are in [data_sizes.md](data_sizes.md)."
    )
    yield ""
    yield from table


def differences(rows: pd.DataFrame, models: Sequence[str]) -> list[str]:
    """Return the models' differences from Butterfly, place by place; empty where none ran.

    Parameters
    ----------
    rows
        Rows of the models as they come.
    models
        Ways to train Butterfly.
    """
    present = [name for name in models if (rows["model"] == name).any()]
    body = [
        [where(part.iloc[0]), *(cell for name in present for cell in _change(part, name))]
        for _, part in rows[rows["model"].isin([OURS, *present])].groupby(PLACE, sort=False)
        if part["model"].isin(present).any() and (part["model"] == OURS).any()
    ]
    if not body:
        return []
    labels = [MODELS[name].label for name in present]
    parts = ("folds", "per feature", "AMI", "CPU seconds")
    return grid(["where", *(f"{label}: {part}" for label in labels for part in parts)], body)


def _change(part: pd.DataFrame, model: str) -> list[str]:
    """Return folds, differences of the leading score and of AMI, and the ratio of costs."""
    scores = by_fold(part)
    if model not in scores.index:
        return ["0", "-", "-", "-"]
    own, plain = scores.loc[model], scores.loc[OURS]
    shared = own.index.intersection(plain.index)
    own, plain = own.loc[shared], plain.loc[shared]
    leading = METRICS[str(part["target"].iloc[0])][0]
    gaps = [own[name] - plain[name] for name in (leading, _CLUSTERS)]
    cost = (own[_COST] / plain[_COST]).mean()
    return [str(len(shared)), *(gap_text(gap.mean(), gap.std()) for gap in gaps), f"{cost:.1f}x"]
