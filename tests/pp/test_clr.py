from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import gmean

from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("pseudocount", [1, 0.5])
def test_clr_is_the_log_over_the_geometric_mean(
    container: Callable[[np.ndarray], Any], pseudocount: float, rng: np.random.Generator
) -> None:
    counts = rng.poisson(3, size=(9, 6)).astype(float)
    given = container(counts)
    result = pp.clr(given, pseudocount=pseudocount)
    shifted = counts + pseudocount
    expected = np.log(shifted / gmean(shifted, axis=1)[:, None])
    np.testing.assert_allclose(result, expected, atol=1e-12)
    np.testing.assert_allclose(result.sum(axis=1), 0, atol=1e-12)
    back = given.toarray() if sparse.issparse(given) else given
    np.testing.assert_array_equal(back, counts)


def test_absent_proteins_are_the_lowest(rng: np.random.Generator) -> None:
    counts = rng.poisson(2, size=(30, 7))
    result = pp.clr(counts)
    absent = counts == 0
    lowest = np.broadcast_to(result.min(axis=1, keepdims=True), result.shape)
    np.testing.assert_array_equal(result[absent], lowest[absent])


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 0), (0, 3)])
def test_empty_cells_and_ugly_sizes_are_zero(shape: tuple[int, int]) -> None:
    result = pp.clr(sparse.csr_matrix(shape))
    assert result.shape == shape
    assert not result.any()


def test_float32_stays_float32() -> None:
    assert pp.clr(np.ones((2, 2), dtype=np.float32)).dtype == np.float32
    assert pp.clr(np.ones((2, 2), dtype=int)).dtype == np.float64


def test_mistakes_are_named(mdata: Any) -> None:
    with pytest.raises(ValueError, match="pseudocount=0"):
        pp.clr(np.ones((1, 1)), pseudocount=0)
    with pytest.raises(ValueError, match="negative or missing"):
        pp.clr(np.array([[1, -1]]))
    with pytest.raises(ValueError, match="negative or missing"):
        pp.clr(np.array([[1, np.nan]]))
    with pytest.raises(ValueError, match=r"give adata\.X"):
        pp.clr(mdata["protein"])
