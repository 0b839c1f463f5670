"""Histories of phases, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from scvi_xmodal._constants import LAST_TRAINING

if TYPE_CHECKING:
    from collections.abc import Mapping


def extend_history(history: dict[str, pd.DataFrame], new: Mapping[str, pd.DataFrame]) -> None:
    """Append a phase's history in place, epochs counting on where it was trained before.

    scvi-tools' own merge keeps only the metrics that the first training had. The first of the
    new epochs is kept in ``attrs["last_training"]``: the weights are of that training alone.

    Parameters
    ----------
    history
        One table of one column for each metric, indexed by epoch.
    new
        Tables of one phase to append.
    """
    starts: dict[Any, int] = {}  # by what is counted, epochs or steps
    for name in new:
        if name in history and len(history[name]):
            index = history[name].index
            starts[index.name] = max(starts.get(index.name, 0), int(index.max()) + 1)
    for name, values in new.items():
        start = starts.get(values.index.name, 0)
        if start == 0:
            history[name] = values
            continue
        epochs = pd.Index(values.index.astype("int64") + start, name=values.index.name)
        parts = [history[name]] if name in history else []
        history[name] = pd.concat([*parts, values.set_axis(epochs)])
        history[name].attrs = {LAST_TRAINING: start}


def n_kept_epochs(history: Mapping[str, pd.DataFrame], phase: str, monitor: str | None) -> int:
    """Return how many epochs the weights that a phase kept have seen.

    Parameters
    ----------
    history
        Of a model that was trained once.
    phase
        Its name.
    monitor
        Loss of which the lowest value was kept; ``None`` where the last epoch was.

    Examples
    --------
    >>> import pandas as pd
    >>> from scvi_xmodal.train import n_kept_epochs
    >>> history = {"pretrain_validation_loss": pd.DataFrame({"loss": [2.0, 1.0, 3.0]})}
    >>> n_kept_epochs(history, "pretrain", "validation_loss")
    2
    """
    watched = None if monitor is None else history.get(f"{phase}_{monitor}")
    if watched is None:  # or the phase ended before an epoch was validated: the last was kept
        return 1 + int(history[f"{phase}_reconstruction_loss_train"].index.max())
    return 1 + int(watched.iloc[:, 0].idxmin())


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
            **{name: int(table.attrs[name]) for name in (LAST_TRAINING,) if name in table.attrs},
        }
        for name, table in (history or {}).items()
    }


def history_from_plain(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return the history that :func:`plain_history` saw."""
    history = {}
    for name, own in plain.items():
        index = pd.Index(own["epochs"], name=own["index"], dtype="int64")
        history[name] = pd.DataFrame({own["column"]: own["values"]}, index=index, dtype="float64")
        if LAST_TRAINING in own:
            history[name].attrs = {LAST_TRAINING: own[LAST_TRAINING]}
    return history
