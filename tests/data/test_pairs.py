"""The table of pairs, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scvi_xmodal.data import Pairs, Split
from scvi_xmodal.data._pairs import check_training_rows


def test_rows_become_int64_of_one_dimension():
    pairs = Pairs({"rna": [2, 0], "atac": pd.Series([1, 1])})
    assert len(pairs) == 2
    assert pairs.rows["rna"].tolist() == [2, 0]
    assert all(rows.dtype == np.int64 for rows in pairs.rows.values())


def test_measured_pairs_each_cell_with_itself():
    table = Pairs.measured(["rna", "atac", "protein"], [4, 2]).to_dataframe()
    assert table.columns.tolist() == ["rna", "atac", "protein"]
    assert (table.to_numpy() == [[4, 4, 4], [2, 2, 2]]).all()


def test_no_pairs_have_length_0():
    assert len(Pairs({"rna": [], "atac": []})) == 0
    assert len(Pairs({})) == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"rna": [0, 1], "atac": [0]}, r"one row of each modality.*'rna': 2, 'atac': 1"),
        ({"rna": [0, -3], "atac": [0, 1]}, "row -3 of 'rna'; rows count from 0"),
        ({"rna": [0.5, 1], "atac": [0, 1]}, r"whole row numbers.*'rna'.*float64"),
        ({"rna": [True, False], "atac": [0, 1]}, r"'rna'.*bool.*np\.flatnonzero"),
    ],
    ids=["lengths", "negative", "float", "mask"],
)
def test_what_is_no_table_of_rows_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        Pairs(rows)


def test_given_arrays_are_not_changed():
    rows = np.array([[3], [1]], dtype=np.int32)
    pairs = Pairs({"rna": rows, "atac": rows})
    pairs.rows["rna"][:] = 0
    assert rows.tolist() == [[3], [1]]


class TestChecks:
    split = Split([0, 1, 2, 3], validation=[4], test=[5])

    def test_training_rows_pass(self):
        check_training_rows(np.array([0, 3, 3]), "rna", self.split, 7)

    def test_cells_outside_the_split_pass(self):
        check_training_rows(np.array([6, 1]), "rna", self.split, 7)

    @pytest.mark.parametrize("row", [4, 5])
    def test_held_out_cells_are_a_leak(self, row):
        with pytest.raises(ValueError, match=rf"1 of the pairs' 'atac' rows.*first is {row}"):
            check_training_rows(np.array([0, row]), "atac", self.split, 7)

    def test_rows_beyond_the_data(self):
        with pytest.raises(ValueError, match="row 7 of 'atac', but there are 7 cells"):
            check_training_rows(np.array([0, 7]), "atac", self.split, 7)

    def test_missing_modality(self):
        with pytest.raises(ValueError, match=r"no rows for \['protein'\].*\['rna', 'atac'\]"):
            Pairs({"rna": [0, 1], "atac": [0, 1]}).check_complete(["rna", "protein"])

    @pytest.mark.parametrize("rows", [[], [2]], ids=["none", "one"])
    def test_too_few_pairs(self, rows):
        with pytest.raises(ValueError, match=rf"{len(rows)} pairs are too few; at least 2"):
            Pairs({"rna": rows, "atac": rows}).check_complete(["rna", "atac"])


class TestPurity:
    def test_share_of_pairs_with_one_label(self):
        pairs = Pairs({"rna": [0, 1, 2], "atac": [0, 2, 1], "protein": [0, 2, 2]})
        assert pairs.purity(["a", "b", "b"]) == 1
        assert pairs.purity(pd.Series(["a", "b", "c"], index=[9, 8, 7])) == pytest.approx(1 / 3)

    def test_modalities_may_have_cells_of_their_own(self):
        pairs = Pairs({"rna": [0, 1], "atac": [3, 0]})
        assert pairs.purity({"rna": ["a", "b"], "atac": ["a", "x", "x", "a"]}) == 0.5

    def test_a_missing_label_agrees_with_none(self):
        pairs = Pairs({"rna": [0, 1], "atac": [0, 1]})
        assert pairs.purity(["a", None]) == 0.5
        assert pairs.purity(pd.Series(["a", np.nan], dtype="category")) == 0.5

    def test_of_no_pairs(self):
        assert np.isnan(Pairs({"rna": [], "atac": []}).purity(["a"]))


def test_a_table_is_the_same_in_all_epochs():
    pairs = Pairs({"rna": [0, 1]})
    assert pairs.draw(3) is pairs
    assert pairs.sources is pairs.rows
