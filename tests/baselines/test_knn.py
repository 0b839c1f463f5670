from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.neighbors import KNeighborsRegressor, NearestNeighbors

from scvi_xmodal.baselines import KNN
from scvi_xmodal.baselines._knn import nearest, squared_distances


@pytest.mark.parametrize(
    ("source", "target"),
    [("rna", "atac"), ("rna", "protein"), ("protein", "rna"), ("protein", "atac")],
)
def test_equals_scikit_learn_where_no_distances_tie(
    mdata, train, held_out, dense_profile, source, target
):
    x, y = (dense_profile(mdata, key, train) for key in (source, target))
    expected = KNeighborsRegressor(10, algorithm="brute").fit(x[train], y[train])
    ours = KNN().fit(mdata, indices=train)
    translated = ours.translate(mdata[source][held_out], source=source, target=target)
    np.testing.assert_allclose(translated.X, expected.predict(x[held_out]), atol=1e-5)


def test_atac_is_compared_binarised_and_ties_go_to_earlier_rows(
    mdata, train, held_out, dense_profile
):
    x, y = (dense_profile(mdata, key, train) for key in ("atac", "rna"))
    rows = np.sort(train)
    distances = ((x[held_out][:, None] - x[rows][None]) ** 2).sum(axis=2)
    chosen = np.argsort(distances, axis=1, kind="stable")[:, :10]
    translated = (
        KNN()
        .fit(mdata, indices=train)
        .translate(mdata["atac"][held_out], source="atac", target="rna")
    )
    np.testing.assert_allclose(translated.X, y[rows][chosen].mean(axis=1), atol=1e-5)


def test_sparse_distances_equal_scikit_learns():
    rng = np.random.default_rng(0)
    x, y = (sparse.random(n, 30, 0.2, format="csr", random_state=rng) for n in (7, 11))
    expected, _ = NearestNeighbors(n_neighbors=11, algorithm="brute").fit(y).kneighbors(x)
    ours = squared_distances(x, y)
    np.testing.assert_allclose(np.sort(ours, axis=1), expected**2, atol=1e-12)
    dense = squared_distances(x.toarray(), y.toarray())
    np.testing.assert_allclose(ours, dense, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.data())
def test_nearest_takes_what_a_stable_sort_takes(row, data):
    n_neighbors = data.draw(st.integers(1, len(row)))
    distances = np.array([row, row[::-1]], dtype=float)
    expected = np.sort(np.argsort(distances, axis=1, kind="stable")[:, :n_neighbors], axis=1)
    np.testing.assert_array_equal(nearest(distances, n_neighbors), expected)


def test_one_neighbour_returns_the_training_cell_itself(mdata, train, dense_profile):
    translated = (
        KNN(n_neighbors=1)
        .fit(mdata, indices=train)
        .translate(mdata["rna"][train], source="rna", target="atac")
    )
    expected = dense_profile(mdata, "atac", train)[train]
    np.testing.assert_array_equal(translated.X, expected)


def test_fewer_cells_than_neighbours_average_all(mdata, dense_profile):
    rows = np.array([4, 9, 11])
    translated = (
        KNN(n_neighbors=10)
        .fit(mdata, indices=rows)
        .translate(mdata["protein"][:2], source="protein", target="atac")
    )
    expected = dense_profile(mdata, "atac", rows)[rows].mean(axis=0)
    np.testing.assert_allclose(translated.X, np.tile(expected, (2, 1)), rtol=1e-6)


def test_no_neighbours_are_refused():
    with pytest.raises(ValueError, match="n_neighbors=0"):
        KNN(n_neighbors=0)
