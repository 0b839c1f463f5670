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


def test_order_of_cells_does_not_change_the_types(rng: np.random.Generator) -> None:
    types = np.repeat(list("abcdef"), [3, 4, 5, 6, 7, 8])
    order = rng.permutation(types.size)
    first = pp.split(labelled(list(types)), by="cell_type", fold=1)
    second = pp.split(labelled(list(types[order])), by="cell_type", fold=1)
    for rows, others in zip(parts(first), parts(second), strict=True):
        assert set(types[rows]) == set(types[order][others])


def test_excluded_labels_stand_in_no_part() -> None:
    types = ["a", "b", "c", "d", "Mis", None, "a", np.nan]
    split = pp.split(labelled(types), by="cell_type", exclude=["Mis", None])
    assert sorted(sum(parts(split), [])) == [0, 1, 2, 3, 6]
    with pytest.raises(ValueError, match=r"2 of 8 cells have no label.*exclude=\[None\]"):
        pp.split(labelled(types), by="cell_type", exclude=["Mis"])
    with pytest.raises(ValueError, match=r"exclude names \['mis'\]"):
        pp.split(labelled(types), by="cell_type", exclude=["mis", None])
    with pytest.raises(ValueError, match=r"exclude=\['Mis'\]"):
        pp.split(labelled(types), by="cell_type", exclude="Mis")


def test_clusters_rotate_over_the_largest() -> None:
    sizes = {"big": 9, "large": 8, "mid": 7, "small": 6, "tiny": 5, "rest": 2}
    labels = np.repeat(list(sizes), list(sizes.values()))
    order = list(sizes)[:5]
    for fold in range(5):
        split = pp.split(labelled(list(labels), "leiden"), by="cluster", key="leiden", fold=fold)
        train, validation, test = (set(labels[rows]) for rows in parts(split))
        assert validation == {order[fold]}
        assert test == {order[(fold + 1) % 5]}
        assert train == set(sizes) - validation - test
        assert sum(map(len, parts(split))) == labels.size


def test_too_few_clusters_are_an_error() -> None:
    adata = labelled(["a", "a", "b", "c"], "leiden")
    with pytest.raises(ValueError, match="There are 3 clusters, but 5"):
        pp.split(adata, by="cluster", key="leiden")
    assert parts(pp.split(adata, by="cluster", key="leiden", n_folds=2)) == ([3], [0, 1], [2])
    with pytest.raises(ValueError, match="There are 2 clusters, but 3"):
        pp.split(adata[:3], by="cluster", key="leiden", n_folds=2)
    with pytest.raises(ValueError, match="cannot be clustered"):
        pp.split(cells(2), by="cluster")


@pytest.fixture
def blobs(rng: np.random.Generator) -> tuple[AnnData, np.ndarray]:
    """Return cells of six well separated types with 60, 50, ... 10 cells, and the types."""
    types = rng.permutation(np.repeat(np.arange(6), [60, 50, 40, 30, 20, 10]))
    rate = np.full((6, 60), 0.3)
    for i in range(6):
        rate[i, i * 10 : (i + 1) * 10] = 12
    counts = rng.poisson(rate[types]).astype(np.float32)
    return AnnData(sparse.csr_matrix(counts)), types


def test_leiden_holds_out_whole_types(
    blobs: tuple[AnnData, np.ndarray], join: Callable[[Any], MuData]
) -> None:
    adata, types = blobs
    before = adata.X.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = pp.split(adata, by="cluster", n_folds=3, fold=0)
    assert np.unique(types[split.validation]).size == np.unique(types[split.test]).size == 1
    assert split.validation.size >= split.test.size
    assert split.train.size + split.validation.size + split.test.size == 210
    assert parts(pp.split(adata, by="cluster", n_folds=3)) == parts(split)
    assert (adata.X != before).nnz == 0
    assert not adata.obsm
    mdata = join({"rna": adata[::-1].copy(), "atac": adata.copy()})
    same = pp.split(mdata, by="cluster", n_folds=3)
    rows = adata.obs_names.get_indexer(mdata.obs_names)
    assert np.unique(types[rows[same.validation]]).size == 1


def test_clusters_need_counts_of_every_cell(
    blobs: tuple[AnnData, np.ndarray], join: Callable[[Any], MuData]
) -> None:
    adata, _ = blobs
    logged = adata.copy()
    logged.layers["counts"] = adata.X.copy()
    logged.X.data = np.log1p(logged.X.data)
    with pytest.raises(ValueError, match="not a whole number"):
        pp.split(logged, by="cluster")
    expected = parts(pp.split(adata, by="cluster", n_folds=3))
    assert parts(pp.split(logged, by="cluster", n_folds=3, layer="counts")) == expected
    with pytest.raises(ValueError, match=r"layers\['raw'\] does not exist"):
        pp.split(logged, by="cluster", layer="raw")
    with pytest.raises(ValueError, match="No rna modality"):
        pp.split(join({"atac": adata.copy()}), by="cluster")
    with pytest.raises(ValueError, match="10 cells were not measured in 'rna'"):
        pp.split(join({"rna": adata[10:].copy(), "atac": adata.copy()}), by="cluster")


def test_labels_are_found_in_modalities(mdata: MuData) -> None:
    assert list(mdata.obs) == []
    expected = parts(pp.split(mdata["rna"], by="cell_type"))
    assert parts(pp.split(mdata, by="cell_type")) == expected
    assert parts(pp.split(mdata, by="cell_type", key="atac:cell_type")) == expected
    mdata.obs["cell_type"] = mdata["rna"].obs["cell_type"].to_numpy()
    mdata["atac"].obs["cell_type"] = "old"
    assert parts(pp.split(mdata, by="cell_type")) == expected  # mdata.obs comes first


def test_labels_pulled_by_old_mudata_are_found(mdata: MuData) -> None:
    expected = parts(pp.split(mdata, by="batch"))
    for adata in mdata.mod.values():
        batch = adata.obs.pop("batch")
    mdata.obs["rna:batch"] = batch.to_numpy()
    assert parts(pp.split(mdata, by="batch")) == expected
    assert parts(pp.split(mdata, by="batch", key="rna:batch")) == expected


def test_modalities_must_agree_on_labels(mdata: MuData) -> None:
    mdata["atac"].obs["batch"] = ["three", *mdata["atac"].obs["batch"].iloc[1:]]
    with pytest.raises(ValueError, match="disagree on .*'cell0': 'one' and 'three'"):
        pp.split(mdata, by="batch")
    assert pp.split(mdata, by="batch", key="rna:batch").test.size == 20


def test_modalities_complete_each_others_labels(
    mdata: MuData, join: Callable[[Any], MuData]
) -> None:
    mosaic = join({"rna": mdata["rna"][:25].copy(), "atac": mdata["atac"][15:][::-1].copy()})
    split = pp.split(mosaic, by="batch")
    batch = mdata["rna"].obs["batch"]
    assert split.train.size + split.validation.size + split.test.size == 40
    assert batch[mosaic.obs_names[split.test]].nunique() == 1


def test_numbers_and_categories_are_labels_too() -> None:
    adata = labelled([1, 2, 3, 1, 2, 3], "batch")
    expected = parts(pp.split(adata, by="batch"))
    adata.obs["batch"] = adata.obs["batch"].astype(str).astype("category")
    assert parts(pp.split(adata, by="batch")) == expected


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
        ({"key": "batch"}, "say nothing by='cell'"),
        ({"exclude": ["B"]}, "say nothing by='cell'"),
        ({"by": "cluster", "exclude": ["B"]}, "give key="),
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
        warnings.simplefilter("error")
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
