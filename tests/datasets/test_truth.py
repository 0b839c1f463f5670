from __future__ import annotations

import numpy as np
import pytest

from scvi_xmodal.datasets import synthetic, true_mean
from scvi_xmodal.datasets._truth import latent_features


def _by_hand(mdata, modality):
    """Compute the noise-free profile cell by cell, from the formulas of the docstring."""
    truth = mdata.uns["truth"][modality]
    a, b, c = np.split(truth["projection"], 3, axis=1)
    names = list(mdata.uns["truth"]["batches"])
    profiles = []
    for z, batch in zip(mdata.obsm["truth_latent"], mdata.obs["batch"], strict=True):
        features = np.concatenate([z, np.tanh(2 * z @ a), np.tanh((z @ b) * (z @ c))])
        eta = truth["bias"] + features @ truth["loadings"]
        eta = eta + truth["batch_shift"][names.index(batch)]
        if modality == "rna":
            profiles.append(truth["depth"] * np.exp(eta) / np.exp(eta).sum())
        elif modality == "atac":
            profiles.append(1 / (1 + np.exp(-eta)))
        else:
            profiles.append(truth["background"] + np.exp(eta))
    return np.array(profiles)


@pytest.mark.parametrize("modality", ["rna", "atac", "protein"])
def test_true_mean_is_the_documented_formula(modality, synthetic_mdata):
    expected = _by_hand(synthetic_mdata, modality)
    np.testing.assert_allclose(true_mean(synthetic_mdata, modality), expected, rtol=1e-9)


@pytest.mark.parametrize("rows", [[5, 2, 2], 3, np.array([], dtype=np.int64)])
def test_rows_choose_cells(rows, synthetic_mdata):
    everything = true_mean(synthetic_mdata, "atac")
    chosen = true_mean(synthetic_mdata, "atac", rows=rows)
    np.testing.assert_allclose(chosen, everything[np.atleast_1d(rows)])


def test_a_subset_of_cells_keeps_its_truth(synthetic_mdata):
    rows = [250, 3, 17]
    subset = true_mean(synthetic_mdata[rows], "rna")
    np.testing.assert_allclose(subset, true_mean(synthetic_mdata, "rna", rows=rows))


def test_a_batch_replaces_the_cells_own(synthetic_mdata):
    own = true_mean(synthetic_mdata, "atac")
    there = true_mean(synthetic_mdata, "atac", batch="batch_1")
    is_there = (synthetic_mdata.obs["batch"] == "batch_1").to_numpy()
    np.testing.assert_allclose(there[is_there], own[is_there])
    assert not np.allclose(there[~is_there], own[~is_there])


def test_features_of_one_latent_dimension(rng):
    latent, projection = rng.normal(size=(4, 1)), rng.normal(size=(1, 3))
    expected = np.column_stack(
        [
            latent,
            np.tanh(2 * latent * projection[0, 0]),
            np.tanh(latent**2 * projection[0, 1] * projection[0, 2]),
        ]
    )
    np.testing.assert_allclose(latent_features(latent, projection), expected)


def test_data_without_truth_are_refused(cortex):
    with pytest.raises(ValueError, match="carries no truth"):
        true_mean(cortex, "rna")


def test_an_unknown_modality_or_batch_is_named(synthetic_mdata):
    with pytest.raises(ValueError, match=r"Unknown modality 'adt'.*'rna', 'atac', 'protein'"):
        true_mean(synthetic_mdata, "adt")
    with pytest.raises(ValueError, match="Unknown batch 'batch_7'"):
        true_mean(synthetic_mdata, "rna", batch="batch_7")
    with pytest.raises(ValueError, match="Unknown modality 'protein'"):
        true_mean(synthetic(n_cells=3), "protein")
