"""Minibatches: every pair once, never one cell alone, the same for one seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scvi_xmodal.data import MinibatchSampler, PairedDataset, Pairs, RowReader, paired_loader
from scvi_xmodal.data import _dataset as dataset_module


@given(n_pairs=st.integers(0, 150), batch_size=st.integers(2, 40), shuffle=st.booleans())
def test_every_pair_comes_once_and_none_alone(n_pairs, batch_size, shuffle):
    sampler = MinibatchSampler(n_pairs, batch_size=batch_size, shuffle=shuffle)
    minibatches = list(sampler)
    assert len(minibatches) == len(sampler)
    together = np.concatenate([np.empty(0, int), *minibatches])
    np.testing.assert_array_equal(np.sort(together), np.arange(n_pairs))
    sizes = [len(numbers) for numbers in minibatches]
    assert n_pairs == 1 or 1 not in sizes
    assert all(size == batch_size for size in sizes[:-1])
    assert all(size <= batch_size + 1 for size in sizes[-1:])


@given(n_pairs=st.integers(1, 60), batch_size=st.integers(1, 20))
def test_unshuffled_is_the_tables_order(n_pairs, batch_size):
    sampler = MinibatchSampler(n_pairs, batch_size=batch_size, shuffle=False)
    np.testing.assert_array_equal(np.concatenate(list(sampler)), np.arange(n_pairs))


def test_shuffling_follows_torchs_seed_and_changes_by_epoch():
    sampler = MinibatchSampler(50, batch_size=50, shuffle=True)
    torch.manual_seed(3)
    first, second = next(iter(sampler)), next(iter(sampler))
    torch.manual_seed(3)
    np.testing.assert_array_equal(next(iter(sampler)), first)
    assert (first != second).any()


@given(n_pairs=st.integers(1, 80), batch_size=st.integers(2, 20), n_processes=st.integers(2, 5))
def test_processes_share_all_pairs_in_equal_numbers_of_steps(n_pairs, batch_size, n_processes):
    shares, steps = [], []
    with pytest.MonkeyPatch.context() as patch:
        for rank in range(n_processes):
            patch.setattr(dataset_module, "rank_and_number", lambda rank=rank: (rank, n_processes))
            torch.manual_seed(0)
            sampler = MinibatchSampler(n_pairs, batch_size=batch_size, shuffle=True)
            minibatches = list(sampler)
            assert len(sampler) == len(minibatches)
            steps.append([len(numbers) for numbers in minibatches])
            shares.append(np.concatenate(minibatches))
    assert all(own == steps[0] for own in steps)
    np.testing.assert_array_equal(np.unique(np.concatenate(shares)), np.arange(n_pairs))
    assert sum(len(share) for share in shares) < n_pairs + n_processes


def _dataset(batch=None):
    rna = np.arange(12.0).reshape(6, 2)
    atac = np.eye(6)[:, :3]
    readers = {
        "rna": RowReader(sparse.csr_matrix(rna), n_features=2),
        "atac": RowReader(sparse.csr_array(atac), n_features=3),
    }
    pairs = Pairs({"rna": [5, 0, 2, 2], "atac": [1, 1, 0, 4]})
    return PairedDataset(readers, pairs, batch=batch), rna, atac


def test_each_modality_is_read_by_its_own_rows():
    dataset, rna, atac = _dataset()
    assert len(dataset) == 4
    tensors = dataset[np.array([3, 0])]
    assert list(tensors) == ["rna", "atac"]
    np.testing.assert_array_equal(tensors["rna"].to_dense(), rna[[2, 5]])
    np.testing.assert_array_equal(tensors["atac"].to_dense(), atac[[4, 1]])


def test_each_modality_has_its_own_rows_batch():
    codes = np.array([0, 1, 2, 3, 4, 5])
    dataset, *_ = _dataset(batch=dict.fromkeys(("rna", "atac"), codes))
    tensors = dataset[np.array([0, 3])]
    assert tensors["rna_batch"].tolist() == [5, 2]
    assert tensors["atac_batch"].tolist() == [1, 4]


def test_loader_yields_whole_minibatches():
    dataset, rna, _ = _dataset()
    loader = paired_loader(dataset, batch_size=3, shuffle=False)
    minibatches = list(loader)
    assert len(loader) == len(minibatches) == 1  # the fourth pair joins the first three
    np.testing.assert_array_equal(minibatches[0]["rna"].to_dense(), rna[[5, 0, 2, 2]])
