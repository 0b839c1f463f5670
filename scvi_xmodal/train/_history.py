"""Histories of phases, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
