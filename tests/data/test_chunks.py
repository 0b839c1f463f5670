"""Minibatches from disk: the same cells as from memory, chunk by chunk."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from scvi_xmodal.data import ChunkedPairs, Pairs, RowReader
from scvi_xmodal.data import _chunks as chunks_module
from scvi_xmodal.data import _dataset as dataset_module


def _numbered(n_cells: int) -> RowReader:
    """Return a reader of one column that holds each row's number plus 1."""
    numbers = np.arange(1.0, n_cells + 1)[:, None]
    return RowReader(sparse.csr_matrix(numbers), n_features=1)


def _rows(minibatch, key="rna"):
    return minibatch[key].to_dense().numpy().ravel().astype(int) - 1


@pytest.fixture(autouse=True, scope="module")
def _small_chunks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks_module, "CHUNK", 4)
        patch.setattr(chunks_module, "N_CHUNKS", 2)
        yield


@given(
    n_pairs=st.integers(2, 70),
    batch_size=st.integers(2, 12),
    shuffle=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_pair_comes_once_and_none_alone(n_pairs, batch_size, shuffle, seed):
    pairs = Pairs.measured(["rna"], np.arange(n_pairs))
    chunked = ChunkedPairs(
        {"rna": _numbered(n_pairs)}, pairs, batch=None, batch_size=batch_size, shuffle=shuffle
    )
    torch.manual_seed(seed)
    minibatches = [_rows(minibatch) for minibatch in chunked]
    assert len(minibatches) == len(chunked)
    assert min(map(len, minibatches)) > 1
    np.testing.assert_array_equal(np.sort(np.concatenate(minibatches)), np.arange(n_pairs))


def test_unshuffled_is_the_tables_order():
    rows = np.random.default_rng(0).permutation(30)
    chunked = ChunkedPairs(
        {"rna": _numbered(30)},
        Pairs.measured(["rna"], rows),
        batch=None,
        batch_size=7,
        shuffle=False,
    )
    np.testing.assert_array_equal(np.concatenate([_rows(m) for m in chunked]), rows)


def test_pairs_stay_together_when_shuffled():
    rng = np.random.default_rng(1)
    rna, atac = rng.integers(0, 40, 33), rng.integers(0, 40, 33)
    batch = rng.integers(0, 3, 40)
    chunked = ChunkedPairs(
        {"rna": _numbered(40), "atac": _numbered(40)},
        Pairs({"rna": rna, "atac": atac}),
        batch={"rna": batch, "atac": batch},
        batch_size=5,
        shuffle=True,
    )
    seen = []
    for minibatch in chunked:
        own, other = _rows(minibatch, "rna"), _rows(minibatch, "atac")
        np.testing.assert_array_equal(minibatch["rna_batch"], batch[own])
        np.testing.assert_array_equal(minibatch["atac_batch"], batch[other])
        seen += list(zip(own, other, strict=True))
    assert sorted(seen) == sorted(zip(rna, atac, strict=True))


def test_epochs_differ_and_a_seed_repeats_them():
    chunked = ChunkedPairs(
        {"rna": _numbered(40)},
        Pairs.measured(["rna"], np.arange(40)),
        batch=None,
        batch_size=5,
        shuffle=True,
    )

    def epoch():
        return np.concatenate([_rows(minibatch) for minibatch in chunked])

    torch.manual_seed(0)
    first, second = epoch(), epoch()
    torch.manual_seed(0)
    np.testing.assert_array_equal(epoch(), first)
    assert (first != second).any()
    assert (first != np.arange(40)).any()


def test_neighbours_on_disk_are_mixed_with_other_chunks():
    chunked = ChunkedPairs(
        {"rna": _numbered(80)},
        Pairs.measured(["rna"], np.arange(80)),
        batch=None,
        batch_size=8,
        shuffle=True,
    )
    torch.manual_seed(0)
    chunks_met = [len(np.unique(_rows(minibatch) // 4)) for minibatch in chunked]
    assert max(chunks_met) > 1


@pytest.mark.parametrize("n_pairs", [6, 9, 33])
@pytest.mark.parametrize("n_processes", [2, 3])
def test_processes_share_all_pairs(monkeypatch, n_pairs, n_processes):
    chunked = ChunkedPairs(
        {"rna": _numbered(n_pairs)},
        Pairs.measured(["rna"], np.arange(n_pairs)),
        batch=None,
        batch_size=4,
        shuffle=True,
    )
    shares, steps = [], []
    for rank in range(n_processes):
        monkeypatch.setattr(
            dataset_module, "rank_and_number", lambda rank=rank: (rank, n_processes)
        )
        torch.manual_seed(0)
        minibatches = [_rows(minibatch) for minibatch in chunked]
        assert len(minibatches) == len(chunked)
        steps.append([len(minibatch) for minibatch in minibatches])
        shares.append(np.concatenate(minibatches))
    assert all(own == steps[0] for own in steps)
    np.testing.assert_array_equal(np.unique(np.concatenate(shares)), np.arange(n_pairs))


@pytest.mark.parametrize("layout", ["h5ad_csr", "h5ad_dense", "zarr_csr"])
def test_rows_are_read_from_disk_as_asked(counts, as_layout, layout):
    rows = np.array([9, 2, 2, 12, 0, 7])
    chunked = ChunkedPairs(
        {"rna": RowReader(as_layout(counts, layout), n_features=7)},
        Pairs.measured(["rna"], rows),
        batch=None,
        batch_size=3,
        shuffle=False,
    )
    read = np.vstack([minibatch["rna"].to_dense().numpy() for minibatch in chunked])
    np.testing.assert_array_equal(read, counts[rows])
