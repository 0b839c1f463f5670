"""Histories joined."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scvi_xmodal.train import extend_history, history_from_plain, plain_history


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


def test_the_last_trainings_first_epoch_is_kept_and_saved():
    history = {"a": _table([3, 2])}
    extend_history(history, {"c": _table([9])})
    assert not any(table.attrs for table in history.values())
    extend_history(history, {"a": _table([1]), "c": _table([8])})
    extend_history(history, {"a": _table([1, 4])})
    assert history["a"].attrs == {"last_training": 3}
    again = history_from_plain(plain_history(history))
    for name, table in history.items():
        pd.testing.assert_frame_equal(again[name], table)
        assert again[name].attrs == table.attrs


def test_metrics_of_a_phase_share_their_epochs():
    history = {"train": _table([3, 2])}
    extend_history(history, {"train": _table([1]), "validation": _table([7])})
    extend_history(history, {"train": _table([0])})
    extend_history(history, {"train": _table([5]), "validation": _table([6])})
    assert history["train"].index.tolist() == [0, 1, 2, 3, 4]
    assert history["validation"].index.tolist() == [2, 4]
    assert history["validation"].index.name == "epoch"
