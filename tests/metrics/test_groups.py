import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal.metrics._groups import group_labels, group_means


def test_means_equal_pandas_for_dense_and_sparse(rng):
    values = rng.poisson(1.0, (20, 4)).astype(np.float32)
    labels = pd.Series(rng.choice(["a", "b", None], 20), dtype="category")
    expected = pd.DataFrame(values).groupby(labels.to_numpy()).mean().to_numpy()
    for matrix in (values, sparse.csr_matrix(values)):
        np.testing.assert_allclose(group_means(matrix, labels), expected)


def test_labels_are_strings_of_groups_that_exist():
    adata = AnnData(np.ones((3, 1)))
    adata.obs["n"] = [2, 1, 2]
    adata.obs["c"] = pd.Categorical(["x", None, "x"], categories=["y", "x"])
    assert list(group_labels(adata, "n", name="cells").cat.categories) == ["1", "2"]
    assert list(group_labels(adata, "c", name="cells").cat.categories) == ["x"]
    with pytest.raises(ValueError, match="'z' is no column of cells.obs"):
        group_labels(adata, "z", name="cells")
    adata.obs["none"] = np.nan
    with pytest.raises(ValueError, match="No cell of cells has a label"):
        group_labels(adata, "none", name="cells")


@pytest.mark.parametrize(
    "numbers",
    [
        pd.array([2, 1, None], dtype="Int64"),
        [2.0, 1.0, np.nan],
        pd.Categorical([2.0, 1.0, None]),
        pd.Series([2, 1, None], dtype=object),
    ],
)
def test_numbers_keep_their_names_beside_gaps(numbers):
    adata = AnnData(np.ones((3, 1)))
    adata.obs["n"] = getattr(numbers, "array", numbers)
    labels = group_labels(adata, "n", name="cells")
    assert list(labels.cat.categories) == ["1", "2"]
    assert labels.isna().tolist() == [False, False, True]


def test_one_name_in_two_types_is_one_group():
    adata = AnnData(np.ones((3, 1)))
    adata.obs["n"] = pd.Categorical([1, "1", "b"], categories=["b", 1, "1"])
    assert list(group_labels(adata, "n", name="cells").cat.categories) == ["b", "1"]
