from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scvi_xmodal.module import Standardize, standard_scores
from scvi_xmodal.module._standardize import CLIPPED_SHARE

N_GENES = 40


def _counts(n_cells=60, n_genes=N_GENES, rate=0.6, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rate * rng.gamma(1, 1, n_genes), size=(n_cells, n_genes)).astype(float)
    counts[:, 3 % n_genes] = 0
    counts[0] = 0
    return counts


def _log_normalized(counts, median):
    library = counts.sum(1, keepdims=True)
    return np.log1p(
        np.divide(counts, library, out=np.zeros_like(counts), where=library > 0) * median
    )


def _fit(counts, median=30.0, n_blocks=3):
    blocks = [sparse.csr_matrix(part) for part in np.array_split(counts, n_blocks)]
    return standard_scores(blocks, median_library=median, n_features=counts.shape[1])


def _dense_scores(x):
    deviation = x.std(0, ddof=1) if len(x) > 1 else np.zeros(x.shape[1])
    return (x - x.mean(0)) / np.where(deviation > 1e-6, deviation, 1)


class TestStandardScores:
    @pytest.mark.parametrize("n_blocks", [1, 3])
    def test_equal_numpys(self, n_blocks):
        counts = _counts()
        found, x = _fit(counts, n_blocks=n_blocks), _log_normalized(counts, 30.0)
        np.testing.assert_allclose(found.mean, x.mean(0))
        deviation = x.std(0, ddof=1)
        np.testing.assert_allclose(found.deviation, np.where(deviation > 0, deviation, 1))

    def test_limits_are_percentiles_of_all_scores_together(self):
        counts = _counts(n_cells=400)
        found = _fit(counts)
        scores = _dense_scores(_log_normalized(counts, 30.0))
        percentiles = np.percentile(scores, [0.5, 99.5])
        assert [found.lower, found.upper] == pytest.approx(percentiles, abs=0.01)
        beyond = (scores > found.upper + 2e-3).mean()
        assert beyond <= CLIPPED_SHARE

    @pytest.mark.parametrize("counts", [np.zeros((4, 2)), np.ones((1, 1)), np.ones((3, 2))])
    def test_without_variance_nothing_is_clipped(self, counts):
        found = _fit(counts, n_blocks=1)
        assert found.deviation.tolist() == [1.0] * counts.shape[1]
        assert (found.lower, found.upper) == (-np.inf, np.inf)


class TestStandardize:
    @pytest.fixture
    def fitted(self):
        layer = Standardize(N_GENES).double()
        layer.fit(_fit(_counts(n_cells=400)))
        return layer

    def test_sparse_rows_and_floor_add_up_to_clipped_scores(self, fitted, rows):
        x = _log_normalized(_counts(7, seed=1), 30.0)
        found = _fit(_counts(n_cells=400))
        expected = ((x - found.mean) / found.deviation).clip(found.lower, found.upper)
        assert (expected == found.upper).any()
        own = fitted(rows(x)).to_dense() + fitted.floor
        np.testing.assert_allclose(own.numpy(), expected, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(fitted.dense(torch.from_numpy(x)).numpy(), own.numpy())

    def test_pattern_stays(self, fitted, rows):
        x = rows(_log_normalized(_counts(7, seed=1), 30.0))
        assert fitted(x).columns is x.columns

    def test_unfitted_changes_nothing(self, rows):
        x = np.array([[0.0, 2.0]])
        np.testing.assert_allclose(Standardize(2).double()(rows(x)).to_dense().numpy(), x)
