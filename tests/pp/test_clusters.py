from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal import pp

if TYPE_CHECKING:
    from collections.abc import Callable

    from mudata import MuData

    from scvi_xmodal.data import Split


def parts(split: Split) -> tuple[list[int], list[int], list[int]]:
    return split.train.tolist(), split.validation.tolist(), split.test.tolist()


def cells(n: int) -> AnnData:
    return AnnData(sparse.csr_matrix((n, 1), dtype=np.float32))


def labelled(labels: list[Any], key: str = "cell_type") -> AnnData:
    adata = cells(len(labels))
    adata.obs[key] = labels
    return adata


def test_clusters_rotate_over_the_largest() -> None:
    sizes = {"big": 9, "large": 8, "mid": 7, "small": 6, "tiny": 5, "rest": 2}
    labels = np.repeat(list(sizes), list(sizes.values()))
    order = list(sizes)[:5]
    for fold in range(5):
        split = pp.split(labelled(list(labels), "leiden"), by="cluster", key="leiden", fold=fold)
        train, validation, test = (set(labels[rows]) for rows in parts(split))
        assert validation == {order[fold]}
        assert test == {order[(fold + 1) % 5]}
        assert train == set(sizes) - validation - test
        assert sum(map(len, parts(split))) == labels.size


def test_too_few_clusters_are_an_error() -> None:
    adata = labelled(["a", "a", "b", "c"], "leiden")
    with pytest.raises(ValueError, match="There are 3 clusters, but 5"):
        pp.split(adata, by="cluster", key="leiden")
    assert parts(pp.split(adata, by="cluster", key="leiden", n_folds=2)) == ([3], [0, 1], [2])
    with pytest.raises(ValueError, match="There are 2 clusters, but 3"):
        pp.split(adata[:3], by="cluster", key="leiden", n_folds=2)
    with pytest.raises(ValueError, match="cannot be clustered"):
        pp.split(cells(2), by="cluster")


@pytest.fixture
def blobs(rng: np.random.Generator) -> tuple[AnnData, np.ndarray]:
    """Return cells of six well separated types with 60, 50, ... 10 cells, and the types."""
    types = rng.permutation(np.repeat(np.arange(6), [60, 50, 40, 30, 20, 10]))
    rate = np.full((6, 60), 0.3)
    for i in range(6):
        rate[i, i * 10 : (i + 1) * 10] = 12
    counts = rng.poisson(rate[types]).astype(np.float32)
    return AnnData(sparse.csr_matrix(counts)), types


def test_leiden_holds_out_whole_types(
    blobs: tuple[AnnData, np.ndarray], join: Callable[[Any], MuData]
) -> None:
    adata, types = blobs
    before = adata.X.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        split = pp.split(adata, by="cluster", n_folds=3, fold=0)
    assert np.unique(types[split.validation]).size == np.unique(types[split.test]).size == 1
    assert split.validation.size >= split.test.size
    assert split.train.size + split.validation.size + split.test.size == 210
    assert parts(pp.split(adata, by="cluster", n_folds=3)) == parts(split)
    assert (adata.X != before).nnz == 0
    assert not adata.obsm
    mdata = join({"rna": adata[::-1].copy(), "atac": adata.copy()})
    same = pp.split(mdata, by="cluster", n_folds=3)
    rows = adata.obs_names.get_indexer(mdata.obs_names)
    assert np.unique(types[rows[same.validation]]).size == 1


def test_clusters_need_counts_of_every_cell(
    blobs: tuple[AnnData, np.ndarray], join: Callable[[Any], MuData]
) -> None:
    adata, _ = blobs
    logged = adata.copy()
    logged.layers["counts"] = adata.X.copy()
    logged.X.data = np.log1p(logged.X.data)
    with pytest.raises(ValueError, match="not a whole number"):
        pp.split(logged, by="cluster")
    expected = parts(pp.split(adata, by="cluster", n_folds=3))
    assert parts(pp.split(logged, by="cluster", n_folds=3, layer="counts")) == expected
    with pytest.raises(ValueError, match=r"layers\['raw'\] does not exist"):
        pp.split(logged, by="cluster", layer="raw")
    with pytest.raises(ValueError, match="No rna modality"):
        pp.split(join({"atac": adata.copy()}), by="cluster")
    with pytest.raises(ValueError, match="10 cells were not measured in 'rna'"):
        pp.split(join({"rna": adata[10:].copy(), "atac": adata.copy()}), by="cluster")
