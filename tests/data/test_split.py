"""Splits: sorted, disjoint, in range, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scvi_xmodal.data import Split


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
