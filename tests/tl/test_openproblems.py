"""What OpenProblems reads of a prediction is there, on its scale."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from scvi_xmodal.tl import to_openproblems


def _translated(kind, values, **layers):
    return AnnData(
        values,
        obs=pd.DataFrame({"batch": "a"}, index=[f"c{i}" for i in range(values.shape[0])]),
        layers=layers,
        uns={"scvi_xmodal": {"model": "Butterfly", "target_kind": kind}},
    )


@pytest.mark.filterwarnings("ignore:Some cells have zero counts")
def test_rna_is_on_the_scale_that_scanpy_computes(rng, tmp_path):
    mean = rng.gamma(1.0, size=(5, 7)).astype(np.float32)
    mean[2] = 0
    prediction = to_openproblems(_translated("rna", np.log1p(mean), mean=mean), dataset_id="d")
    expected = AnnData(mean.astype(np.float64))
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    np.testing.assert_allclose(prediction.layers["normalized"], expected.X, rtol=1e-6)
    prediction.write_h5ad(tmp_path / "prediction.h5ad")
    read = anndata.read_h5ad(tmp_path / "prediction.h5ad")
    assert read.layers["normalized"].dtype == np.float64
    assert dict(read.uns) == {"dataset_id": "d", "method_id": "butterfly"}
    assert list(read.obs_names) == [f"c{i}" for i in range(5)]
    assert read.X is None
    assert read.obs.shape[1] == read.var.shape[1] == 0


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix])
def test_other_kinds_are_passed_on(rng, container):
    values = rng.random((3, 4)).astype(np.float32)
    translated = _translated("atac", container(values))
    prediction = to_openproblems(translated, dataset_id="d", method_id="mine")
    np.testing.assert_array_equal(prediction.layers["normalized"], values)
    assert prediction.uns["method_id"] == "mine"


def test_a_stranger_needs_a_name():
    with pytest.raises(ValueError, match="give method_id="):
        to_openproblems(AnnData(np.ones((1, 1))), dataset_id="d")


def test_drawn_counts_are_no_prediction_of_expression(rng):
    drawn = _translated("rna", rng.poisson(2.0, size=(5, 7)))
    drawn.uns["scvi_xmodal"]["options"] = {"drawn": True}
    with pytest.raises(ValueError, match="drawn counts"):
        to_openproblems(drawn, dataset_id="d")
