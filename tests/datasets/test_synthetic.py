from __future__ import annotations

import warnings

import mudata
import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

from scvi_xmodal.datasets import synthetic, true_mean
from scvi_xmodal.datasets._mudata import own_columns_only


def _same_counts(one, other, modality):
    return (one[modality].X != other[modality].X).nnz == 0


@pytest.mark.smoke
def test_shapes_names_and_groups():
    with warnings.catch_warnings():
        # What Python shows to users; deprecations that packages owe each other it doesn't.
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", FutureWarning)
        mdata = synthetic(
            n_cells=60, n_genes=20, n_peaks=31, n_proteins=5, n_cell_types=3, n_batches=2
        )
    assert {key: adata.shape for key, adata in mdata.mod.items()} == {
        "rna": (60, 20),
        "atac": (60, 31),
        "protein": (60, 5),
    }
    for adata in mdata.mod.values():
        assert isinstance(adata.X, sparse.csr_matrix)
        assert adata.X.dtype == np.float32
        assert (adata.X.data > 0).all()
        assert adata.obs["cell_type"].equals(mdata.obs["cell_type"])
        assert adata.obs["batch"].equals(mdata.obs["batch"])
    assert list(mdata.obs["cell_type"].cat.categories) == ["type_0", "type_1", "type_2"]
    assert list(mdata.obs["batch"].cat.categories) == ["batch_0", "batch_1"]
    assert mdata.obsm["truth_latent"].shape == (60, 5)
    assert mdata["atac"].var["chrom"].nunique() == 4


def test_equal_seeds_give_equal_data_and_others_do_not():
    one, same, other = synthetic(seed=3), synthetic(seed=3), synthetic(seed=4)
    for modality in ("rna", "atac"):
        assert _same_counts(one, same, modality)
        assert not _same_counts(one, other, modality)
    np.testing.assert_array_equal(one.obsm["truth_latent"], same.obsm["truth_latent"])
    assert list(one["atac"].var_names) == list(same["atac"].var_names)


def test_adding_proteins_leaves_rna_and_atac_as_they_were():
    without, with_proteins = synthetic(n_cells=30), synthetic(n_cells=30, n_proteins=4)
    assert _same_counts(without, with_proteins, "rna")
    assert _same_counts(without, with_proteins, "atac")


@pytest.mark.parametrize("density", [0.02, 0.15])
def test_density_and_depth_come_out_as_asked(density):
    mdata = synthetic(n_cells=1500, rna_depth=900, atac_density=density)
    assert (mdata["atac"].X > 0).mean() == pytest.approx(density, rel=0.1)
    assert np.median(mdata["rna"].X.toarray().sum(axis=1)) == pytest.approx(900, rel=0.05)


def test_by_default_no_cell_is_empty_and_hardly_a_feature():
    mdata = synthetic()
    for adata in mdata.mod.values():
        assert adata.X.sum(axis=1).min() > 0
        assert (np.asarray(adata.X.sum(axis=0)) == 0).mean() < 0.02


def test_counts_over_depth_approach_the_true_mean():
    mdata = synthetic(n_cells=4000, n_genes=40, n_peaks=60, n_proteins=10, n_batches=2)
    for modality in ("rna", "protein"):
        depth = mdata[modality].obs["true_depth"].to_numpy()[:, None]
        counts = mdata[modality].X.toarray() / depth
        truth = true_mean(mdata, modality)
        # Divided by its own standard error, the difference of the means is about N(0, 1).
        difference = counts - truth
        error = difference.std(axis=0) / np.sqrt(len(counts))
        assert np.abs(difference.mean(axis=0) / error).max() < 4.5


def test_peaks_open_with_the_true_odds_times_depth():
    mdata = synthetic(n_cells=4000, n_peaks=60, atac_density=0.2)
    truth = true_mean(mdata, "atac")
    odds = truth / (1 - truth) * mdata["atac"].obs["true_depth"].to_numpy()[:, None]
    probability = odds / (1 + odds)
    difference = (mdata["atac"].X.toarray() > 0) - probability
    error = np.sqrt((probability * (1 - probability)).sum(axis=0))
    assert np.abs(difference.sum(axis=0) / error).max() < 4.5


def test_batches_differ_where_they_should():
    options = {"n_cells": 2000, "n_batches": 2, "n_genes": 50, "n_peaks": 50, "atac_density": 0.2}
    spread = {}
    for effect in (0.0, 1.0):
        mdata = synthetic(**options, batch_effect=effect)
        first = (mdata.obs["batch"] == "batch_0").to_numpy()
        rna, peaks = mdata["rna"].X.toarray(), mdata["atac"].X.toarray() > 0
        logs = np.log(rna[first].mean(axis=0) / rna[~first].mean(axis=0))
        opens = np.log(peaks[first].mean(axis=0) / peaks[~first].mean(axis=0))
        spread[effect] = (np.std(logs), np.std(opens))
    assert max(spread[0.0]) < 0.2
    assert min(spread[1.0]) > 0.5


def test_neither_modality_is_linear_in_the_latent_state_or_the_other():
    mdata = synthetic(n_cells=2000)
    logit = np.log(1 / (1 / true_mean(mdata, "atac") - 1))
    log_rate = np.log(true_mean(mdata, "rna"))
    latent = mdata.obsm["truth_latent"]
    for source, target in ((latent, logit), (latent, log_rate), (log_rate, logit)):
        fitted = LinearRegression().fit(source[:1000], target[:1000]).predict(source[1000:])
        assert 0.2 < r2_score(target[1000:], fitted) < 0.9


def test_one_of_everything():
    mdata = synthetic(
        n_cells=1,
        n_genes=1,
        n_peaks=1,
        n_proteins=1,
        n_latent=1,
        n_cell_types=1,
        n_chromosomes=1,
    )
    assert {adata.shape for adata in mdata.mod.values()} == {(1, 1)}
    assert true_mean(mdata, "rna").item() == pytest.approx(2000)


@pytest.mark.smoke
def test_truth_survives_the_disk(tmp_path):
    mdata = synthetic(n_cells=12, n_proteins=3, n_batches=2, batch_effect=0.5)
    mdata.write(tmp_path / "data.h5mu")
    with own_columns_only():
        read = mudata.read_h5mu(tmp_path / "data.h5mu")
    for modality in mdata.mod:
        np.testing.assert_allclose(true_mean(read, modality), true_mean(mdata, modality))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_cells": 0}, "n_cells must be an integer of at least 1, got 0"),
        ({"n_peaks": 2.5}, "n_peaks must be a whole number.*got 2.5"),
        ({"n_chromosomes": 0}, "n_chromosomes"),
        ({"n_proteins": -1}, "n_proteins must be an integer of at least 0, got -1"),
        ({"seed": -3}, "seed"),
        ({"batch_effect": -0.1}, "batch_effect must be a number of at least 0, got -0.1"),
        ({"rna_depth": 0}, "rna_depth"),
        ({"rna_depth": float("nan")}, "rna_depth"),
        ({"atac_density": 1.0}, "atac_density must lie between 0 and 1, got 1.0"),
    ],
)
def test_a_number_out_of_range_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        synthetic(**wrong)
