from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from scvi_xmodal import pp
from scvi_xmodal.data import Split


def cells(n: int) -> AnnData:
    return AnnData(sparse.csr_matrix((n, 1), dtype=np.float32))


def labelled(labels: list[Any], key: str) -> AnnData:
    adata = cells(len(labels))
    adata.obs[key] = labels
    return adata


def check_turns(split: Split, rotations: list[Split]) -> None:
    """Assert that every cell that is not tested validates once and trains otherwise."""
    others = np.union1d(split.train, split.validation)
    validated = np.concatenate([own.validation for own in rotations])
    assert sorted(validated) == others.tolist()
    for own in rotations:
        assert own.validation.size
        assert own.train.size
        assert np.union1d(own.train, own.validation).tolist() == others.tolist()
        assert own.test.tolist() == split.test.tolist()


@settings(max_examples=40, deadline=None)
@given(n=st.integers(10, 60), n_rotations=st.integers(2, 8), seed=st.integers(0, 9))
def test_every_cell_validates_once(n: int, n_rotations: int, seed: int) -> None:
    data = cells(n)
    split = pp.split(data, seed=seed)
    rotations = pp.rotate_validation(data, split, n_rotations=n_rotations, seed=seed)
    assert len(rotations) == n_rotations
    check_turns(split, rotations)
    sizes = [own.validation.size for own in rotations]
    assert max(sizes) - min(sizes) <= 1


def test_batches_take_turns_whole() -> None:
    names = ["a", "b", "c", "d"] * 5
    data = labelled(names, "batch")
    split = pp.split(data, by="batch", fold=1)
    rotations = pp.rotate_validation(data, split, by="batch")
    assert len(rotations) == 3
    check_turns(split, rotations)
    for own in rotations:
        assert len({names[row] for row in own.validation}) == 1


def test_a_quarter_of_the_types_validates() -> None:
    names = [f"type {number % 12}" for number in range(240)]
    data = labelled(names, "kind of cell")
    split = pp.split(data, by="cell_type", key="kind of cell")
    rotations = pp.rotate_validation(data, split, by="cell_type", key="kind of cell")
    assert len(rotations) == 4
    check_turns(split, rotations)
    of_turn = [{names[row] for row in own.validation} for own in rotations]
    assert sum(map(len, of_turn)) == len(set.union(*of_turn)) == 8


def test_cells_of_the_only_batch_take_turns() -> None:
    data = labelled(["a"] * 20 + ["b"] * 20, "batch")
    split = pp.split(data, by="batch")  # a fifth of the one batch's cells validates
    rotations = pp.rotate_validation(data, split, by="batch")
    assert [own.validation.size for own in rotations] == [4] * 5
    check_turns(split, rotations)


def test_a_seed_is_a_choice_of_turns() -> None:
    data = cells(40)
    split = pp.split(data)
    first, again, other = (pp.rotate_validation(data, split, seed=seed) for seed in (0, 0, 1))
    assert first[0].validation.tolist() == again[0].validation.tolist()
    assert first[0].validation.tolist() != other[0].validation.tolist()


def test_a_split_without_validation_cells_takes_turns_too() -> None:
    split = Split(range(8), (), range(8, 10))
    rotations = pp.rotate_validation(cells(10), split, n_rotations=4)
    check_turns(split, rotations)


def test_cells_in_no_part_stay_there() -> None:
    data = labelled(["a", "b", "c", None] * 10, "cell_type")
    split = pp.split(data, by="cell_type", exclude=[None])
    check_turns(split, pp.rotate_validation(data, split, by="cell_type"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "donor"}, "by='donor'; known are"),
        ({"n_rotations": 1}, "n_rotations=1; it takes 2 or more"),
        ({"n_rotations": 2.5}, "n_rotations must be a whole number"),
        ({"n_rotations": 17}, "16 training and validation cells cannot take n_rotations=17"),
        ({"key": "batch"}, "key='batch' says nothing by='cell'"),
        ({"by": "batch", "key": "donor"}, r"There is no obs\['donor'\]"),
        ({"by": "batch", "n_rotations": 3}, "2 different labels, such as .*'a', 'b'"),
        ({"by": "cell_type"}, "1 of the split's 16 training and validation cells have no label"),
        ({"by": "batch", "split": Split((), (), range(4))}, "0 training and validation cells"),
        ({"split": (1, 2)}, "split must be a split, as xm.pp.split returns it"),
        ({"split": Split(range(30))}, "go up to 29, but the data have 20"),
    ],
)
def test_wrong_wishes_are_refused(arguments: dict[str, Any], message: str) -> None:
    data = labelled(["a", "b"] * 10, "batch")
    data.obs["cell_type"] = ["x", "y"] * 9 + ["x", None]
    given = {"split": Split(range(4, 20), (), range(4)), **arguments}
    with pytest.raises(ValueError, match=message):
        pp.rotate_validation(data, **given)
