"""Splits: sorted, disjoint, in range, or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scvi_xmodal.data import Split
from scvi_xmodal.data._split import rows_to_learn_from


@given(st.permutations(range(12)), st.integers(0, 12), st.integers(0, 12))
def test_parts_are_kept_and_sorted(order, first, second):
    first, second = sorted((first, second))
    split = Split(order[:first], order[first:second], order[second:])
    assert split.train.tolist() == sorted(order[:first])
    assert split.validation.tolist() == sorted(order[first:second])
    assert split.test.tolist() == sorted(order[second:])
    assert all(part.dtype == np.int64 for part in (split.train, split.validation, split.test))


def test_validation_and_test_may_be_missing():
    split = Split(np.array([3, 1], dtype=np.uint8))
    assert repr(split) == "Split(train=2, validation=0, test=0)"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([0, 1], [1, 2]), "train and validation rows overlap: 1 shared, the first is 1"),
        (([0, 1], [2], [0]), "train and test rows overlap: 1 shared, the first is 0"),
        (([0], [2, 3], [3]), "validation and test rows overlap: 1 shared, the first is 3"),
        (([0, -1],), "train rows contain -1; rows count from 0"),
        (([0, 1, 1],), "train rows contain row 1 twice"),
        (([True, False, True],), r"dtype bool.*np\.flatnonzero\(mask\)"),
        (([0], [1.5]), "validation rows must be.*float64"),
        (([[0, 1]],), r"train rows must be a 1-d array.*\(1, 2\)"),
        ((["cell_1"],), "train rows must be"),
    ],
)
def test_impossible_splits_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Split(*parts)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_rows_beyond_the_data(part):
    split = Split(**{"train": [0], part: [5]})
    split.check_range(6)
    with pytest.raises(ValueError, match=rf"{part} rows go up to 5, but the data have 5 cells"):
        split.check_range(5)


def test_given_rows_are_not_changed():
    rows = np.array([2, 0, 1])
    Split(rows)
    assert rows.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("indices", "rows"),
    [
        (None, [0, 1, 2, 3]),
        ([3, 1], [1, 3]),
        (np.array([True, False, False, True]), [0, 3]),
        ([False, True, False, False], [1]),
    ],
)
def test_rows_to_learn_from(indices, rows):
    assert rows_to_learn_from(indices, 4).tolist() == rows


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([-1, 0], "^indices contain -1; rows count from 0"),
        ([1, 1], "^indices contain row 1 twice"),
        ([0, 4], "^indices go up to 4, but the data have 4 cells"),
        ([0.5], "^indices must be a 1-d array of row numbers, got dtype float64"),
        ([True, False], r"^The mask indices has shape \(2,\), but there are 4 cells"),
        (np.zeros(4, bool), "There are no cells to learn from"),
        ([], "There are no cells to learn from"),
        (Split([0, 1]), "indices is a Split.*indices=split.train"),
    ],
)
def test_no_rows_to_learn_from(indices, message):
    with pytest.raises(ValueError, match=message):
        rows_to_learn_from(indices, 4)


def test_a_mask_of_other_cells_teaches_nothing():
    mask = pd.Series([True, False], index=["a", "b"])
    assert rows_to_learn_from(mask, 2, mask.index).tolist() == [0]
    with pytest.raises(ValueError, match=r"indices\.loc\[data\.obs_names\]"):
        rows_to_learn_from(mask, 2, mask.index[::-1])
