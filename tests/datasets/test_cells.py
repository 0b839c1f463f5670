from __future__ import annotations

import numpy as np
import pytest

from scvi_xmodal.datasets._cells import BETWEEN_TYPES, LOG_DEPTH_SD, draw_cells


def test_types_and_batches_are_of_equal_size_and_independent(rng):
    cells = draw_cells(1200, 3, 4, 3, rng)
    table = np.zeros((4, 3))
    np.add.at(table, (cells.cell_type, cells.batch), 1)
    assert (table.sum(axis=0) == 400).all()
    assert (table.sum(axis=1) == 300).all()
    assert table.min() > 50  # 100 expected


def test_latent_variance_is_shared_between_and_within_types(rng):
    cells = draw_cells(20_000, 4, 5, 1, rng)
    within = np.mean([cells.latent[cells.cell_type == k].var(axis=0) for k in range(5)], axis=0)
    np.testing.assert_allclose(cells.latent.var(axis=0), 1, atol=0.05)
    np.testing.assert_allclose(within, 1 - BETWEEN_TYPES, atol=0.05)
    np.testing.assert_allclose(cells.latent.mean(axis=0), 0, atol=0.05)


def test_depths_have_median_one_and_correlate_between_modalities(rng):
    log_depth = draw_cells(20_000, 1, 1, 1, rng).log_depth
    np.testing.assert_allclose(np.median(log_depth, axis=0), 0, atol=0.02)
    np.testing.assert_allclose(log_depth.std(axis=0), LOG_DEPTH_SD, atol=0.01)
    correlation = np.corrcoef(log_depth.T)[np.triu_indices(3, k=1)]
    np.testing.assert_allclose(correlation, 0.5, atol=0.03)


@pytest.mark.parametrize("n_cell_types", [1, 2, 7])
def test_one_cell_of_any_number_of_types_is_finite(n_cell_types, rng):
    cells = draw_cells(1, 2, n_cell_types, 2, rng)
    assert cells.latent.shape == (1, 2)
    assert np.isfinite(cells.latent).all()
