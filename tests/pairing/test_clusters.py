"""Re-pairing within clusters (scButterfly-C)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scvi_xmodal.metrics import cluster_agreement
from scvi_xmodal.pairing import ClusterPairs, by_cluster
from scvi_xmodal.pairing._embedding import quick_embedding

TRAIN = np.arange(0, 240)


@pytest.fixture(scope="module")
def quick(synthetic_mdata):
    return by_cluster(synthetic_mdata, TRAIN, embedding="quick", redraw=True)


def test_pairs_stay_within_clusters(quick):
    assert isinstance(quick, ClusterPairs)
    assert quick.clusters.index.tolist() == TRAIN.tolist()
    assert quick.embedding.shape[0] == TRAIN.size
    assert quick.model is None
    assert len(quick) == 3 * TRAIN.size
    for epoch in (0, 5):
        assert quick.draw(epoch).purity(quick.clusters.to_numpy()) == 1
    assert not quick.draw(0).to_dataframe().equals(quick.draw(1).to_dataframe())
    assert np.isin(quick.sources["atac"], TRAIN).all()


def test_clusters_are_small_and_tell_types_apart(synthetic_mdata, quick):
    labels = synthetic_mdata.obs["cell_type"]
    coarse = by_cluster(synthetic_mdata, TRAIN, embedding="quick", resolution=0.2)
    assert quick.clusters.nunique() > coarse.clusters.nunique()
    rng = np.random.default_rng(0)
    chance = cluster_agreement(labels.iloc[TRAIN], rng.permutation(quick.clusters.to_numpy()))
    own = cluster_agreement(labels.iloc[TRAIN], quick.clusters)
    assert own.homogeneity > chance.homogeneity + 0.3


def test_held_out_cells_are_not_looked_at(synthetic_mdata, quick):
    changed = synthetic_mdata.copy()
    for key in changed.mod:
        dense = changed[key].X.toarray()
        dense[240:] = 9
        changed[key].X = sparse.csr_matrix(dense)
    again = by_cluster(changed, TRAIN, embedding="quick")
    np.testing.assert_array_equal(again.clusters, quick.clusters)


def test_an_embedding_of_ones_own(synthetic_mdata):
    labels = synthetic_mdata.obs["cell_type"]
    codes = labels.astype("category").cat.codes.to_numpy()
    points = np.eye(codes.max() + 1)[codes] * 50
    points += np.random.default_rng(0).normal(size=points.shape)
    pairs = by_cluster(synthetic_mdata, TRAIN, embedding=points, resolution=0.1)
    assert pairs.purity(labels) == 1


def test_quick_embedding_is_components_side_by_side():
    rng = np.random.default_rng(0)
    rna, atac = (sparse.csr_matrix(rng.poisson(1.0, (20, n)).astype(float)) for n in (8, 12))
    points = quick_embedding({"rna": rna, "atac": atac}, n_components=4)
    assert points.shape == (20, 4 + 3)
    for part in (points[:, :4], points[:, 4:]):
        np.testing.assert_allclose(part.var(axis=0).sum(), 1)
    library = np.asarray(rna.sum(1))
    values = np.log1p(rna.toarray() / library * np.median(library))
    left, scale, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    expected = (left * scale)[:, :4] / np.sqrt((scale[:4] ** 2).sum() / 20)
    np.testing.assert_allclose(np.abs(points[:, :4]), np.abs(expected), atol=1e-6)
    binary = atac.toarray() > 0
    idf = np.log1p(20 / binary.sum(0))
    weighted = binary / binary.sum(1, keepdims=True) * idf
    left, scale, _ = np.linalg.svd(weighted, full_matrices=False)
    lsi = (left * scale)[:, 1:4]
    lsi /= np.sqrt(lsi.var(axis=0).sum())
    np.testing.assert_allclose(np.abs(points[:, 4:]), np.abs(lsi), atol=1e-5)


def test_empty_modalities_do_not_break_the_quick_embedding():
    rna = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (6, 4)))
    points = quick_embedding({"rna": rna, "atac": sparse.csr_matrix((6, 9))})
    assert np.isfinite(points).all()


@pytest.mark.parametrize(
    ("kinds", "name"), [(("rna", "atac"), "MULTIVI"), (("rna", "protein"), "TOTALVI")]
)
def test_the_published_integration_models(synthetic_mdata, kinds, name):
    pairs = by_cluster(
        synthetic_mdata,
        TRAIN,
        modalities={kind: kind for kind in kinds},
        train_kwargs={"max_epochs": 1},
    )
    assert type(pairs.model).__name__ == name
    assert list(pairs.rows) == list(kinds)
    np.testing.assert_array_equal(pairs.embedding, pairs.model.get_latent_representation())
    assert pairs.purity(dict.fromkeys(kinds, pairs.clusters.to_numpy())) == 1


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"embedding": "pca"}, "embedding='pca'"),
            ({"embedding": "multivi"}, r"joins \['atac', 'rna'\], but the data have"),
            ({"embedding": np.ones((3, 2))}, "each of the 300 cells"),
            ({"embedding": np.full((300, 2), "a")}, "finite numbers .*, got ndarray of shape"),
            ({"embedding": [[1, 2], [3]]}, r"finite numbers .*, got \[\[1, 2\], \[3\]\]"),
            ({"embedding": "quick", "train_kwargs": {"max_epochs": 1}}, "trains nothing"),
            ({"embedding": "quick", "layers": {"rna": "counts"}}, "'counts'"),
            (
                {"embedding": "quick", "layers": {"gex": "counts"}},
                "layers names 'gex', but the mod",
            ),
            ({"embedding": "quick", "indices": [0, 1]}, "2 training cells cannot be clustered"),
        ],
    )
    def test_is_named(self, synthetic_mdata, options, message):
        with pytest.raises(ValueError, match=message):
            by_cluster(synthetic_mdata, **{"indices": TRAIN, **options})


def test_a_table_of_places_is_of_these_cells_in_their_order(synthetic_mdata):
    names = synthetic_mdata.obs_names
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(len(names), 3)), index=names)
    with pytest.raises(ValueError, match="embedding is a DataFrame of .*in another order"):
        by_cluster(synthetic_mdata, TRAIN, embedding=table[::-1])
