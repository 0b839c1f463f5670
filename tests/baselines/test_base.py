from __future__ import annotations

import pickle

import anndata
import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData

import scvi_xmodal as xm
from scvi_xmodal.baselines import KNN, Baseline, DepthOnly, Mean, Ridge, _prediction

BASELINES = [Mean(), DepthOnly(), KNN(n_neighbors=4), Ridge(n_components=5)]
DIRECTIONS = [(s, t) for s in ("rna", "atac", "protein") for t in ("rna", "atac", "protein")]
DIRECTIONS = [(source, target) for source, target in DIRECTIONS if source != target]

each = pytest.mark.parametrize("baseline", BASELINES, ids=repr)


def test_all_baselines_are_exported():
    exported = [getattr(xm.baselines, name) for name in xm.baselines.__all__]
    concrete = {cls for cls in exported if issubclass(cls, Baseline) and cls is not Baseline}
    # gene activity knows one direction only: see test_gene_activity
    assert concrete == {type(baseline) for baseline in BASELINES} | {xm.baselines.GeneActivity}
    assert concrete == set(Baseline.__subclasses__())


@each
def test_output_contract_in_all_directions(baseline, mdata, train, held_out, tmp_path):
    baseline.fit(mdata, indices=train)
    for source, target in DIRECTIONS:
        query = mdata[source][held_out].copy()
        out = baseline.translate(query, source=source, target=target)
        assert isinstance(out, AnnData)
        assert out.X.dtype == np.float32
        assert np.isfinite(out.X).all()
        assert out.obs.equals(query.obs)
        assert out.var.equals(mdata[target].var)
        assert ("mean" in out.layers) == (target == "rna")
        record = out.uns["scvi_xmodal"]
        assert (record["source"], record["target"]) == (source, target)
        assert record["target_kind"] == target
        assert record["model"] == type(baseline).__name__
        assert set(record["options"]) <= {"n_neighbors", "n_components", "alpha", "seed"}
        if target == "rna":
            assert out.X.min() >= 0
            share = np.expm1(out.X)
            share /= share.sum(axis=1, keepdims=True)
            sums = np.asarray(mdata["rna"].X[train].sum(axis=1)).ravel()
            library = np.median(sums[sums > 0])
            np.testing.assert_allclose(out.layers["mean"], share * library, rtol=1e-4)
        if target == "atac":
            assert 0 <= out.X.min() <= out.X.max() <= 1
    out.write_h5ad(tmp_path / "out.h5ad")


@each
def test_other_rows_change_nothing(baseline, mdata, train, held_out):
    parts = {key: adata.copy() for key, adata in mdata.mod.items()}
    rng = np.random.default_rng(1)
    for adata in parts.values():
        dense = adata.X.toarray()
        dense[held_out] = rng.poisson(50, dense[held_out].shape)
        adata.X = dense
    altered, query = MuData(parts), mdata[held_out].copy()
    for source, target in DIRECTIONS:
        first, second = (
            baseline.fit(data, indices=train).translate(query, source=source, target=target)
            for data in (mdata, altered)
        )
        np.testing.assert_array_equal(first.X, second.X)


@each
def test_one_cell_alone_and_any_query_give_the_same(baseline, mdata, train):
    baseline.fit(mdata, indices=train)
    for source, target in DIRECTIONS:
        batch = baseline.translate(mdata, source=source, target=target)
        shuffled = mdata[source][:, np.random.default_rng(0).permutation(mdata[source].n_vars)]
        without_target = MuData({source: mdata[source].copy()})
        for query in (shuffled, without_target):
            again = baseline.translate(query, source=source, target=target)
            np.testing.assert_allclose(again.X, batch.X, atol=1e-6)
        for row in (2, 7):  # cell 2 is empty
            alone = baseline.translate(mdata[source][row], source=source, target=target)
            np.testing.assert_allclose(alone.X, batch.X[[row]], atol=1e-6)
            again = baseline.translate(mdata, source=source, target=target, indices=[row])
            assert list(again.obs_names) == [f"cell{row}"]
            np.testing.assert_allclose(again.X, alone.X, atol=1e-6)


@each
def test_blocks_of_rows_do_not_show(baseline, mdata, train, monkeypatch):
    baseline.fit(mdata, indices=train)
    whole = baseline.translate(mdata, source="atac", target="rna")
    monkeypatch.setattr(_prediction, "_BLOCK_CELLS", 9)
    blocks = baseline.translate(mdata, source="atac", target="rna")
    np.testing.assert_allclose(blocks.X, whole.X, atol=1e-6)
    monkeypatch.setattr(_prediction, "_BLOCK_VALUES", 1)
    single = baseline.translate(mdata, source="atac", target="rna")
    np.testing.assert_allclose(single.X, whole.X, atol=1e-6)


@each
def test_a_file_in_and_a_file_out(baseline, mdata, train, tmp_path, monkeypatch):
    monkeypatch.setattr(_prediction, "_BLOCK_CELLS", 9)
    baseline.fit(mdata, indices=train)
    mdata["atac"].write_h5ad(tmp_path / "atac.h5ad")
    mdata.write(tmp_path / "all.h5mu")
    for target in ("rna", "protein"):
        direct = baseline.translate(adata=mdata["atac"], source="atac", target=target)
        for query, ending in (("atac.h5ad", "h5ad"), ("all.h5mu", "zarr")):
            out = tmp_path / f"{target}.{ending}"
            done = baseline.translate(tmp_path / query, source="atac", target=target, out=out)
            assert done == out
            again = anndata.read_h5ad(out) if ending == "h5ad" else anndata.read_zarr(out)
            for name in ("X", *direct.layers):
                ours, theirs = (a.X if name == "X" else a.layers[name] for a in (again, direct))
                np.testing.assert_array_equal(ours, theirs)
            assert list(again.obs_names) == list(direct.obs_names)
            assert again.uns["scvi_xmodal"]["model"] == type(baseline).__name__


@each
def test_only_the_features_asked_for(baseline, mdata, train):
    baseline.fit(mdata, indices=train)
    whole = baseline.translate(mdata, source="atac", target="rna")
    names = ["rna7", "rna2"]
    part = baseline.translate(mdata, source="atac", target="rna", features=names)
    assert list(part.var_names) == names
    np.testing.assert_array_equal(part.X, whole[:, names].X)
    np.testing.assert_array_equal(part.layers["mean"], whole[:, names].layers["mean"])
    with pytest.raises(ValueError, match=r"1 of the features .* such as \['Actb'\]"):
        baseline.translate(mdata, source="atac", target="rna", features=["Actb"])


@each
def test_survives_pickling(baseline, mdata, train):
    baseline.fit(mdata, indices=train)
    again = pickle.loads(pickle.dumps(baseline))
    for source, target in DIRECTIONS:
        np.testing.assert_array_equal(
            again.translate(mdata, source=source, target=target).X,
            baseline.translate(mdata, source=source, target=target).X,
        )


@each
def test_neither_data_nor_query_is_changed(baseline, mdata, train):
    before = mdata.copy()
    baseline.fit(mdata, indices=train).translate(mdata, source="rna", target="atac")
    for key, adata in mdata.mod.items():
        assert (adata.X != before[key].X).nnz == 0
        assert adata.obs.equals(before[key].obs)
        assert adata.var.equals(before[key].var)
        assert not adata.uns
    assert not mdata.uns


def test_the_query_may_keep_its_counts_in_another_layer(mdata, train):
    query = mdata["rna"].copy()
    query.layers["raw"], query.X = query.X, query.X / 2
    mean = KNN().fit(mdata, indices=train)
    np.testing.assert_array_equal(
        mean.translate(query, source="rna", target="atac", layer="raw").X,
        mean.translate(mdata, source="rna", target="atac").X,
    )


def test_the_query_may_keep_its_counts_in_x(mdata, train):
    original = mdata["rna"].copy()
    mdata["rna"].layers["raw"], mdata["rna"].X = mdata["rna"].X.copy(), mdata["rna"].X / 2
    knn, options = KNN().fit(mdata, indices=train, rna_layer="raw"), {"target": "atac"}
    with pytest.raises(ValueError, match=r"in layer 'raw'; query\.X holds counts.*layer='X'"):
        knn.translate(original, source="rna", **options)
    np.testing.assert_array_equal(
        knn.translate(original, source="rna", layer="X", **options).X,
        knn.translate(mdata, source="rna", **options).X,
    )


def test_users_mistakes_are_named(mdata, train):
    with pytest.raises(ValueError, match="This KNN is not fitted. Call fit"):
        KNN().translate(mdata, source="rna", target="atac")
    mean = Mean().fit(mdata, indices=train)
    two = Mean().fit(MuData({key: mdata[key].copy() for key in ("rna", "atac")}))
    halves = mdata["rna"].copy()
    halves.X = halves.X / 2
    cases = [
        (mean, mdata, "gex", "atac", r"source='gex'.*\['rna', 'atac', 'protein'\]"),
        (two, mdata, "rna", "protein", r"target='protein'.*\['rna', 'atac'\]"),
        (mean, mdata, "rna", "rna", "it knows rna to atac, "),
        (mean, mdata["atac"], "rna", "atac", "holds 'atac' features, but source='rna'"),
        (mean, mdata["rna"][:, 1:], "rna", "atac", "lack 1 of the model's 24 'rna' features"),
        (mean, mdata["rna"][:0], "rna", "atac", "no cells"),
        (mean, halves, "rna", "atac", "not a whole number"),
    ]
    for baseline, query, source, target, message in cases:
        with pytest.raises(ValueError, match=message):
            baseline.translate(query, source=source, target=target)
