"""Tables of pairs with gaps, and the minibatches read by them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scvi_xmodal.data import ChunkedPairs, MosaicPairs, PairedDataset, RowReader, paired_loader
from scvi_xmodal.data._mosaic import separate_modalities

ROWS = {"rna": [0, 1, 2, 3, -1, -1], "atac": [-1, 0, -1, 1, 2, -1], "protein": [-1] * 5 + [0]}


@pytest.fixture
def readers():
    """Readers whose one column is 10, 20 and 30 plus the row's number."""
    return {
        key: RowReader(sparse.csr_matrix(10.0 * tens + np.arange(6)[:, None]), n_features=1)
        for tens, key in enumerate(ROWS, start=1)
    }


def _values(minibatch, key):
    return minibatch[key].to_dense().numpy().ravel().tolist()


def test_gaps_are_no_rows():
    pairs = MosaicPairs(ROWS)
    assert len(pairs) == 6
    assert {key: rows.tolist() for key, rows in pairs.sources.items()} == {
        "rna": [0, 1, 2, 3], "atac": [0, 1, 2], "protein": [0],
    }  # fmt: skip
    assert pairs.of_modalities(["atac", "protein"]).rows["rna"].tolist() == [1, 3, -1, -1]
    with pytest.raises(ValueError, match="row -2 of 'rna'"):
        MosaicPairs({"rna": [-2], "atac": [0]})


def test_purity_asks_only_what_was_measured():
    labels = ["a", "b", "b", "c"]
    assert MosaicPairs({"rna": [0, 1, 2, -1], "atac": [0, 2, -1, 1]}).purity(labels) == 1
    assert MosaicPairs({"rna": [-1, 0], "atac": [0, 1], "protein": [3, -1]}).purity(labels) == 0
    assert MosaicPairs({"rna": [0, 1], "atac": [-1, -1]}).purity([None, "b"]) == 0.5


def test_minibatches_hold_what_was_measured(readers):
    batch = {key: np.arange(6) for key in ROWS}
    dataset = PairedDataset(readers, MosaicPairs(ROWS), batch=batch)
    minibatch = dataset[[0, 1, 3, 4]]
    assert _values(minibatch, "rna") == [10, 11, 13]
    assert _values(minibatch, "atac") == [20, 21, 22]
    assert "protein" not in minibatch
    assert minibatch["atac_batch"].tolist() == [0, 1, 2]
    presence = minibatch["presence"]
    assert presence.n_cells == 4
    assert {key: own.tolist() for key, own in presence.cells.items()} == {
        "rna": [0, 1, 2], "atac": [1, 2, 3],
    }  # fmt: skip


def test_where_nothing_is_missing_nothing_is_said(readers):
    two = {key: readers[key] for key in ("rna", "atac")}
    minibatch = PairedDataset(two, MosaicPairs(ROWS))[[1, 3]]
    assert set(minibatch) == {"rna", "atac"}


@pytest.mark.parametrize("shuffle", [False, True])
def test_chunks_from_disk_hold_the_same_cells(readers, shuffle):
    pairs = MosaicPairs(ROWS)
    batch = {key: np.arange(6) for key in ROWS}
    chunked = ChunkedPairs(readers, pairs, batch=batch, batch_size=6, shuffle=shuffle)
    memory = paired_loader(PairedDataset(readers, pairs, batch=batch), batch_size=6, shuffle=False)
    ((own,), (other,)) = list(chunked), list(memory)
    for key in ROWS:
        assert sorted(_values(own, key)) == sorted(_values(other, key))
        # each row's code is its number, and its value ends in it
        np.testing.assert_array_equal(np.mod(_values(own, key), 10), own[f"{key}_batch"])
    assert {tuple(sorted(v)) for v in _cells(own)} == {tuple(sorted(v)) for v in _cells(other)}


def _cells(minibatch):
    """Return, for each cell, the values of the modalities that it has."""
    presence = minibatch["presence"]
    found = [[] for _ in range(presence.n_cells)]
    for key, cells in presence.cells.items():
        for cell, value in zip(cells.tolist(), _values(minibatch, key), strict=True):
            found[cell].append(value)
    return found


def test_presence_moves_with_the_minibatch(readers):
    from lightning.pytorch.utilities import move_data_to_device

    minibatch = PairedDataset(readers, MosaicPairs(ROWS))[[0, 1, 3, 4]]
    moved = move_data_to_device(minibatch, torch.device("cpu"))
    assert type(moved["presence"]).__name__ == "Presence"
    assert moved["presence"].n_cells == 4


def test_modalities_that_no_cell_links():
    rows = {key: np.array(own) for key, own in ROWS.items()}
    assert separate_modalities(rows, fewest=1) == ["protein"]
    assert separate_modalities(rows, fewest=3) == ["atac", "protein"]
    chain = {"a": np.array([0, -1]), "b": np.array([0, 1]), "c": np.array([-1, 0])}
    assert separate_modalities(chain, fewest=1) == []
