"""What every translation returns."""

from __future__ import annotations

import warnings
from unittest import mock

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc

from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import TranslationWriter, translation, translation_record

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


@pytest.mark.parametrize(
    ("kind", "given", "scale"),
    [
        ("rna", None, "log1p"),
        ("rna", "counts", "counts"),
        ("atac", None, "probability"),
        ("atac", "tfidf", "tfidf"),
        ("protein", None, "clr"),
    ],
)
def test_record_says_the_scale_and_scanpy_hears_of_logarithms(tmp_path, kind, given, scale):
    record = translation_record(**RECORD | {"target_kind": kind}, options={}, scale=given)
    assert record["scale"] == scale
    frames = {"obs": pd.DataFrame(index=["a", "b"]), "var": pd.DataFrame(index=["x"])}
    translated = translation({"X": np.array([[0.5], [1.5]])}, record=record, **frames)
    translated.write_h5ad(tmp_path / "memory.h5ad")
    with TranslationWriter(tmp_path / "blocks.h5ad", (2, 1)) as writer:
        writer.append({"X": np.asarray(translated.X)})
        writer.finish(record=record, **frames)
    read = [anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("memory", "blocks")]
    for adata in (translated, *read):
        said = []
        with (
            warnings.catch_warnings(record=True),
            mock.patch("scanpy.logging.warning", said.append),
        ):
            sc.pp.log1p(adata)
        assert bool(said) is (scale == "log1p")


def test_scanpy_takes_the_base_of_logarithms_from_it():
    X = np.log1p(np.random.default_rng(0).poisson(2.0, (40, 5)))
    cells = pd.DataFrame({"group": pd.Categorical(["a", "b"] * 20)}, index=map(str, range(40)))
    var = pd.DataFrame(index=list("vwxyz"))
    translated = translation({"X": X}, obs=cells, var=var, record=_record())
    plain = anndata.AnnData(X, obs=cells, var=var)
    for adata in (translated, plain):
        sc.tl.rank_genes_groups(adata, "group")
    found, expected = (sc.get.rank_genes_groups_df(a, "a") for a in (translated, plain))
    pd.testing.assert_frame_equal(found, expected)


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
