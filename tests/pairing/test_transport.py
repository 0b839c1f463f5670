"""Optimal transport between conditions, against linear assignment and brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import scvi_xmodal as xm
from scvi_xmodal.pairing import by_optimal_transport
from scvi_xmodal.pairing._matching import match_cells

CONDITIONS = ("condition", "ctrl", "stim")


@pytest.fixture(scope="module")
def kang():
    return xm.datasets.kang_pbmc()


@pytest.fixture
def cells():
    """Two types of 12 and 9 control and 10 and 9 perturbed cells, plus one other condition."""
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "condition": ["ctrl"] * 21 + ["stim"] * 19 + ["other"] * 2,
            "cell_type": ["B"] * 12 + ["T"] * 9 + ["B"] * 10 + ["T"] * 9 + ["B"] * 2,
        },
        index=[f"c{i}" for i in range(42)],
    )
    return AnnData(rng.poisson(2.0, (42, 15)).astype(np.float32), obs=obs)


def _cost(first, second, i, j):
    return np.linalg.norm(first[i] - second[j], axis=1).sum()


@pytest.mark.parametrize("seed", range(3))
def test_square_problems_are_linear_assignment(seed):
    first, second = np.random.default_rng(seed).normal(size=(2, 30, 4))
    best = linear_sum_assignment(cdist(first, second))
    for assignment in ("transport", "one_to_one"):
        i, j = match_cells(first, second, assignment)
        assert sorted(i) == sorted(j) == list(range(30))
        np.testing.assert_array_equal(j, best[1])


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("assignment", ["transport", "one_to_one"])
def test_tiny_problems_are_brute_force(size, assignment):
    first, second = np.random.default_rng(size).normal(size=(2, size, 3))
    i, j = match_cells(first, second, assignment)
    least = min(
        _cost(first, second, range(size), list(order)) for order in permutations(range(size))
    )
    np.testing.assert_allclose(_cost(first, second, i, j), least)


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (1, 6), (6, 1)])
def test_rectangular_problems(shape):
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(shape[0], 2)), rng.normal(size=(shape[1], 2))
    for assignment in ("transport", "sinkhorn"):
        i, j = match_cells(first, second, assignment)
        assert i.tolist() == list(range(shape[0]))
        assert j.max() < shape[1]
    i, j = match_cells(first, second, "one_to_one")
    assert len(set(i)) == len(set(j)) == min(shape)


def test_repeated_points_are_transport_with_whole_numbers():
    """Two controls a perturbed cell: each perturbed cell receives exactly its two nearest."""
    second = np.array([[0.0], [10.0], [20.0]])
    first = np.repeat(second, 2, axis=0) + np.array([[0.1], [-0.2]] * 3)
    assert match_cells(first, second, "transport")[1].tolist() == [0, 0, 1, 1, 2, 2]


def test_sinkhorn_approaches_the_exact_transport():
    rng = np.random.default_rng(3)
    first = np.repeat(np.eye(4) * 20, 5, axis=0) + rng.normal(size=(20, 4))
    second = np.repeat(np.eye(4) * 20, 5, axis=0) + rng.normal(size=(20, 4))
    j = match_cells(first, second, "sinkhorn")[1]
    np.testing.assert_array_equal(j // 5, np.arange(20) // 5)


def test_sinkhorn_bears_points_far_away():
    first = np.vstack([np.zeros((30, 2)) + np.arange(30)[:, None] * 0.01, [[1e4, 0.0]]])
    j = match_cells(first, first, "sinkhorn")[1]
    assert j[-1] == 30


def test_each_control_cell_has_a_partner_of_its_label(cells):
    pairs = by_optimal_transport(cells, *CONDITIONS, "cell_type", n_pcs=5)
    assert list(pairs.rows) == ["control", "perturbed"]
    assert sorted(pairs.rows["control"]) == list(range(21))
    assert pairs.purity(cells.obs["cell_type"]) == 1
    assert set(cells.obs["condition"].iloc[pairs.rows["perturbed"]]) == {"stim"}


def test_pairs_are_those_of_the_embedded_cells(cells):
    """One label with as many cells on each side, against assignment on a dense SVD."""
    rows = np.flatnonzero((cells.obs["cell_type"] == "T").to_numpy())
    pairs = by_optimal_transport(cells, *CONDITIONS, "cell_type", indices=rows, n_pcs=5)
    counts = cells.X[rows].astype(np.float64)
    library = counts.sum(axis=1)
    values = np.log1p(counts / library[:, None] * np.median(library))
    left, scale, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    points = (left * scale)[:, :5]
    expected = linear_sum_assignment(cdist(points[:9], points[9:]))[1]
    np.testing.assert_array_equal(pairs.rows["perturbed"], rows[9:][expected])


def test_one_to_one_uses_no_cell_twice(cells):
    pairs = by_optimal_transport(cells, *CONDITIONS, "cell_type", assignment="one_to_one")
    assert len(pairs) == 19
    for rows in pairs.rows.values():
        assert len(set(rows)) == 19


def test_without_labels_all_cells_are_one_group(cells):
    pairs = by_optimal_transport(cells, *CONDITIONS)
    assert sorted(pairs.rows["control"]) == list(range(21))
    assert pairs.purity(cells.obs["cell_type"]) < 1


def test_only_training_cells_are_paired_and_looked_at(cells):
    train = np.r_[0:18, 21:36]
    pairs = by_optimal_transport(cells, *CONDITIONS, "cell_type", indices=train)
    changed = cells.copy()
    held_out = np.setdiff1d(np.arange(42), train)
    changed.X[held_out] = 77
    again = by_optimal_transport(changed, *CONDITIONS, "cell_type", indices=train)
    assert pairs.to_dataframe().equals(again.to_dataframe())
    assert all(np.isin(rows, train).all() for rows in pairs.rows.values())


def test_a_type_whose_perturbed_cells_are_held_out_has_no_pairs(kang):
    train = np.flatnonzero(
        ~((kang.obs["cell_type"] == "B cells") & (kang.obs["condition"] == "stim")).to_numpy()
    )
    train = np.intersect1d(train, np.arange(0, kang.n_obs, 4))
    pairs = by_optimal_transport(kang, *CONDITIONS, "cell_type", indices=train, n_pcs=10)
    assert "B cells" not in set(kang.obs["cell_type"].iloc[pairs.rows["control"]])


def test_cells_without_a_condition_are_left_out(cells):
    cells.obs["condition"] = cells.obs["condition"].mask(np.isin(np.arange(42), [3, 25]))
    pairs = by_optimal_transport(cells, *CONDITIONS, "cell_type")
    assert sorted(pairs.rows["control"]) == [0, 1, 2, *range(4, 21)]
    assert 25 not in pairs.rows["perturbed"]


def test_one_cell_on_a_side(cells):
    train = np.r_[0:12, 21]  # 12 controls and one perturbed B cell
    pairs = by_optimal_transport(cells, *CONDITIONS, "cell_type", indices=train)
    assert pairs.rows["perturbed"].tolist() == [21] * 12


@pytest.mark.parametrize("assignment", ["transport", "one_to_one"])
def test_groups_too_large_are_cut_with_a_warning(cells, assignment):
    said = r"21 control and 19 perturbed.*max_cells=6: .*cut at random into 4.*less than \.1 GB"
    with pytest.warns(UserWarning, match=said):
        pairs = by_optimal_transport(cells, *CONDITIONS, assignment=assignment, max_cells=6)
    n_pairs = {"transport": 21, "one_to_one": 19}[assignment]
    assert len(set(pairs.rows["control"])) == n_pairs
    with pytest.warns(UserWarning, match="cut at random"):
        again = by_optimal_transport(cells, *CONDITIONS, assignment=assignment, max_cells=6)
    assert pairs.to_dataframe().equals(again.to_dataframe())


def test_the_data_stay_as_they_are(cells):
    before = cells.copy()
    by_optimal_transport(cells, *CONDITIONS, "cell_type")
    np.testing.assert_array_equal(cells.X, before.X)
    assert cells.obs.equals(before.obs)


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "options", "message"),
        [
            (("condition", "ctrl", "ctrl"), {}, "both 'ctrl': two different conditions"),
            (("condition", "ctrl", "IFN"), {}, r"perturbed='IFN' occurs nowhere.*'ctrl', 'other'"),
            (("condition", "none", "stim"), {}, r"control='none' occurs nowhere"),
            (("treatment", "ctrl", "stim"), {}, r"'treatment' is no column.*'condition'"),
            (CONDITIONS, {"labels_key": "tissue"}, r"no obs\['tissue'\].*labels_key="),
            (CONDITIONS, {"indices": range(21)}, "None of the 21 training cells has the perturb"),
            (CONDITIONS, {"labels_key": "cell_type", "indices": np.r_[0:12, 31:40]}, "no label"),
            (CONDITIONS, {"assignment": "greedy"}, "'greedy'"),
            (CONDITIONS, {"n_pcs": 0}, "n_pcs=0"),
            (CONDITIONS, {"max_cells": 0}, "max_cells=0"),
            (CONDITIONS, {"layer": "counts"}, "'counts'"),
        ],
    )
    def test_is_named(self, cells, arguments, options, message):
        with pytest.raises(ValueError, match=message):
            by_optimal_transport(cells, *arguments, **options)

    def test_missing_labels(self, cells):
        cells.obs["cell_type"] = cells.obs["cell_type"].mask(np.arange(42) == 3)
        with pytest.raises(ValueError, match="1 of 21 training cells have no label"):
            by_optimal_transport(cells, *CONDITIONS, "cell_type")

    def test_no_counts(self, cells):
        cells.X = np.log1p(cells.X)
        with pytest.raises(ValueError, match="not a whole number: raw counts are needed"):
            by_optimal_transport(cells, *CONDITIONS, "cell_type")
