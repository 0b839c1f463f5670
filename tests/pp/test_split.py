from __future__ import annotations

import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from scvi_xmodal import pp
from scvi_xmodal.data import Split

if TYPE_CHECKING:
    from collections.abc import Callable

    from mudata import MuData


def parts(split: Split) -> tuple[list[int], list[int], list[int]]:
    return split.train.tolist(), split.validation.tolist(), split.test.tolist()


def cells(n: int) -> AnnData:
    return AnnData(sparse.csr_matrix((n, 1), dtype=np.float32))


def labelled(labels: list[Any], key: str = "cell_type") -> AnnData:
    adata = cells(len(labels))
    adata.obs[key] = labels
    return adata


@pytest.mark.parametrize("n", [100, 203])
def test_folds_of_cells_are_64_16_20(n: int) -> None:
    folds = [pp.split(cells(n), fold=fold) for fold in range(5)]
    for split in folds:
        assert isinstance(split, Split)
        assert split.test.size == pytest.approx(0.2 * n, abs=1)
        assert split.validation.size == pytest.approx(0.16 * n, abs=1)
        everything = np.concatenate([split.train, split.validation, split.test])
        assert sorted(everything) == list(range(n))
    tested = np.concatenate([split.test for split in folds])
    assert sorted(tested) == list(range(n))
    assert len({tuple(split.validation) for split in folds}) == 5


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 60),
    n_folds=st.integers(2, 60),
    fold=st.integers(0, 59),
    seed=st.integers(0, 100),
    fraction=st.sampled_from([None, 0, 0.2, 0.99]),
)
def test_any_split_of_cells_is_complete(
    n: int, n_folds: int, fold: int, seed: int, fraction: float | None
) -> None:
    options = {"n_folds": n_folds, "fold": fold, "seed": seed, "validation_fraction": fraction}
    if fold >= n_folds or n < n_folds:
        with pytest.raises(ValueError, match="fold"):
            pp.split(cells(n), **options)
        return
    split = pp.split(cells(n), **options)
    everything = np.concatenate([split.train, split.validation, split.test])
    assert sorted(everything) == list(range(n))
    assert split.train.size
    assert split.test.size
    if fraction == 0:
        assert not split.validation.size


def test_one_seed_gives_one_split() -> None:
    assert parts(pp.split(cells(50), seed=3)) == parts(pp.split(cells(50), seed=3))
    assert parts(pp.split(cells(50), seed=3)) != parts(pp.split(cells(50), seed=4))


def test_batches_are_held_out_whole() -> None:
    batch = np.repeat(["a", "b", "c", "d"], [5, 6, 7, 8])
    adata = labelled(list(batch), "batch")
    tested, validated = [], []
    for fold in range(4):
        split = pp.split(adata, by="batch", fold=fold)
        train, validation, test = (set(batch[rows]) for rows in parts(split))
        assert len(test) == len(validation) == 1
        assert len(train) == 2
        assert not train & validation | train & test | validation & test
        assert split.test.size == (batch == next(iter(test))).sum()
        tested.append(*test)
        validated.append(*validation)
    assert sorted(tested) == sorted(validated) == ["a", "b", "c", "d"]


def test_two_batches_validate_on_training_cells() -> None:
    batch = np.repeat(["a", "b"], [50, 30])
    split = pp.split(labelled(list(batch), "batch"), by="batch", fold=1)
    (test,) = set(batch[split.test])
    trained = batch[np.concatenate([split.train, split.validation])]
    assert set(trained) == {"a", "b"} - {test}
    assert split.validation.size == round(0.2 * trained.size)
    assert split.train.size + split.validation.size + split.test.size == 80
    other = pp.split(labelled(list(batch), "batch"), by="batch", fold=1, validation_fraction=0)
    assert not other.validation.size


def test_batches_can_be_grouped_into_folds() -> None:
    batch = np.tile(["a", "b", "c", "d", "e"], 4)
    adata = labelled(list(batch), "donor")
    tested = [
        set(batch[pp.split(adata, by="batch", key="donor", n_folds=2, fold=fold).test])
        for fold in (0, 1)
    ]
    assert sorted(map(len, tested)) == [2, 3]
    assert tested[0] | tested[1] == set("abcde")


def test_cell_types_are_split_in_thirds_as_in_the_paper() -> None:
    types = np.repeat([f"type{i:02}" for i in range(12)], 3)
    tested = []
    for fold in range(3):
        split = pp.split(labelled(list(types)), by="cell_type", fold=fold, seed=5)
        train, validation, test = (set(types[rows]) for rows in parts(split))
        assert (len(train), len(validation), len(test)) == (6, 2, 4)
        assert not train & validation | train & test | validation & test
        tested.extend(test)
    assert sorted(tested) == sorted(set(types))


def test_folds_of_types_hold_similar_numbers_of_cells(cortex: MuData) -> None:
    splits = [pp.split(cortex, by="cell_type", exclude=["Mis"], fold=fold) for fold in range(3)]
    types = cortex["rna"].obs["cell_type"].astype(str).to_numpy()
    n_types = [len(set(types[split.test])) for split in splits]
    assert max(n_types) - min(n_types) <= 1
    # as even as whole types allow: the folds differ by no more than the largest type
    n_cells = [split.test.size for split in splits]
    assert max(n_cells) - min(n_cells) <= np.unique(types, return_counts=True)[1].max()
    for split in splits:
        assert split.train.size > split.validation.size


@pytest.mark.parametrize("by", ["batch", "cell_type", "cluster"])
def test_random_cells_validate_if_wanted(by: str) -> None:
    groups = np.repeat(list("abcdef"), [30, 31, 32, 33, 34, 35])
    adata = labelled(list(groups), "group")
    whole = pp.split(adata, by=by, key="group", fold=1, n_folds=3)
    drawn = pp.split(adata, by=by, key="group", fold=1, n_folds=3, validation_by="cell")
    np.testing.assert_array_equal(np.sort(drawn.test), np.sort(whole.test))
    cells = np.concatenate([drawn.train, drawn.validation])
    np.testing.assert_array_equal(np.sort(cells), np.setdiff1d(np.arange(195), drawn.test))
    assert drawn.validation.size == round(0.2 * cells.size)
    assert set(groups[drawn.train]) == set(groups[drawn.validation]) == set(groups[cells])
    again = {"by": by, "key": "group", "fold": 1, "n_folds": 3, "validation_by": "cell"}
    few = pp.split(adata, **again, validation_fraction=0.1)
    assert few.validation.size == round(0.1 * cells.size)
    assert not pp.split(adata, **again, validation_fraction=0).validation.size
    other = pp.split(adata, **again, seed=1)
    assert set(other.validation) != set(drawn.validation)


def test_cells_without_a_label_do_not_validate() -> None:
    types = np.repeat(["a", "b", "c", "Mis"], 10)
    split = pp.split(labelled(list(types)), by="cell_type", exclude=["Mis"], validation_by="cell")
    assert set(types[np.concatenate(parts(split))]) == {"a", "b", "c"}


def test_order_of_cells_does_not_change_the_types(rng: np.random.Generator) -> None:
    types = np.repeat(list("abcdef"), [3, 4, 5, 6, 7, 8])
    order = rng.permutation(types.size)
    first = pp.split(labelled(list(types)), by="cell_type", fold=1)
    second = pp.split(labelled(list(types[order])), by="cell_type", fold=1)
    for rows, others in zip(parts(first), parts(second), strict=True):
        assert set(types[rows]) == set(types[order][others])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "donor"}, "by='donor'; known are .'cell', 'batch'"),
        ({"fold": 5}, "fold=5; with n_folds=5"),
        ({"fold": -1}, "fold=-1"),
        ({"n_folds": 1}, "n_folds=1"),
        ({"n_folds": 41}, "40 cells cannot be cut"),
        ({"by": "batch", "fold": 2}, "fold=2; with n_folds=2"),
        ({"by": "batch", "n_folds": 3}, "2 different labels"),
        ({"by": "cell_type", "n_folds": 5}, "4 different labels"),
        ({"by": "batch", "key": "donor"}, r"no obs\['donor'\].*'rna:cell_type', 'rna:batch'"),
        ({"by": "cluster", "key": "cell_type", "fold": 5}, "fold=5"),
        ({"validation_fraction": 1}, "validation_fraction=1"),
        ({"validation_fraction": -0.1}, "validation_fraction=-0.1"),
        ({"by": "cluster", "validation_fraction": 0.1}, "a cluster validates"),
        ({"validation_by": "batch"}, "validation_by='batch'; known are .'same', 'cell'"),
        ({"key": "batch"}, "say nothing by='cell'"),
        ({"exclude": ["B"]}, "say nothing by='cell'"),
        ({"by": "cluster", "exclude": ["B"]}, "give key="),
        ({"layer": "nope"}, "layer='nope' says nothing here"),
        ({"by": "cluster", "key": "cell_type", "layer": "counts"}, "layer='counts' says nothing"),
    ],
)
def test_mistakes_are_named(mdata: MuData, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pp.split(mdata, **options)


def test_one_label_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="There are 1 different labels"):
        pp.split(labelled(["a", "a"], "batch"), by="batch")


def test_splitting_changes_nothing(mdata: MuData, digest: Callable[[Any], str]) -> None:
    before = digest(mdata)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for by in ("cell", "batch", "cell_type"):
            pp.split(mdata, by=by)
    assert digest(mdata) == before


def test_cortex_splits_by_type_without_the_unassigned(cortex: MuData) -> None:
    split = pp.split(cortex, by="cell_type", exclude=["Mis"])
    types = cortex["rna"].obs["cell_type"].astype(str).to_numpy()
    used = np.concatenate([split.train, split.validation, split.test])
    assert set(types[used]) == set(types) - {"Mis"}
    assert used.size == (types != "Mis").sum()


def test_import_loads_neither_torch_nor_scanpy() -> None:
    code = (
        "import sys, scvi_xmodal.pp\n"
        "print(sorted({'torch', 'scvi', 'scanpy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
