"""Clusters of planted groups, and their scores against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import metrics as sk

from scvi_xmodal.metrics import cluster_agreement, leiden_clusters


@pytest.fixture
def planted():
    """Return 120 cells of four far groups, and the groups."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 30)
    return rng.normal(scale=5, size=(4, 20))[groups] + rng.normal(size=(120, 20)), groups


@pytest.mark.parametrize("store", [np.asarray, sparse.csr_matrix])
def test_planted_groups_are_found(planted, store):
    matrix, groups = planted
    found = cluster_agreement(groups, leiden_clusters(store(matrix)))
    assert found.homogeneity == pytest.approx(1)
    assert found.ari > 0.8


def test_named_cells_may_be_shuffled(planted):
    matrix, _ = planted
    names = np.array([f"cell{i}" for i in range(120)])
    order = np.random.default_rng(1).permutation(120)
    features = np.random.default_rng(2).permutation(20)
    clusters = leiden_clusters(matrix, names=names)
    shuffled = leiden_clusters(matrix[np.ix_(order, features)], names=names[order])
    np.testing.assert_array_equal(clusters[order], shuffled)


@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (3, 4), (4, 1), (3, 1), (16, 2), (0, 4)])
def test_few_cells_and_features(shape):
    clusters = leiden_clusters(np.random.default_rng(0).random(shape))
    assert clusters.shape == (shape[0],)
    assert clusters.dtype == np.int64


def test_equal_profiles_are_one_cluster():
    mean = np.broadcast_to(np.linspace(0, 1, 30), (50, 30))
    assert set(leiden_clusters(mean)) == {0}
    assert set(leiden_clusters(sparse.csr_matrix((50, 30)))) == {0}


def test_bad_matrix_and_names(planted):
    matrix, _ = planted
    with pytest.raises(ValueError, match="matrix holds nan"):
        leiden_clusters(np.where(matrix > 4, np.nan, matrix))
    with pytest.raises(ValueError, match=r"\(120,\), got \(2,\)"):
        leiden_clusters(matrix, names=["a", "b"])


def test_agreement_equals_sklearn_and_drops_missing_labels():
    rng = np.random.default_rng(0)
    labels = pd.Series(rng.choice(["a", "b", "c"], 60)).astype("category")
    clusters = rng.integers(0, 5, 60)
    labels[::6] = np.nan
    known = labels.notna().to_numpy()
    pair = labels[known].astype(str), clusters[known]
    found = cluster_agreement(labels, clusters)
    assert found.ari == pytest.approx(sk.adjusted_rand_score(*pair))
    assert found.ami == pytest.approx(sk.adjusted_mutual_info_score(*pair))
    assert found.nmi == pytest.approx(sk.normalized_mutual_info_score(*pair))
    assert found.homogeneity == pytest.approx(sk.homogeneity_score(*pair))
    assert found.n_clusters == np.unique(pair[1]).size


def test_agreement_of_next_to_nothing_is_undefined():
    assert np.isnan(cluster_agreement(["a"], [0]).ari)
    assert np.isnan(cluster_agreement(["a", None, "b"], [0, 1, 0]).ami)
    assert np.isnan(cluster_agreement([], []).nmi)
    with pytest.raises(ValueError, match="2 labels were given for 1 cells"):
        cluster_agreement(["a", "b"], [0])


def test_two_series_are_matched_by_index(planted):
    _, groups = planted
    labels = pd.Series(groups, index=[f"cell{i}" for i in range(120)])
    shuffled = labels.sample(frac=1, random_state=0)
    assert cluster_agreement(labels, shuffled).ari == pytest.approx(1)
    assert cluster_agreement(labels, shuffled.to_numpy()).ari < 0.1
    with pytest.raises(ValueError, match="cannot be matched by name"):
        cluster_agreement(labels, labels.add_prefix("a-"))
