"""Pairs of cells that were never measured together."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.pairing import sampling_proportions, unpaired
from scvi_xmodal.pairing._unpaired import _apportioned


def _cells(prefix, **sizes):
    labels = [label for label, n in sizes.items() for _ in range(n)]
    obs = pd.DataFrame({"cell_type": labels}, index=[f"{prefix}{i}" for i in range(len(labels))])
    return AnnData(np.ones((len(labels), 2), dtype=np.float32), obs=obs)


@pytest.fixture
def rna():
    return _cells("r", B=30, T=10, platelet=10)


@pytest.fixture
def atac():
    return _cells("a", T=10, stroma=0, B=10)


def _labels(*parts):
    keys = ("rna", "atac")
    return {key: part.obs["cell_type"] for key, part in zip(keys, parts, strict=True)}


def test_proportions_of_equation_13_by_hand(rna, atac):
    # B: 30/50 + 10/20 = 1.1; T: 10/50 + 10/20 = .7; sum 1.8; (50 + 20) / 2 = 35 pairs
    expected = [1.1 / 1.8, 0.7 / 1.8]
    np.testing.assert_allclose(sampling_proportions([[30, 10], [10, 10]], [50, 20]), expected)
    pairs = unpaired(rna, atac, "cell_type")
    drawn = rna.obs["cell_type"].iloc[pairs.rows["rna"]].value_counts()
    # 35 * .6111 = 21.39 and 35 * .3889 = 13.61: the larger remainder is rounded up
    assert drawn.to_dict() == {"B": 21, "T": 14}
    assert pairs.purity(_labels(rna, atac)) == 1


def test_training_cells_decide_the_proportions(rna, atac):
    rows = (np.arange(25, 50), np.arange(20))  # 5 B, 10 T, 10 platelets; 10 T, 10 B
    pairs = unpaired(rna, atac, "cell_type", indices=rows)
    # B: 5/25 + 10/20 = .7; T: 10/25 + 10/20 = .9; (25 + 20) // 2 = 22 pairs: 9.625 and 12.375
    drawn = rna.obs["cell_type"].iloc[pairs.rows["rna"]].value_counts()
    assert drawn.to_dict() == {"T": 12, "B": 10}
    assert np.isin(pairs.rows["rna"], rows[0]).all()


def test_a_modality_without_cells_has_no_shares():
    with pytest.raises(ValueError, match=r"totals=\[3, 0\], none of which is 0"):
        sampling_proportions([[1, 2], [0, 0]], [3, 0])


@pytest.mark.parametrize("total", [1, 2, 7, 100])
def test_rounding_loses_no_pair(total):
    shares = np.random.default_rng(total).dirichlet(np.ones(5))
    counts = _apportioned(shares, total)
    assert sum(counts) == total
    assert (np.abs(np.array(counts) - shares * total) < 1).all()


def test_draws_are_with_replacement_and_uniform():
    rna, atac = _cells("r", B=4), _cells("a", B=3)
    pairs = unpaired(rna, atac, "cell_type", n_pairs=6000)
    for key, n in (("rna", 4), ("atac", 3)):
        drawn = np.bincount(pairs.rows[key], minlength=n)
        assert abs(drawn - 6000 / n).max() < 5 * np.sqrt(6000 / n)


def test_unshared_labels_train_nothing(rna, atac):
    pairs = unpaired(rna, atac, "cell_type", redraw=True)
    for epoch in range(3):
        types = rna.obs["cell_type"].iloc[pairs.draw(epoch).rows["rna"]]
        assert set(types) == {"B", "T"}
    assert set(rna.obs["cell_type"].iloc[pairs.sources["rna"]]) == {"B", "T"}


def test_a_mudata_is_paired_by_rows_of_each_modality(rna, atac):
    with own_columns_only():
        mdata = MuData({"rna": rna, "atac": atac})
    from_mudata = unpaired(mdata, indices=np.arange(70))
    assert from_mudata.to_dataframe().equals(unpaired(rna, atac, "cell_type").to_dataframe())
    part = unpaired(mdata, indices=np.r_[0:35, 50:70])
    assert part.rows["rna"].max() < 35
    assert part.rows["atac"].max() < 20


def test_names_of_the_modalities(rna, atac):
    pairs = unpaired(rna, atac, "cell_type", modalities=("rna", "protein"))
    assert list(pairs.rows) == ["rna", "protein"]


def test_categories_and_text_are_the_same_label(rna, atac):
    rna.obs["cell_type"] = rna.obs["cell_type"].astype("category")
    assert len(unpaired(rna, atac, "cell_type")) == 35


def test_a_label_with_one_cell_on_a_side_warns():
    rna, atac = _cells("r", B=20, T=1), _cells("a", B=20, T=8)
    with pytest.warns(UserWarning, match=r"\['T'\] have a single training cell in 'rna'"):
        pairs = unpaired(rna, atac, "cell_type")
    assert (pairs.rows["rna"] == 20).sum() > 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # one cell on both sides is one pair
        unpaired(_cells("r", B=20, T=1), _cells("a", B=20, T=1), "cell_type")


class TestBadInput:
    def test_no_shared_label(self, rna):
        with pytest.raises(ValueError, match=r"share no label \(rna: \['B'.*atac: \['b cell'\]"):
            unpaired(rna, _cells("a", **{"b cell": 5}), "cell_type")

    def test_missing_labels(self, rna, atac):
        atac.obs["cell_type"] = atac.obs["cell_type"].astype(object)
        atac.obs.iloc[[2, 3], 0] = np.nan
        with pytest.raises(ValueError, match="2 of 20 training cells have no label"):
            unpaired(rna, atac, "cell_type")
        unpaired(rna, atac, "cell_type", indices=(None, range(4, 20)))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"labels_key": "tissue"}, r"no obs\['tissue'\].*Set labels_key="),
            ({"indices": range(5)}, "a pair"),
            ({"indices": ([1], [20])}, "go up to 20"),
            ({"n_pairs": 0}, "n_pairs=0"),
            ({"modalities": ("rna",)}, "two names"),
            ({"modalities": "rn"}, "two names .*; got 'rn'"),
            ({"modalities": ("rna", "rna")}, r"two names .*; got \('rna', 'rna'\)"),
        ],
    )
    def test_is_named(self, rna, atac, options, message):
        with pytest.raises(ValueError, match=message):
            unpaired(rna, atac, **options)

    def test_no_training_cell_of_a_modality(self, rna, atac):
        with own_columns_only():
            mdata = MuData({"rna": rna, "atac": atac})
        with pytest.raises(
            ValueError, match="None of the 50 training cells was measured in 'atac"
        ):
            unpaired(mdata, indices=range(50))
