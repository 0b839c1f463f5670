"""What every translation returns."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import translation, translation_record

RECORD = {"source": "atac", "target": "rna", "target_kind": "rna", "model": "Some"}


def _record(**options):
    return translation_record(**RECORD, options=options)


def test_record_holds_where_it_is_from():
    record = _record(depth="median", transform_batch=None)
    assert {key: record[key] for key in RECORD} == RECORD
    assert set(record["versions"]) == {"scvi-xmodal", "scvi-tools", "torch", "anndata", "mudata"}
    assert record["options"] == {"depth": "median", "transform_batch": "None"}
    assert "n_features" not in record
    assert translation_record(**RECORD, options={}, n_features=9)["n_features"] == 9


def test_parts_go_where_the_contract_says(tmp_path):
    layers = {"X": np.arange(6.0).reshape(2, 3), "mean": np.ones((2, 3))}
    obs = pd.DataFrame({"cell_type": ["a", "b"]}, index=["c1", "c2"])
    var = pd.DataFrame({"chrom": ["chr1"] * 3}, index=["p1", "p2", "p3"])
    result = translation(layers, obs=obs, var=var, record=_record(depth="median"))
    np.testing.assert_array_equal(result.X, layers["X"])
    assert layer_names(result) == ["mean"]
    pd.testing.assert_frame_equal(result.obs, obs)
    pd.testing.assert_frame_equal(result.var, var)
    result.obs["new"] = 1
    result.var["new"] = 1
    assert list(obs) == ["cell_type"]
    assert list(var) == ["chrom"]
    result.write_h5ad(tmp_path / "x.h5ad")
    read = anndata.read_h5ad(tmp_path / "x.h5ad")
    assert read.uns["scvi_xmodal"]["options"]["depth"] == "median"
    np.testing.assert_array_equal(read.layers["mean"], layers["mean"])
