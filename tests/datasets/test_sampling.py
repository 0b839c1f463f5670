from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.special import expit, softmax

from scvi_xmodal.datasets import _sampling
from scvi_xmodal.datasets._cells import Cells
from scvi_xmodal.datasets._sampling import negative_binomial, open_peaks, sample_counts

MEAN, DISPERSION = 6.0, 2.5


def _truth(n_features, **more):
    """Return the truth of a modality in which the latent state plays no part."""
    return {
        "projection": np.zeros((1, 3)),
        "loadings": np.zeros((3, n_features)),
        "bias": np.linspace(-1, 1, n_features),
        "batch_shift": np.zeros((1, n_features)),
        **more,
    }


def _cells(n_cells):
    nothing = np.zeros(n_cells, dtype=np.int64)
    log_depth = np.tile(np.array([0.1, 0.5, -0.3]), (n_cells, 1))
    return Cells(np.zeros((n_cells, 1)), nothing, nothing, log_depth)


def test_negative_binomial_has_scipys_probabilities(rng):
    counts = negative_binomial(np.full((20_000, 1), MEAN), np.array([DISPERSION]), rng).ravel()
    success = DISPERSION / (DISPERSION + MEAN)
    observed = np.bincount(counts.clip(max=30), minlength=31)
    expected = stats.nbinom.pmf(np.arange(30), DISPERSION, success)
    expected = np.append(expected, 1 - expected.sum()) * counts.size
    assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_peaks_are_open_as_often_as_told_and_closed_ones_are_empty(rng):
    probability = np.tile([0.0, 0.1, 0.7, 1.0], (20_000, 1))
    counts = open_peaks(probability, rng)
    np.testing.assert_allclose((counts > 0).mean(axis=0), probability[0], atol=0.015)
    assert counts[counts > 0].mean() == pytest.approx(1.25, abs=0.02)


@pytest.mark.parametrize("modality", ["rna", "atac", "protein"])
def test_means_of_counts_follow_the_formula_with_the_cells_depth(modality, rng):
    truth = _truth(6, depth=np.float64(60), dispersion=np.full(6, 5.0), background=np.full(6, 2.0))
    counts = sample_counts(truth, modality, _cells(20_000), rng)
    expected = {
        "rna": np.exp(0.1) * 60 * softmax(truth["bias"]),
        "atac": 1.25 * expit(truth["bias"] + 0.5),
        "protein": np.exp(-0.3) * (2 + np.exp(truth["bias"])),
    }
    np.testing.assert_allclose(np.asarray(counts.mean(axis=0))[0], expected[modality], rtol=0.03)


@pytest.mark.parametrize(("n_cells", "n_features"), [(1, 1), (7, 3), (10, 40)])
def test_blocks_of_rows_make_up_all_cells_in_order(n_cells, n_features, rng, monkeypatch):
    shapes = []

    def rising(probability, rng):
        shapes.append(probability.shape)
        return np.full(probability.shape, len(shapes))

    monkeypatch.setattr(_sampling, "BLOCK_ENTRIES", 12)
    monkeypatch.setattr(_sampling, "open_peaks", rising)
    counts = sample_counts(_truth(n_features), "atac", _cells(n_cells), rng)
    assert isinstance(counts, sparse.csr_matrix)
    assert counts.dtype == np.float32
    assert counts.shape == (n_cells, n_features)
    assert all(shape[0] <= max(1, 12 // n_features) for shape in shapes)
    expected = np.concatenate([np.full(shape, k + 1) for k, shape in enumerate(shapes)])
    np.testing.assert_array_equal(counts.toarray(), expected)
