"""The benchmarks of trust run, on little data, and memory is given back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks import coverage, familiarity, soak
from benchmarks._simple_novelty import simple_scores

pytestmark = pytest.mark.filterwarnings("ignore:.*no counts at all:UserWarning")

SHORT = {"max_epochs": 1, "pretrain_epochs": 1, "batch_size": 128}


@pytest.fixture(autouse=True)
def _small(monkeypatch, synthetic_mdata):
    mdata = synthetic_mdata.copy()
    del mdata.mod["protein"]
    for data in (mdata, *mdata.mod.values()):
        data.obs["cell_type"] = np.resize(["a", "b", "c", "d", "e", "f"], mdata.n_obs)
    for module in (familiarity, coverage):
        monkeypatch.setattr(module, "DATA", {"cortex": mdata.copy})


def test_novel_types_are_in_neither_training_nor_known_cells(synthetic_mdata):
    mdata = familiarity.DATA["cortex"]()
    split, known, novel = familiarity.novel_type_split(mdata, 1)
    types = mdata["rna"].obs["cell_type"].to_numpy()
    used = np.r_[split.train, split.validation, known]
    assert not set(types[novel]) & set(types[used])
    assert np.unique(np.r_[used, novel]).size == used.size + novel.size == mdata.n_obs


def test_familiarity_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(familiarity, "SCHEDULES", {"Butterfly": SHORT})
    arguments = ["--data", "cortex", "--models", "Butterfly", "--folds", "0", "1"]
    familiarity.main([*arguments, "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "familiarity.csv")
    assert list(table["source"]) == ["rna", "atac"] * 2
    assert table[["familiarity", "knn30", "low_depth"]].isin([0.0]).sum().sum() == 0
    assert "mean over folds [1]" in (tmp_path / "familiarity.md").read_text()
    assert (tmp_path / "familiarity.png").exists()


def test_coverage_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(coverage, "SCHEDULE", SHORT)
    coverage.main(["--data", "cortex", "--out", str(tmp_path)])
    table = pd.read_csv(tmp_path / "coverage.csv")
    assert set(table["depth"]) == {"measured", "predicted"}
    assert table["coverage"].between(0.7, 1).all()
    assert (table["closed_interval"] >= table["coverage"] - 0.02).all()


def test_simple_scores_find_what_is_far(synthetic_mdata):
    mdata = synthetic_mdata.copy()
    counts = mdata["rna"].X.toarray()
    counts[:10] = counts[:10, ::-1] * 9
    mdata["rna"].X = counts
    found = simple_scores(mdata, "rna", np.arange(10, 300))
    for name in ("knn10", "knn30", "mahalanobis", "odd_depth"):
        assert found[name][:10].mean() > found[name][10:].mean()


def test_threads_release_and_agree(monkeypatch):
    monkeypatch.setattr(soak, "N_PEAKS", 100)
    found = soak.translate_often(16)
    assert found["wrong"] == found["errors"] == found["queries_alive"] == 0
    assert found["managers_more"] <= 0  # those of other tests may go meanwhile
    assert found["growth_mb"] < 50


def test_models_and_data_are_released(monkeypatch):
    monkeypatch.setattr(soak, "N_CELLS", 60)
    assert soak.train_often(2)["models_and_data_alive"] == 0
