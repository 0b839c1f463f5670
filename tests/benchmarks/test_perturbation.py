"""The benchmark of perturbed profiles, on one type and one epoch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scvi_xmodal as xm
from benchmarks import perturbation
from benchmarks._perturbation_baselines import baseline_predictions, log_expression


@pytest.fixture(scope="module")
def cells():
    return xm.datasets.kang_pbmc()


def test_no_cell_of_the_left_out_type_is_seen(cells):
    split = perturbation.leave_out(cells, "B cells")
    seen = np.concatenate([split.train, split.validation])
    assert "B cells" not in set(cells.obs["cell_type"].iloc[seen])
    assert set(cells.obs["cell_type"].iloc[split.test]) == {"B cells"}
    assert seen.size + split.test.size == cells.n_obs


def test_the_mean_shift_is_that_of_the_types_means(cells):
    split = perturbation.leave_out(cells, "B cells")
    query = cells[(cells.obs["cell_type"] == "B cells") & (cells.obs["condition"] == "ctrl")]
    scale = float(np.median(cells.X[split.train].sum(axis=1).A1))
    obs, values = cells.obs.iloc[split.train], log_expression(cells[split.train], scale)
    shifts = []
    for name in obs["cell_type"].unique():
        own = (obs["cell_type"] == name).to_numpy()
        stimulated = (obs["condition"] == "stim").to_numpy()
        shifts.append(values[own & stimulated].mean(0) - values[own & ~stimulated].mean(0))
    expected = np.maximum(log_expression(query, scale) + np.mean(shifts, axis=0), 0)
    found = baseline_predictions(cells, split.train, query.copy())["control + mean shift"].X
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_report_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(perturbation, "MODELS", {"Butterfly": {}})
    arguments = ["--types", "CD8 T cells", "--max-epochs", "1", "--out", str(tmp_path)]
    arguments += ["--models", "baselines", "Butterfly"]
    perturbation.main(arguments)
    table = pd.read_csv(tmp_path / "perturbation.csv")
    assert set(table["prediction"]) >= {"control", "Butterfly", "control + mean shift"}
    text = (tmp_path / "perturbation.md").read_text()
    assert "Butterfly, drawn counts" in set(table["prediction"])
    assert "| Butterfly (at most 1 epochs) |" in text  # a training cut short is not its best
    assert "| control | 0 | 0 |" in text
    assert (tmp_path / "perturbation.png").exists()
    perturbation.main(arguments)  # what is there is not measured again
    assert len(pd.read_csv(tmp_path / "perturbation.csv")) == len(table)


def test_commits_of_digits_alone_stay_texts(tmp_path):
    pytest.importorskip("matplotlib")
    table = pd.read_csv(perturbation.RESULTS / "perturbation.csv").assign(commit="4896485")
    table.to_csv(tmp_path / "perturbation.csv", index=False)
    perturbation.main(["--report", "--out", str(tmp_path)])
    assert "commits 4896485." in (tmp_path / "perturbation.md").read_text()
