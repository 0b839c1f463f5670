"""The published models without a front end: what they are given, and what is made of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

import scvi_xmodal as xm
from benchmarks import _accuracy_wheel_protein, perturbation
from benchmarks._accuracy_data import load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._accuracy_models import Cost
from benchmarks._accuracy_wheel import wheel
from benchmarks._accuracy_wheel_protein import floored
from benchmarks._perturbation_wheel import WHEEL

COST = Cost(wall=1.0, cpu=1.0, peak_rss=1, versions={})


@pytest.fixture(scope="module")
def task():
    return prepare(load("bmmc_citeseq", None), Job("bmmc_citeseq", "cell", 0, "wheel"))[0]


@pytest.fixture
def driver(monkeypatch):
    """Note what the other environment would be given, and answer with it."""
    given = {}

    def run(python, module, *, matrices, arrays, options):
        given.update(module=module, matrices=matrices, arrays=arrays, options=options)
        # a perturbed cell's prediction is made from its control side
        rows = arrays["test_first"]
        return {side: own.toarray()[rows] - 0.5 for side, own in matrices.items()}, COST

    monkeypatch.setattr(_accuracy_wheel_protein, "run_driver", run)
    monkeypatch.setattr(_accuracy_wheel_protein, "wheel_python", lambda: "python")
    return SimpleNamespace(given=given)


def test_the_model_of_proteins_gets_both_sides_and_no_test_cell_to_train_on(task, driver):
    predicted = wheel(task, {}, {"patience": 3})
    given = driver.given
    n_paired, n_test = task.training.n_obs, task.queries["rna"].n_obs
    rows = [given["arrays"][f"{part}_first"] for part in ("train", "validation", "test")]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(n_paired + n_test))
    np.testing.assert_array_equal(rows[2], n_paired + np.arange(n_test))
    assert given["options"]["module"] == "train_model_cite"
    assert given["options"]["train"]["patience"] == 3

    counts = sparse.vstack([task.training["rna"].X, task.queries["rna"].X]).toarray()
    library = counts.sum(axis=1, keepdims=True)
    expected = np.log1p(counts / library * np.median(library))
    np.testing.assert_allclose(given["matrices"]["first"].toarray(), expected, rtol=1e-4)
    proteins = given["matrices"]["second"].toarray()
    np.testing.assert_allclose(proteins.mean(axis=1), 0, atol=1e-5)

    rna = predicted.translate("protein", "rna").scored
    np.testing.assert_allclose(rna.X, np.maximum(expected[n_paired:] - 0.5, 0), rtol=1e-4)
    protein = predicted.translate("rna", "protein").scored
    assert (protein.X < 0).any()  # a log-ratio below 0 is no rounding error
    assert list(protein.var_names) == list(task.queries["protein"].var_names)


def test_the_model_of_proteins_has_no_options(task, driver):
    with pytest.raises(ValueError, match="as published"):
        wheel(task, {"dropout_rate": 0.4}, {})
    assert not driver.given


def test_the_model_of_perturbed_cells_gets_butterflys_pairs_and_predicts_control_cells(driver):
    cells = xm.datasets.kang_pbmc()
    (row,) = perturbation.measure("B cells", 0, [WHEEL], epochs=2)
    given = driver.given
    assert given["options"]["module"] == "train_model_perturb"
    assert given["options"]["train"]["translator_epoch"] == 2
    conditions = cells.obs["condition"].to_numpy()
    types = cells.obs["cell_type"].to_numpy()
    for part in ("train", "validation"):
        first, second = (given["arrays"][f"{part}_{side}"] for side in ("first", "second"))
        assert set(conditions[first]) == {"ctrl"}
        assert set(conditions[second]) == {"stim"}
        np.testing.assert_array_equal(types[first], types[second])
        assert "B cells" not in set(types[first])
    test = given["arrays"]["test_first"]
    assert set(types[test]) == {"B cells"}
    assert set(conditions[test]) == {"ctrl"}
    assert row["n_cells_predicted"] == test.size
    assert row["cpu_seconds"] == COST.cpu


def test_small_values_are_called_0_as_the_wheel_does():
    np.testing.assert_array_equal(floored(np.array([-1, 5e-5, 2e-4])), [0, 0, 2e-4])
