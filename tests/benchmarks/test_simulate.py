"""The benchmarks' simulator against numpy, and its store against what it streams."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from benchmarks import simulate
from benchmarks._store import write_h5mu
from benchmarks.simulate import Size, blocks, chromosomes, matrix, parse_size, split
from scvi_xmodal.data import open_backed

SIZE = Size(n_cells=400, n_peaks=1500, density=0.03, n_genes=120)


@pytest.mark.parametrize(("modality", "density"), [("atac", 0.03), ("rna", 0.1)])
def test_density_is_the_wanted_one(modality, density):
    counts = matrix(SIZE, modality)
    assert counts.shape == (400, SIZE.n_features(modality))
    assert counts.nnz / np.prod(counts.shape) == pytest.approx(density, rel=0.05)


def test_rows_are_canonical_counts():
    counts = matrix(SIZE, "atac")
    assert counts.dtype == np.float32
    assert counts.data.min() >= 1
    assert (counts.data == np.round(counts.data)).all()
    dense = sparse.csr_matrix(counts.toarray())
    np.testing.assert_array_equal(counts.indices, dense.indices)
    np.testing.assert_array_equal(counts.indptr, dense.indptr)


def test_types_differ_more_than_cells_of_a_type():
    size = Size(n_cells=2000, n_peaks=200, density=0.1, n_types=2)
    counts, types = matrix(size, "atac").toarray(), simulate.cell_types(size)
    first, second = (counts[types == t].mean(0) for t in (0, 1))
    halves = [counts[types == 0][i::2].mean(0) for i in (0, 1)]
    assert np.abs(first - second).mean() > 2 * np.abs(halves[0] - halves[1]).mean()


def test_counts_depend_on_the_seed_alone():
    whole = matrix(SIZE, "atac")
    assert (matrix(SIZE, "atac") != whole).nnz == 0
    assert (matrix(Size(400, 1500, n_genes=120, seed=1), "atac") != whole).nnz > 0


def test_blocks_hold_every_cell(monkeypatch):
    monkeypatch.setattr(simulate, "ENTRIES_AT_A_TIME", 5000)
    pieces = list(blocks(SIZE, "atac"))
    assert len(pieces) > 1
    assert sum(piece.shape[0] for piece in pieces) == 400


@pytest.mark.parametrize("size", [Size(1, 30, n_genes=1), Size(3, 1, n_genes=2, n_chromosomes=1)])
def test_smallest_sizes(size):
    for modality in simulate.MODALITIES:
        assert matrix(size, modality).shape == (size.n_cells, size.n_features(modality))


def test_split_covers_all_cells_once():
    parts = split(SIZE)
    assert [parts[name].size for name in ("train", "validation", "test")] == [256, 64, 80]
    assert sorted(np.concatenate(list(parts.values()))) == list(range(400))


def test_chromosomes_are_contiguous():
    names = chromosomes(SIZE)
    assert names.size == 1500
    assert (names[1:] != names[:-1]).sum() == SIZE.n_chromosomes - 1


@pytest.mark.parametrize(
    ("text", "cells", "peaks"), [("1kx20k", 1000, 20_000), ("1Mx500", 1_000_000, 500)]
)
def test_parse_size(text, cells, peaks):
    size = parse_size(text)
    assert (size.n_cells, size.n_peaks) == (cells, peaks)


@pytest.mark.parametrize("text", ["", "1k", "x", "axb", "1kx2kx3k"])
def test_parse_size_names_what_it_cannot_read(text):
    with pytest.raises(ValueError, match="cells x peaks"):
        parse_size(text)


def test_store_on_disk_holds_what_was_drawn(tmp_path):
    size = Size(150, 90, density=0.1, n_genes=20)
    path = write_h5mu(size, tmp_path / "cells.h5mu")
    mdata = open_backed(path)
    for modality in simulate.MODALITIES:
        stored = mdata[modality].X[:]
        assert (stored != matrix(size, modality)).nnz == 0
    mdata.file.close()
