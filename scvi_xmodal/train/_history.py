"""Histories of phases, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping


def extend_history(history: dict[str, pd.DataFrame], new: Mapping[str, pd.DataFrame]) -> None:
    """Append a phase's history in place, epochs counting on where it was trained before.

    scvi-tools' own merge keeps only the metrics that the first training had.

    Parameters
    ----------
    history
        One table of one column for each metric, indexed by epoch.
    new
        Tables to append.
    """
    for name, values in new.items():
        before = history.get(name)
        if before is None:
            history[name] = values
            continue
        epochs = np.arange(len(before), len(before) + len(values))
        shifted = values.set_axis(pd.Index(epochs, name=before.index.name))
        history[name] = pd.concat([before, shifted])


def plain_history(history: Mapping[str, pd.DataFrame] | None) -> dict[str, dict[str, Any]]:
    """Return a history as numbers, lists and strings, for files that hold nothing else.

    Examples
    --------
    >>> import pandas as pd
    >>> from scvi_xmodal.train import history_from_plain, plain_history
    >>> epochs = pd.Index([0, 1], name="epoch")
    >>> history = {"loss": pd.DataFrame({"loss": [2.0, 1.0]}, index=epochs)}
    >>> plain_history(history)
    {'loss': {'column': 'loss', 'epochs': [0, 1], 'index': 'epoch', 'values': [2.0, 1.0]}}
    >>> history_from_plain(plain_history(history))["loss"].equals(history["loss"])
    True
    """
    return {
        name: {
            "column": str(table.columns[0]),
            "epochs": [int(epoch) for epoch in table.index],
            "index": table.index.name,
            "values": [float(value) for value in table.iloc[:, 0]],
        }
        for name, table in (history or {}).items()
    }


def history_from_plain(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return the history that :func:`plain_history` saw."""
    return {
        name: pd.DataFrame(
            {own["column"]: own["values"]},
            index=pd.Index(own["epochs"], name=own["index"], dtype="int64"),
            dtype="float64",
        )
        for name, own in plain.items()
    }
