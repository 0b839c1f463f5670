from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable


def formula(counts: np.ndarray) -> np.ndarray:
    """Return scButterfly's TF-IDF, written from the paper."""
    binary = (counts != 0).astype(float)
    term = binary / binary.sum(axis=1, keepdims=True)
    weighted = term * np.log(1 + len(binary) / binary.sum(axis=0))
    return weighted / weighted.max()


@pytest.fixture
def counts(rng: np.random.Generator) -> np.ndarray:
    counts = rng.poisson(0.5, size=(20, 8)).astype(float)
    counts[:, 0] += 1  # no empty row
    counts[0] += 1  # no empty column
    return counts


def test_tfidf_is_the_papers_formula(
    counts: np.ndarray, container: Callable[[np.ndarray], Any]
) -> None:
    given = container(counts)
    result = pp.tfidf(given)
    assert sparse.issparse(result) == sparse.issparse(given)
    dense = result.toarray() if sparse.issparse(result) else result
    np.testing.assert_allclose(dense, formula(counts), rtol=1e-12)
    assert dense.max() == pytest.approx(1)


def test_sparse_arrays_stay_arrays(counts: np.ndarray) -> None:
    assert isinstance(pp.tfidf(sparse.csc_array(counts)), sparse.csr_array)
    assert isinstance(pp.tfidf(sparse.csc_matrix(counts)), sparse.csr_matrix)


def test_tfidf_agrees_with_scikit_learn_up_to_constants(counts: np.ndarray) -> None:
    # scikit-learn: ln(n / df) + 1; the ratio of ours to theirs depends on the peak alone
    theirs = TfidfTransformer(norm="l1", use_idf=False).fit_transform(counts != 0).toarray()
    ours = pp.tfidf(counts)
    with np.errstate(invalid="ignore"):
        ratio = ours / theirs
    spread = np.nanmax(ratio, axis=0) - np.nanmin(ratio, axis=0)
    np.testing.assert_allclose(spread, 0, atol=1e-12)


def test_query_uses_the_training_statistics(counts: np.ndarray) -> None:
    statistics = pp.fit_tfidf(counts[:15])
    alone = np.vstack([pp.tfidf(counts[i : i + 1], statistics) for i in range(20)])
    np.testing.assert_allclose(alone, pp.tfidf(counts, statistics), rtol=1e-12)
    np.testing.assert_allclose(alone[:15], formula(counts[:15]), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_inverse_gives_back_the_binary_matrix(
    counts: np.ndarray, container: Callable[[np.ndarray], Any], dtype: type
) -> None:
    given = container(counts.astype(dtype))
    statistics = pp.fit_tfidf(given)
    depth = (counts != 0).sum(axis=1)
    result = pp.inverse_tfidf(pp.tfidf(given, statistics), statistics, depth)
    dense = result.toarray() if sparse.issparse(result) else result
    np.testing.assert_allclose(dense, counts != 0, rtol=1e-5, atol=1e-6)


def test_peaks_and_cells_can_be_permuted(counts: np.ndarray, rng: np.random.Generator) -> None:
    rows, columns = rng.permutation(20), rng.permutation(8)
    permuted = pp.tfidf(counts[rows][:, columns])
    np.testing.assert_allclose(permuted, pp.tfidf(counts)[rows][:, columns], rtol=1e-12)


def test_only_openness_matters(counts: np.ndarray) -> None:
    np.testing.assert_array_equal(pp.tfidf(counts), pp.tfidf(counts * 7))


def test_stored_zeros_and_repeated_entries_do_not_count() -> None:
    # row 0: peak 0 stored twice, peak 1 stored as 0
    parts = (np.array([1.0, 2.0, 0.0, 1.0]), np.array([0, 0, 1, 1]), np.array([0, 3, 4]))
    matrix = sparse.csr_matrix(parts, shape=(2, 2))
    result = pp.tfidf(matrix)
    np.testing.assert_allclose(result.toarray(), np.eye(2))
    assert matrix.nnz == 4  # as given


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1), (4, 0), (0, 4)])
def test_nothing_open_gives_zeros(shape: tuple[int, int]) -> None:
    for empty in (np.zeros(shape), sparse.csr_matrix(shape)):
        statistics = pp.fit_tfidf(empty)
        assert statistics.scale == 1
        result = pp.tfidf(empty, statistics)
        assert result.shape == shape
        assert np.isfinite(result.toarray() if sparse.issparse(result) else result).all()
        back = pp.inverse_tfidf(result, statistics, np.zeros(shape[0]))
        assert not (back.toarray() if sparse.issparse(back) else back).any()


def test_peaks_never_open_in_training_give_zero() -> None:
    statistics = pp.fit_tfidf(np.array([[1, 0], [1, 0]]))
    assert statistics.idf.tolist() == pytest.approx([np.log(2), 0])
    query = pp.tfidf(sparse.csr_matrix([[0.0, 5.0]]), statistics)
    assert query.nnz == 0
    assert not pp.inverse_tfidf(query, statistics, 1).nnz


def test_mistakes_are_named(counts: np.ndarray, mdata: Any) -> None:
    statistics = pp.fit_tfidf(counts)
    with pytest.raises(ValueError, match="8 peaks"):
        pp.tfidf(counts[:, :5], statistics)
    with pytest.raises(ValueError, match=r"depth has shape \(3,\)"):
        pp.inverse_tfidf(counts, statistics, [1, 2, 3])
    with pytest.raises(ValueError, match=r"give adata\.X"):
        pp.tfidf(mdata["atac"])
    with pytest.raises(ValueError, match=r"shape \(8,\)"):
        pp.fit_tfidf(counts[0])
