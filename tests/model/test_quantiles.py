"""Quantiles and ranks of counts against SciPy, and levels against shares."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, nbinom, poisson

from scvi_xmodal.model._calibration import Calibration, thinned
from scvi_xmodal.model._intervals import checked_levels, latent_noise, layer_of
from scvi_xmodal.model._quantiles import count_quantiles, count_ranks, matched_size


def _moments(rng, n):
    mean = 10 ** rng.uniform(-4, 5, n)
    return mean, mean * (1 + 10 ** rng.uniform(-3, 2, n))


class TestCounts:
    def test_quantiles_are_scipys(self, rng):
        mean, variance = _moments(rng, 2000)
        levels = rng.uniform(0.0005, 0.9995, (3, 2000))
        size = matched_size(mean, variance)
        expected = nbinom.ppf(levels, size, size / (size + mean))
        np.testing.assert_array_equal(count_quantiles(mean, variance, levels), expected)

    def test_without_excess_they_are_a_poissons(self):
        mean = np.array([0.01, 0.5, 3.0, 40.0])
        found = count_quantiles(mean, 0.5 * mean, np.full((1, 4), 0.95))
        np.testing.assert_array_equal(found[0], poisson.ppf(0.95, mean))

    @pytest.mark.parametrize("mean", [0.0, 1e-30, 1e9])
    def test_extreme_means(self, mean):
        found = count_quantiles([mean], [3 * mean], [[0.001], [0.999]])
        assert np.isfinite(found).all()
        assert found[0] <= found[1]

    def test_ranks_of_draws_are_uniform(self, rng):
        mean, variance = _moments(rng, 5000)
        size = matched_size(mean, variance)
        y = rng.poisson(np.minimum(rng.gamma(size, mean / size), 1e15))
        assert kstest(count_ranks(y, mean, variance, rng.random(5000)), "uniform").pvalue > 0.01

    def test_ranks_lie_between_the_distribution_functions(self):
        size = matched_size([2.0], [5.0])
        share = size / (size + 2.0)
        for y in (0, 1, 4):
            for v in (0.0, 1.0):
                expected = nbinom.cdf(y - 1 + v, size, share)
                np.testing.assert_allclose(count_ranks([y], [2.0], [5.0], v), expected)

    def test_long_tails_and_the_highest_level_end(self):
        mean, variance = np.full(4, 90.0), np.array([91.0, 1e5, 1e7, 1e8])
        levels = np.array([[0.5] * 4, [0.99999] * 4, [1.0] * 4])
        size = matched_size(mean, variance)
        found = count_quantiles(mean, variance, levels)
        expected = nbinom.ppf(levels[:2], size, size / (size + mean))
        np.testing.assert_array_equal(found[:2], expected)
        assert (found[2] >= found[1]).all()
        assert np.isfinite(found).all()
        assert np.isfinite(count_quantiles([1e4], [1e5], [[1.0]])).all()


class TestCalibration:
    def test_ranks_that_are_too_narrow_widen_the_interval(self, rng):
        edges = np.array([1.0])
        # in the upper stratum values lie further out than the model says
        ranks = np.r_[rng.random(4000), rng.beta(0.4, 0.4, 4000)]
        stratum = np.repeat([0, 1], 4000)
        found = Calibration.fit(edges, stratum, ranks)
        low, high = (found.at(level, np.array([0.5, 2.0])) for level in (0.05, 0.95))
        np.testing.assert_allclose([low[0], high[0]], [0.05, 0.95], atol=0.02)
        upper = ranks[4000:]
        assert ((upper > low[1]) & (upper < high[1])).mean() == pytest.approx(0.9, abs=0.01)

    def test_small_strata_take_the_nearest(self, rng):
        stratum = np.repeat([0, 1, 2], [500, 3, 0])
        found = Calibration.fit(np.array([1.0, 2.0]), stratum, rng.beta(3, 3, 503))
        np.testing.assert_array_equal(found.levels[1], found.levels[0])
        np.testing.assert_array_equal(found.levels[2], found.levels[0])

    def test_too_few_entries_change_nothing(self, rng):
        found = Calibration.fit(np.array([1.0]), np.zeros(9, dtype=np.int64), rng.random(9))
        np.testing.assert_allclose(found.at(0.95, np.array([0.1, 5.0])), 0.95)
        assert not found.is_fitted
        assert Calibration.fit(
            np.array([1.0]), np.zeros(999, dtype=np.int64), rng.random(999)
        ).is_fitted

    def test_levels_beyond_the_grid_are_told_apart(self, rng):
        narrow = Calibration.fit(np.array([1.0]), np.repeat([0, 1], 2000), rng.beta(3, 3, 4000))
        unfitted = Calibration.fit(np.array([1.0]), np.zeros(9, dtype=np.int64), rng.random(9))
        levels = (1e-5, 5e-4, 1e-3, 0.5, 0.999, 0.9995, 1 - 1e-5)
        for found in (narrow, unfitted):
            asked = np.array([found.at(level, np.array([0.5, 2.0])) for level in levels])
            assert (np.diff(asked, axis=0) > 0).all()
            assert ((asked > 0) & (asked < 1)).all()
        np.testing.assert_allclose(asked[:, 0], levels)

    def test_thinning_keeps_small_strata_whole(self, rng):
        stratum = np.repeat([0, 4], [30_000, 7])
        chosen = thinned(stratum, rng)
        assert np.bincount(stratum[chosen]).tolist() == [20_000, 0, 0, 0, 7]
        assert np.unique(chosen).size == chosen.size


def test_levels_are_checked():
    assert checked_levels(0.5) == (0.5,)
    for wrong in ((), (0.0, 0.5), (1.0,), (0.5, 0.5), "median", (np.nan,)):
        with pytest.raises(ValueError, match=r"such as \(0.05, 0.95\)"):
            checked_levels(wrong)


def test_names_of_layers():
    assert [layer_of(q) for q in (0.001, 0.025, 0.05, 0.5, 0.975)] == [
        "q00.1",
        "q02.5",
        "q05",
        "q50",
        "q97.5",
    ]


def test_noise_comes_with_its_opposite():
    noise = latent_noise(5, 3, seed=1)
    assert noise.shape == (5, 3)
    np.testing.assert_array_equal(noise[0], -noise[1])
    np.testing.assert_array_equal(noise, latent_noise(5, 3, seed=1))
    assert not np.array_equal(noise, latent_noise(5, 3, seed=2))
