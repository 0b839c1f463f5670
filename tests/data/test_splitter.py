"""The splitter's parts and loaders."""

from __future__ import annotations

import numpy as np
import pytest
import scvi
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from scvi_xmodal.data import (
    ChunkedPairs,
    PairedDataset,
    PairedDataSplitter,
    Pairs,
    RowReader,
    Split,
)
from scvi_xmodal.data._splitter import check_loader_kwargs, external_indexing
from scvi_xmodal.model import Butterfly


@pytest.fixture
def manager(small):
    Butterfly.setup_mudata(small)
    return Butterfly._get_most_recent_anndata_manager(small)


@pytest.fixture
def readers(small):
    return {key: RowReader(small[key].X, n_features=small[key].n_vars) for key in small.mod}


def _rows_seen(loader, dense):
    read = np.vstack([minibatch["rna"].to_dense().numpy() for minibatch in loader])
    return [int(np.flatnonzero((dense == row).all(1))[0]) for row in read]


@pytest.fixture
def dense(small):
    return small["rna"].X.toarray()


@given(st.permutations(range(10)), st.lists(st.integers(0, 10), min_size=3, max_size=3))
def test_external_indexing_covers_every_cell_once(order, borders):
    first, second, third = sorted(borders)
    split = Split(order[:first], order[first:second], order[second:third])
    train, validation, test = external_indexing(split, 10)
    assert sorted(np.concatenate([train, validation, test])) == list(range(10))
    np.testing.assert_array_equal(train, split.train)
    np.testing.assert_array_equal(validation, split.validation)
    assert set(split.test) <= set(test)


def test_a_given_split_is_kept(manager, readers, dense):
    split = Split([7, 3, 1, 12], [0, 19], [5])
    splitter = PairedDataSplitter(manager, readers, split=split, batch_size=3)
    splitter.setup()
    assert sorted(_rows_seen(splitter.train_dataloader(), dense)) == [1, 3, 7, 12]
    assert _rows_seen(splitter.val_dataloader(), dense) == [0, 19]
    again = splitter.split()
    assert again.train.tolist() == [1, 3, 7, 12]
    assert again.validation.tolist() == [0, 19]
    assert again.train.size + again.validation.size + again.test.size == 20


def test_sizes_are_scvi_tools(manager, readers):
    split = PairedDataSplitter(manager, readers, train_size=0.5, validation_size=0.3).split()
    assert (split.train.size, split.validation.size, split.test.size) == (10, 6, 4)
    split = PairedDataSplitter(manager, readers).split()
    assert (split.train.size, split.validation.size, split.test.size) == (18, 2, 0)


def test_cells_are_drawn_by_scvi_tools_seed(manager, readers):
    splits = []
    for seed in (0, 1, 0):
        scvi.settings.seed = seed
        splits.append(PairedDataSplitter(manager, readers, train_size=0.5).split().train.tolist())
    assert splits[0] == splits[2] != splits[1]


def test_unshuffled_split_keeps_the_order(manager, readers):
    split = PairedDataSplitter(manager, readers, train_size=0.5, shuffle_set_split=False).split()
    assert split.validation.max() < split.train.min()


def test_external_indexing_as_in_scvi_tools(manager, readers):
    parts = [np.arange(12), np.arange(12, 16), np.arange(16, 20)]
    split = PairedDataSplitter(manager, readers, external_indexing=parts).split()
    assert [split.train.tolist(), split.validation.tolist(), split.test.tolist()] == [
        part.tolist() for part in parts
    ]


def test_empty_parts_have_no_loader(manager, readers):
    splitter = PairedDataSplitter(manager, readers, split=Split(np.arange(20)))
    splitter.setup()
    assert splitter.n_val == 0
    assert splitter.val_dataloader() is None
    assert splitter.test_dataloader() is None


def test_training_pairs_are_used_and_validation_stays_measured(small, manager, readers):
    pairs = Pairs({"rna": [1, 2, 3], "atac": [3, 3, 1]})
    splitter = PairedDataSplitter(
        manager, readers, split=Split([1, 2, 3], [4, 5]), pairs=pairs, batch_size=10
    )
    splitter.setup()
    (minibatch,) = splitter.train_dataloader()
    rna, atac = small["rna"].X.toarray(), small["atac"].X.toarray()
    read = {
        (own.tobytes(), other.tobytes())
        for own, other in zip(
            minibatch["rna"].to_dense().numpy(), minibatch["atac"].to_dense().numpy(), strict=True
        )
    }
    assert read == {(rna[a].tobytes(), atac[b].tobytes()) for a, b in ((1, 3), (2, 3), (3, 1))}
    (measured,) = splitter.val_dataloader()
    np.testing.assert_array_equal(measured["rna"].to_dense(), rna[[4, 5]])
    np.testing.assert_array_equal(measured["atac"].to_dense(), atac[[4, 5]])


def test_batches_reach_the_minibatches(manager, readers):
    codes = np.arange(20)
    splitter = PairedDataSplitter(manager, readers, split=Split([9, 2, 4], [0]), batch=codes)
    splitter.setup()
    (minibatch,) = splitter.train_dataloader()
    assert sorted(minibatch["rna_batch"].tolist()) == [2, 4, 9]


@pytest.mark.parametrize(
    ("layout", "kind"), [("h5ad_csr", ChunkedPairs), ("csr_matrix", PairedDataset)]
)
def test_rows_on_disk_are_read_by_chunks(small, manager, as_layout, dense, layout, kind):
    readers = {"rna": RowReader(as_layout(dense, layout), n_features=9)}
    splitter = PairedDataSplitter(manager, readers, split=Split(np.arange(20)), batch_size=6)
    splitter.setup()
    loader = splitter.train_dataloader()
    assert isinstance(loader, DataLoader)
    assert isinstance(loader.dataset, kind)
    assert sorted(_rows_seen(loader, dense)) == list(range(20))


def test_loader_keywords_reach_the_loader(manager, readers):
    splitter = PairedDataSplitter(
        manager, readers, split=Split(np.arange(20)), batch_size=6, num_workers=0, timeout=0
    )
    splitter.setup()
    assert splitter.train_dataloader().num_workers == 0


def test_processes_do_not_load_what_lies_in_a_file(manager, readers, as_layout, dense):
    PairedDataSplitter(manager, readers, split=Split(np.arange(20)), num_workers=2)
    readers["rna"] = RowReader(as_layout(dense, "h5ad_csr"), n_features=9)
    PairedDataSplitter(manager, readers, split=Split(np.arange(20)), num_workers=0)
    with pytest.raises(ValueError, match="num_workers=2 has no effect on counts in a file"):
        PairedDataSplitter(manager, readers, split=Split(np.arange(20)), num_workers=2)


@pytest.mark.parametrize("name", ["sampler", "batch_sampler", "collate_fn", "generator"])
def test_keywords_that_the_loader_sets_itself_are_refused(name):
    with pytest.raises(ValueError, match=f"unknown key '{name}'; known are .*'num_workers'"):
        check_loader_kwargs({name: None})


def test_keywords_of_workers_need_some():
    check_loader_kwargs({"persistent_workers": False, "timeout": 0})
    check_loader_kwargs({"num_workers": 1, "prefetch_factor": 2, "persistent_workers": True})
    with pytest.raises(ValueError, match=r"\['timeout'\]=5 .*add 'num_workers'"):
        check_loader_kwargs({"timeout": 5})
    with pytest.raises(ValueError, match=r"\['prefetch_factor'\] must be .*, got 0"):
        check_loader_kwargs({"num_workers": 1, "prefetch_factor": 0})


def test_given_validation_pairs_are_read(manager, readers, dense):
    splitter = PairedDataSplitter(
        manager,
        readers,
        split=Split(np.arange(10), np.arange(10, 14)),
        validation_pairs=Pairs({"rna": [13, 10, 10], "atac": [11, 11, 12]}),
    )
    splitter.setup()
    assert _rows_seen(splitter.val_dataloader(), dense) == [13, 10, 10]
