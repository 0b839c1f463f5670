"""Re-pairing within labels (scButterfly-T)."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from mudata import MuData

import scvi_xmodal as xm
from scvi_xmodal.data import Pairs, RedrawnPairs, Split
from scvi_xmodal.data._pairs import check_training_rows
from scvi_xmodal.pairing import by_label
from scvi_xmodal.pairing._labels import repaired

TRAIN = np.arange(5, 205)


def _check(pairs, split, n_cells):
    for key, rows in pairs.sources.items():
        check_training_rows(rows, key, split, n_cells)


@pytest.fixture
def labels(synthetic_mdata):
    return synthetic_mdata.obs["cell_type"]


@pytest.mark.parametrize("n_rounds", [0, 1, 2, 5])
def test_every_cell_is_read_once_a_round_in_each_modality(synthetic_mdata, labels, n_rounds):
    pairs = by_label(synthetic_mdata, "cell_type", TRAIN, n_rounds=n_rounds)
    assert list(pairs.rows) == ["rna", "atac", "protein"]
    assert len(pairs) == (1 + n_rounds) * TRAIN.size
    for rows in pairs.rows.values():
        np.testing.assert_array_equal(rows[: TRAIN.size], TRAIN)  # the measured pairs
        for part in np.split(rows, 1 + n_rounds):
            np.testing.assert_array_equal(np.sort(part), TRAIN)
    assert pairs.purity(labels) == 1


def test_cells_do_change_partners_and_modalities_do_so_apart(synthetic_mdata):
    rows = by_label(synthetic_mdata, "cell_type", TRAIN).rows
    added = slice(TRAIN.size, None)
    for first, second in (("rna", "atac"), ("rna", "protein"), ("atac", "protein")):
        assert np.mean(rows[first][added] == rows[second][added]) < 0.2


def test_partners_are_uniform_among_the_label():
    """200 rounds over one label of four cells: each meets each, itself too, equally often."""
    pairs = repaired(
        dict.fromkeys(("rna", "atac"), np.arange(4)),
        ["T"] * 4,
        n_rounds=2000,
        redraw=False,
        seed=0,
    )
    rna, atac = (pairs.rows[key][4:] for key in ("rna", "atac"))
    met = np.bincount(4 * rna + atac, minlength=16)
    assert abs(met - 500).max() < 5 * np.sqrt(500 * 0.75)


def test_nothing_but_the_given_rows_is_read(synthetic_mdata):
    pairs = by_label(synthetic_mdata, "cell_type", TRAIN, redraw=True)
    split = Split(TRAIN, np.arange(205, 250), np.r_[np.arange(5), np.arange(250, 300)])
    for epoch in range(4):
        table = pairs.draw(epoch)
        _check(table, split, 300)
        assert all(np.isin(rows, TRAIN).all() for rows in table.rows.values())
    _check(pairs, split, 300)


def test_a_leak_that_only_later_epochs_have_is_found():
    """The first draw need not touch the held-out cell, but some epoch will."""
    pairs = repaired(
        dict.fromkeys(("rna", "atac"), np.arange(6)),
        list("aabbcc"),
        n_rounds=1,
        redraw=True,
        seed=0,
    )
    with pytest.raises(ValueError, match="1 of the pairs' 'rna' rows are validation or test"):
        _check(pairs, Split(range(5), [5]), 6)


def test_a_label_of_one_cell_keeps_its_measured_pair():
    pairs = repaired(
        dict.fromkeys(("rna", "atac"), np.array([3, 7, 9])),
        list("abb"),
        n_rounds=3,
        redraw=False,
        seed=0,
    )
    alone = pairs.rows["rna"] == 3
    assert alone.sum() == 4
    assert (pairs.rows["atac"][alone] == 3).all()


def test_seed_decides(synthetic_mdata):
    tables = [by_label(synthetic_mdata, "cell_type", TRAIN, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (table.to_dataframe() for table in tables)
    assert first.equals(again)
    assert not first.equals(other)


def test_order_of_indices_and_container_do_not_matter(synthetic_mdata):
    shuffled = np.random.default_rng(0).permutation(TRAIN)
    given = by_label(synthetic_mdata, "cell_type", shuffled.tolist())
    assert given.to_dataframe().equals(
        by_label(synthetic_mdata, "cell_type", TRAIN).to_dataframe()
    )


def test_epochs_are_redrawn_on_request(synthetic_mdata):
    fixed = by_label(synthetic_mdata, "cell_type", TRAIN, seed=3)
    redrawn = by_label(synthetic_mdata, "cell_type", TRAIN, seed=3, redraw=True)
    assert type(fixed) is Pairs
    assert isinstance(redrawn, RedrawnPairs)
    assert fixed.draw(7) is fixed
    tables = [redrawn.draw(epoch).to_dataframe() for epoch in range(3)]
    assert tables[0].equals(fixed.to_dataframe())
    assert not tables[0].equals(tables[1])
    assert not tables[1].equals(tables[2])
    assert tables[2].equals(redrawn.draw(2).to_dataframe())


def _hashes():
    mdata = xm.datasets.synthetic(n_cells=60, n_genes=5, n_peaks=8, atac_density=0.4)
    kang = xm.datasets.kang_pbmc()
    rows = range(50)
    pairs = (
        by_label(mdata, "cell_type", rows, redraw=True).draw(2),
        xm.pairing.unpaired(mdata, indices=rows),
        xm.pairing.by_cluster(mdata, rows, embedding="quick"),
        xm.pairing.by_optimal_transport(
            kang, "condition", "ctrl", "stim", "cell_type", indices=range(0, 1556, 20), n_pcs=5
        ),
    )
    return [hashlib.sha256(p.to_dataframe().to_numpy().tobytes()).hexdigest() for p in pairs]


def test_two_processes_draw_the_same():
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_labels\n"
    env = {"PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    shown = subprocess.run(
        [sys.executable, "-c", code + "print(*test_labels._hashes())"],
        check=True,
        capture_output=True,
        text=True,
        env=env,
    ).stdout
    assert shown.split() == _hashes()
    assert len(set(shown.split())) == 4


def test_three_times_the_pairs_hold_no_count(synthetic_mdata):
    """The table is all that grows: 8 bytes for each pair and modality, whatever the counts."""
    by_label(synthetic_mdata, "cell_type", TRAIN)  # imports
    tracemalloc.start()
    pairs = by_label(synthetic_mdata, "cell_type", TRAIN)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    table = sum(rows.nbytes for rows in pairs.rows.values())
    assert table == 3 * 3 * TRAIN.size * 8
    assert held < 4 * table  # nowhere near the counts
    assert synthetic_mdata["rna"].X.data.nbytes > 4 * table


def test_rows_are_those_of_each_modality(synthetic_mdata):
    """A modality whose cells stand in another order is read in that order."""
    order = np.random.default_rng(1).permutation(300)
    with xm.datasets._mudata.own_columns_only():
        mdata = MuData(
            {"rna": synthetic_mdata["rna"].copy(), "atac": synthetic_mdata["atac"][order].copy()}
        )
    mdata.obs["cell_type"] = synthetic_mdata.obs["cell_type"]
    pairs = by_label(mdata, "cell_type", TRAIN, n_rounds=0)
    names = [mdata[key].obs_names[rows].tolist() for key, rows in pairs.rows.items()]
    assert names[0] == names[1] == mdata.obs_names[TRAIN].tolist()


class TestBadInput:
    def test_missing_labels(self, synthetic_mdata):
        mdata = synthetic_mdata.copy()
        labels = mdata.obs["cell_type"].astype(object)
        labels.iloc[[3, 10, 250]] = np.nan
        mdata.obs["partly"] = labels
        with pytest.raises(ValueError, match=r"1 of 200 training cells have no label.*'partly'"):
            by_label(mdata, "partly", TRAIN)
        by_label(mdata, "partly", np.setdiff1d(TRAIN, [10]))  # cells left out need none

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"key": "tissue", "indices": TRAIN}, r"no obs\['tissue'\].*Set key="),
            ({"key": "cell_type", "indices": [1, 300]}, "go up to 300"),
            ({"key": "cell_type", "indices": [1, 1]}, "row 1 twice"),
            ({"key": "cell_type", "indices": []}, "no cells"),
            ({"key": "cell_type", "indices": TRAIN, "n_rounds": -1}, "n_rounds=-1"),
            ({"key": "cell_type", "indices": Split([1, 2])}, r"indices=split\.train"),
            ({"key": "cell_type", "indices": TRAIN, "modalities": {"rna": "gex", "atac": "atac"}},
             "'gex' for 'rna'"),
            ({"key": "cell_type", "indices": TRAIN, "modalities": {"rna": "rna"}}, "Two modal"),
        ],
    )  # fmt: skip
    def test_is_named(self, synthetic_mdata, arguments, message):
        with pytest.raises(ValueError, match=message):
            by_label(synthetic_mdata, **arguments)

    def test_cells_without_a_modality(self, synthetic_mdata):
        with xm.datasets._mudata.own_columns_only():
            mdata = MuData(
                {
                    "rna": synthetic_mdata["rna"][:100].copy(),
                    "atac": synthetic_mdata["atac"][50:].copy(),
                }
            )
        mdata.obs["cell_type"] = "T"
        with pytest.raises(ValueError, match=r"not measured in '(rna|atac)'.*pairing\.unpaired"):
            by_label(mdata, "cell_type", range(mdata.n_obs))

    def test_an_anndata(self, synthetic_mdata):
        with pytest.raises(ValueError, match="mdata must be a MuData"):
            by_label(synthetic_mdata["rna"], "cell_type", range(5))
