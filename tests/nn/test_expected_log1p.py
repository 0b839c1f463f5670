from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import nbinom

from scvi_xmodal.nn import expected_log1p, expected_log1p_table


def by_summing(mean: float, theta: float) -> float:
    """Sum over the probabilities of all counts that matter."""
    distribution = nbinom(theta, theta / (theta + mean))
    counts = np.arange(int(distribution.ppf(1 - 1e-12)) + 2)
    return float((np.log1p(counts) * distribution.pmf(counts)).sum())


@pytest.mark.parametrize("theta", [0.05, 0.7, 1.0, 13.0, 500.0])
def test_equals_the_sum_over_counts(theta):
    means = np.array([1e-4, 0.013, 0.4, 1.0, 3.3, 47.0, 900.0])
    expected = [by_summing(mean, theta) for mean in means]
    table = expected_log1p_table(torch.tensor([theta]))
    found = expected_log1p(torch.from_numpy(means)[:, None], table)[:, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=3e-5, rtol=1e-3)


def test_genes_keep_their_own_dispersion_and_cells_their_own_answer(monkeypatch):
    import scvi_xmodal.nn._expected_log1p as own

    theta = torch.tensor([0.3, 1.0, 20.0])
    mean = torch.rand(11, 3) * 5
    table = expected_log1p_table(theta)
    together = expected_log1p(mean, table)
    monkeypatch.setattr(own, "_VALUES_AT_A_TIME", 4)
    torch.testing.assert_close(expected_log1p(mean, table), together, rtol=0, atol=0)
    for gene in range(3):
        alone = expected_log1p(mean[:, [gene]], expected_log1p_table(theta[[gene]]))
        torch.testing.assert_close(alone[:, 0], together[:, gene])


def test_extremes_are_finite_and_ordered():
    table = expected_log1p_table(torch.tensor([1e-3, 1.0, 1e4]))
    mean = torch.tensor([0.0, 1e-9, 1.0, 1e3, 1e6, 1e9])[:, None].expand(6, 3)
    found = expected_log1p(mean, table)
    assert torch.isfinite(found).all()
    assert (found.diff(dim=0) >= 0).all()
    assert (found >= 0).all()
    assert (found <= torch.log1p(mean) + 1e-4).all()
    assert expected_log1p(mean[:0], table).shape == (0, 3)
