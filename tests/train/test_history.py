"""Histories joined."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scvi_xmodal.train import extend_history


def _table(values):
    index = pd.RangeIndex(len(values), name="epoch")
    return pd.DataFrame({"loss": np.asarray(values, dtype=float)}, index=index)


def test_epochs_count_on():
    history = {"a": _table([3, 2])}
    new = {"a": _table([1, 0, 5]), "b": _table([7])}
    extend_history(history, new)
    assert history["a"]["loss"].tolist() == [3, 2, 1, 0, 5]
    assert history["a"].index.tolist() == [0, 1, 2, 3, 4]
    assert history["a"].index.name == "epoch"
    assert history["b"]["loss"].tolist() == [7]
    assert new["a"].index.tolist() == [0, 1, 2]


def test_metrics_that_were_not_trained_again_stay():
    history = {"a": _table([3]), "b": _table([4])}
    extend_history(history, {"b": _table([5])})
    assert history["a"]["loss"].tolist() == [3]
    assert history["b"]["loss"].tolist() == [4, 5]
