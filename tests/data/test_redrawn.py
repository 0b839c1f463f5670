"""Pairs drawn anew in each epoch, through both loaders."""

from __future__ import annotations

import numpy as np
import pytest

from scvi_xmodal.data import (
    ChunkedPairs,
    MosaicPairs,
    PairedDataset,
    Pairs,
    RedrawnPairs,
    RowReader,
)
from scvi_xmodal.data._dataset import paired_loader
from scvi_xmodal.data._redrawn import drawn_pairs, joined_pairs


class _AnyTwo:
    """Two of ten rows in each modality."""

    sources = dict.fromkeys(("rna", "atac"), np.arange(10))

    def draw(self, rng):
        return {key: rng.choice(rows, 4) for key, rows in self.sources.items()}


@pytest.fixture
def readers():
    return {key: RowReader(np.arange(10.0)[:, None] + 1, n_features=1) for key in ("rna", "atac")}


def _rows_read(loader):
    minibatches = list(loader)
    return [
        np.concatenate([m[key].to_dense().numpy().ravel() for m in minibatches]) - 1
        for key in ("rna", "atac")
    ]


def test_the_first_table_is_that_of_epoch_0():
    pairs = RedrawnPairs(_AnyTwo(), seed=2)
    fixed = drawn_pairs(_AnyTwo(), seed=2, redraw=False)
    assert type(fixed) is Pairs
    for key in pairs.rows:
        np.testing.assert_array_equal(pairs.rows[key], pairs.draw(0).rows[key])
        np.testing.assert_array_equal(pairs.rows[key], fixed.rows[key])


@pytest.mark.parametrize(
    "options", [{}, {"num_workers": 1}, {"num_workers": 1, "persistent_workers": True}]
)
def test_the_loader_reads_the_table_of_its_epoch(readers, options):
    pairs = RedrawnPairs(_AnyTwo(), seed=0)
    loader = paired_loader(PairedDataset(readers, pairs), batch_size=2, shuffle=False, **options)
    for epoch in range(3):
        for rows, own in zip(pairs.draw(epoch).rows.values(), _rows_read(loader), strict=True):
            np.testing.assert_array_equal(own, rows)


def test_chunks_are_read_by_the_table_of_their_epoch(readers):
    pairs = RedrawnPairs(_AnyTwo(), seed=0)
    loader = ChunkedPairs(readers, pairs, batch=None, batch_size=2, shuffle=True)
    for epoch in range(3):
        rna, atac = _rows_read(loader)
        own = pairs.draw(epoch).rows
        read = sorted(zip(rna.tolist(), atac.tolist(), strict=True))
        assert read == sorted(zip(own["rna"], own["atac"], strict=True))


@pytest.mark.parametrize("redraw", [False, True])
def test_others_follow_in_every_epoch(redraw):
    pairs = drawn_pairs(_AnyTwo(), seed=2, redraw=redraw)
    others = Pairs({"atac": [11, 10], "rna": [10, 12], "protein": [0, 1]})
    joined = joined_pairs(pairs, others)
    assert type(joined) is type(pairs)
    for epoch in (0, 1, 5):
        drawn, found = pairs.draw(epoch).rows, joined.draw(epoch).rows
        assert list(found) == ["rna", "atac"]
        for key, rows in found.items():
            np.testing.assert_array_equal(rows, [*drawn[key], *others.rows[key]])
            assert np.isin(rows, joined.sources[key]).all()


def test_gaps_may_follow_pairs_without():
    joined = joined_pairs(
        Pairs({"rna": [0], "atac": [1]}), MosaicPairs({"rna": [2], "atac": [-1]})
    )
    assert type(joined) is MosaicPairs
    np.testing.assert_array_equal(joined.rows["atac"], [1, -1])
