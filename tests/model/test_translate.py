"""What a translation holds, and what depth and batch mean."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from mudata import MuData
from scipy.special import logit
from scipy.stats import nbinom

from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import Split
from scvi_xmodal.model import Butterfly


def _totals(trained, key):
    """Return what depth means for a modality: counts (RNA), open peaks (ATAC)."""
    x = trained.original[key].X.toarray()
    return (x > 0).sum(1) if key == "atac" else x.sum(1)


def _median(trained, key):
    return np.median(_totals(trained, key)[trained.split.train])


class TestContract:
    def test_accessibility(self, trained):
        result = trained.model.translate(trained.original["rna"], source="rna", target="atac")
        assert result.shape == (60, 36)
        assert ((result.X > 0) & (result.X < 1)).all()
        assert layer_names(result) == []

    def test_expression(self, trained):
        result = trained.model.translate(trained.original["atac"], source="atac", target="rna")
        assert result.shape == (60, 18)
        assert layer_names(result) == ["mean"]
        # X is the expectation of log1p(count), which is below log1p of the expected count
        theta = trained.model.module.decoders["rna"].likelihood.log_theta.detach().exp().numpy()
        mean = result.layers["mean"].astype(float)
        y = np.arange(3000)[:, None, None]
        probability = nbinom.pmf(y, theta, theta / (theta + mean))
        np.testing.assert_allclose(
            result.X, (np.log1p(y) * probability).sum(0), rtol=1e-3, atol=1e-4
        )
        np.testing.assert_allclose(
            result.layers["mean"].sum(1), _median(trained, "rna"), rtol=1e-4
        )

    def test_protein(self, with_protein):
        result = with_protein.model.translate(source="rna", target="protein")
        assert result.shape == (60, 5)
        assert layer_names(result) == []
        assert (result.X < 0).any()

    @pytest.mark.parametrize("source", ["rna", "atac", "protein"])
    @pytest.mark.parametrize("target", ["rna", "atac", "protein"])
    def test_every_direction_of_three_modalities(self, with_protein, source, target):
        query = with_protein.original[source]
        result = with_protein.model.translate(query, source=source, target=target)
        assert np.isfinite(result.X).all()
        assert result.var_names.equals(with_protein.original[target].var_names)
        assert result.uns["scvi_xmodal"]["target_kind"] == target

    def test_obs_is_the_querys(self, trained):
        query = trained.original["rna"][[4, 2]].copy()
        query.obs["mine"] = pd.Categorical(["x", "y"])
        result = trained.model.translate(query, source="rna", target="atac")
        pd.testing.assert_frame_equal(result.obs, query.obs)

    def test_obs_of_a_mudata_keeps_the_columns_of_its_top_level(self, trained):
        query = MuData({key: adata.copy() for key, adata in trained.original.mod.items()})
        del query["rna"].obs["cell_type"]
        query.obs["cell_type"] = trained.original.obs["cell_type"]
        query.obs["mine"] = np.arange(60)
        result = trained.model.translate(query, source="rna", target="atac", indices=[7, 3])
        assert result.obs["mine"].tolist() == [7, 3]
        assert result.obs["cell_type"].equals(trained.original.obs["cell_type"].iloc[[7, 3]])
        own = ["batch", "true_depth"]
        pd.testing.assert_frame_equal(result.obs[own], query["rna"].obs[own].iloc[[7, 3]])
        assert not any(":" in column for column in result.obs)

    def test_obs_holds_no_columns_of_the_registration(self, batched):
        assert "_scvi_batch" in batched.mdata.obs
        result = batched.model.translate(batched.mdata, source="rna", target="atac")
        assert list(result.obs) == ["cell_type", "batch", "true_depth"]

    def test_var_is_the_training_features(self, trained):
        query = trained.original["rna"].copy()
        result = trained.model.translate(query, source="rna", target="atac")
        pd.testing.assert_frame_equal(
            result.var.drop(columns="validation_auroc"),
            trained.original["atac"].var,
            check_index_type=False,
        )
        assert result.var["start"].dtype.kind == "i"

    def test_record(self, trained):
        result = trained.model.translate(
            source="rna", target="atac", depth="predicted", indices=[0]
        )
        record = result.uns["scvi_xmodal"]
        assert record["source"] == "rna"
        assert record["target"] == record["target_kind"] == "atac"
        assert record["model"] == "Butterfly"
        assert record["options"] == {"transform_batch": "None", "depth": "predicted"}
        assert record["versions"]["scvi-tools"] == __import__("scvi").__version__

    @pytest.mark.parametrize(("source", "target"), [("rna", "atac"), ("atac", "rna")])
    def test_it_can_be_written(self, batched, tmp_path, source, target):
        result = batched.model.translate(
            source=source, target=target, depth="predicted", transform_batch="batch_1"
        )
        result.write_h5ad(tmp_path / "result.h5ad")
        read = anndata.read_h5ad(tmp_path / "result.h5ad")
        np.testing.assert_array_equal(read.X, result.X)
        assert read.uns["scvi_xmodal"]["options"]["transform_batch"] == "batch_1"

    def test_odd_columns_of_var_can_be_written(self, mdata, quick, tmp_path):
        mdata["rna"].var["maybe"] = pd.array([1, None] * 9, dtype="Int64")
        mdata["rna"].var["flag"] = pd.array([True, None] * 9, dtype="boolean")
        mdata["rna"].var["mixed"] = [1, "a"] * 9
        mdata["rna"].var["none"] = [None, "a"] * 9
        mdata["rna"].var["group"] = pd.Categorical(["u", "v"] * 9)
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata)
        model.train(**quick)
        model.save(tmp_path / "model")
        model = Butterfly.load(tmp_path / "model", adata=False)
        result = model.translate(mdata["atac"], source="atac", target="rna")
        result.write_h5ad(tmp_path / "result.h5ad")
        assert list(result.var)[:-1] == ["maybe", "flag", "mixed", "none", "group"]
        assert result.var["group"].tolist() == ["u", "v"] * 9


class TestFeatures:
    def test_cells_without_a_count_are_told_of(self, trained, tmp_path, recwarn):
        query = trained.original["rna"].copy()
        trained.model.translate(query, source="rna", target="atac")
        assert not [w for w in recwarn if "no count" in str(w.message)]
        query.X[[2, 5]] = 0
        for out in (None, tmp_path / "out.h5ad"):
            options = {"source": "rna", "target": "atac", "batch_size": 4, "out": out}
            with pytest.warns(UserWarning, match="2 of .* cells have no count in 'rna'") as caught:
                trained.model.translate(query, **options)
            own = [warning for warning in caught if "no count" in str(warning.message)]
            assert [warning.filename for warning in own] == [__file__]

    def test_some_features_in_the_order_asked_for(self, trained):
        options = {"source": "atac", "target": "rna"}
        every = trained.model.translate(**options)
        names = ["gene_7", "gene_0", "gene_11"]
        some = trained.model.translate(**options, features=names)
        assert some.var_names.tolist() == names
        np.testing.assert_allclose(some.X, every[:, names].X, rtol=1e-6)
        np.testing.assert_allclose(some.layers["mean"], every[:, names].layers["mean"], rtol=1e-6)

    def test_one_name(self, trained):
        result = trained.model.translate(source="atac", target="rna", features="gene_3")
        assert result.var_names.tolist() == ["gene_3"]

    def test_unknown_features_are_named(self, trained):
        with pytest.raises(ValueError, match=r"1 of the features.*'rna'.*\['ACTB'\]"):
            trained.model.translate(source="atac", target="rna", features=["gene_1", "ACTB"])
        with pytest.raises(ValueError, match="features is empty: name some of the model's 'rna'"):
            trained.model.translate(source="atac", target="rna", features=[])


class TestDepth:
    @pytest.mark.parametrize("key", ["rna", "atac"])
    def test_default_is_the_training_cells_median(self, trained, key):
        source = {"rna": "atac", "atac": "rna"}[key]
        options = {"source": source, "target": key}
        default = trained.model.translate(**options)
        median = trained.model.translate(**options, depth="median")
        given = trained.model.translate(**options, depth=np.full(60, _median(trained, key)))
        np.testing.assert_array_equal(median.X, default.X)
        np.testing.assert_allclose(given.X, default.X, rtol=1e-5)
        assert "predicted_depth" not in default.obs

    def test_accessibility_shifts_by_the_log_of_depth(self, trained, rng):
        options = {"source": "rna", "target": "atac"}
        depth = rng.uniform(2, 40, size=60)
        median = trained.model.translate(**options).X.astype(np.float64)
        given = trained.model.translate(**options, depth=depth).X.astype(np.float64)
        shift = np.log(depth / _median(trained, "atac"))
        np.testing.assert_allclose(
            logit(given) - logit(median), shift[:, None] * np.ones(36), atol=1e-3
        )

    def test_counts_scale_with_depth_and_expression_stays(self, trained, rng):
        options = {"source": "atac", "target": "rna"}
        depth = rng.uniform(50, 4000, size=60)
        median = trained.model.translate(**options)
        given = trained.model.translate(**options, depth=depth)
        np.testing.assert_allclose(given.X, median.X, rtol=1e-4)
        np.testing.assert_allclose(given.layers["mean"].sum(1), depth, rtol=1e-4)
        scaled = median.layers["mean"] * (depth / _median(trained, "rna"))[:, None]
        np.testing.assert_allclose(given.layers["mean"], scaled, rtol=1e-4)

    def test_depths_and_masks_that_name_other_cells_are_refused(self, trained):
        options = {"source": "atac", "target": "rna"}
        query = trained.original["atac"]
        depth = pd.Series(np.arange(1.0, 61), index=query.obs_names)
        given = trained.model.translate(query, **options, depth=depth)
        np.testing.assert_allclose(given.layers["mean"].sum(1), depth, rtol=1e-4)
        for name, values in {"depth": depth, "indices": depth > 30}.items():
            with pytest.raises(ValueError, match=rf"{name} is a Series of .*in another order"):
                trained.model.translate(query, **options, **{name: values[::-1]})

    @pytest.mark.parametrize("source", ["rna", "atac"])
    @pytest.mark.parametrize("target", ["rna", "atac"])
    def test_predicted_is_a_ridge_regression_on_the_sources_totals(self, trained, source, target):
        result = trained.model.translate(source=source, target=target, depth="predicted")
        x = trained.original[source].X.toarray()
        design = np.stack([np.log1p(x.sum(1)), np.log1p((x > 0).sum(1))], axis=1)
        train = trained.split.train
        response = np.log(_totals(trained, target)[train])
        centred = design[train] - design[train].mean(0)
        penalty = 1e-3 * len(train) * np.eye(2)
        slope = np.linalg.solve(
            centred.T @ centred + penalty, centred.T @ (response - response.mean())
        )
        wanted = np.exp(response.mean() + (design - design[train].mean(0)) @ slope)
        wanted *= np.exp(response).sum() / wanted[train].sum()
        np.testing.assert_allclose(result.obs["predicted_depth"], wanted, rtol=1e-3)

    @pytest.mark.parametrize(("source", "target"), [("rna", "atac"), ("atac", "rna")])
    def test_predicted_depth_given_by_hand_is_the_same(self, trained, source, target):
        options = {"source": source, "target": target}
        predicted = trained.model.translate(**options, depth="predicted")
        given = trained.model.translate(**options, depth=predicted.obs["predicted_depth"])
        np.testing.assert_allclose(given.X, predicted.X, rtol=1e-5)
        assert "predicted_depth" not in given.obs
        if target == "rna":
            np.testing.assert_allclose(given.layers["mean"], predicted.layers["mean"], rtol=1e-5)

    @pytest.mark.filterwarnings("ignore:Observation names are not unique")
    def test_depth_goes_with_indices(self, trained):
        options = {"source": "rna", "target": "atac"}
        depth = np.linspace(3, 30, 60)
        every = trained.model.translate(**options, depth=depth)
        rows = [9, 1, 9]
        some = trained.model.translate(**options, depth=depth[rows], indices=rows, batch_size=2)
        np.testing.assert_allclose(some.X, every.X[rows], rtol=1e-5)

    def test_depth_means_nothing_to_protein(self, with_protein):
        options = {"source": "rna", "target": "protein"}
        median = with_protein.model.translate(**options)
        given = with_protein.model.translate(**options, depth=np.full(60, 7))
        np.testing.assert_array_equal(given.X, median.X)

    @pytest.mark.parametrize(
        ("depth", "message"),
        [
            ("mean", "depth='mean' is unknown; it is 'median', 'predicted', or an array"),
            (np.ones(59), r"one positive total for each of the 60 cells, got shape \(59,\)"),
            (np.ones((60, 1)), r"got shape \(60, 1\)"),
            (1000.0, r"got 1000.0: np\.full\(60, 1000.0\)"),
            (None, "one positive total.*got None"),
            (np.zeros(60), "one positive total"),
            (np.full(60, np.nan), "one positive total.*got nan for 60 of them"),
            (np.r_[-1.0, np.ones(59)], "one positive total.*got -1 for 1 of them"),
            (["deep"] * 60, "one positive total"),
        ],
        ids=["word", "length", "2d", "number", "none", "zero", "nan", "negative", "text"],
    )
    def test_what_is_no_depth(self, trained, depth, message):
        with pytest.raises(ValueError, match=message):
            trained.model.translate(source="rna", target="atac", depth=depth)


class TestBatches:
    options = {"source": "rna", "target": "atac"}

    def test_every_cell_in_its_own_batch_or_in_a_given_one(self, batched):
        own = batched.model.translate(**self.options)
        labels = batched.original.obs["batch"].to_numpy()
        for batch in ("batch_0", "batch_1"):
            moved = batched.model.translate(**self.options, transform_batch=batch)
            same = labels == batch
            np.testing.assert_allclose(moved.X[same], own.X[same], rtol=1e-5)
            assert (np.abs(moved.X[~same] - own.X[~same]).max(axis=1) > 1e-6).all()
            assert moved.obs["batch"].tolist() == labels.tolist()

    def test_query_without_the_column_can_name_a_batch(self, batched):
        query = batched.original["rna"].copy()
        del query.obs["batch"]
        result = batched.model.translate(query, **self.options, transform_batch="batch_1")
        wanted = batched.model.translate(**self.options, transform_batch="batch_1")
        np.testing.assert_allclose(result.X, wanted.X, rtol=1e-5)
        with pytest.raises(ValueError, match=r"no column 'batch'.*transform_batch='batch_0'"):
            batched.model.translate(query, **self.options)

    def test_column_as_text(self, batched):
        query = batched.original["rna"].copy()
        query.obs["batch"] = query.obs["batch"].astype(str)
        result = batched.model.translate(query, **self.options)
        np.testing.assert_allclose(result.X, batched.model.translate(**self.options).X, rtol=1e-5)

    def test_unseen_batch(self, batched):
        query = batched.original["rna"].copy()
        query.obs["batch"] = ["batch_0"] * 59 + ["batch_7"]
        with pytest.raises(
            ValueError,
            match=r"'batch_7' was not among.*\['batch_0', 'batch_1'\].*transform_batch=",
        ):
            batched.model.translate(query, **self.options)

    def test_batches_without_training_cells(self, simulate, quick):
        mdata = simulate(n_batches=3)
        held_out = (mdata.obs["batch"] == "batch_2").to_numpy()
        kept = np.flatnonzero(~held_out)
        Butterfly.setup_mudata(mdata, batch_key="batch")
        model = Butterfly(mdata, n_latent=6, n_embedding=16)
        model.train(**quick, split=Split(kept[:-8], kept[-8:], np.flatnonzero(held_out)))
        before = model.translate(**self.options).X
        with torch.no_grad():  # what nothing was learned of decides nothing
            model.module.decoders["atac"].hidden.linear.weight[:, -1] += 100
        np.testing.assert_array_equal(model.translate(**self.options).X, before)
        known = r"No training cell of batch 'batch_2'.*\['batch_0', 'batch_1'\]"
        with pytest.raises(ValueError, match=known):
            model.translate(**self.options, transform_batch="batch_2")
        with pytest.raises(ValueError, match=known):
            model.familiarity(source="rna", transform_batch="batch_2")

    def test_empty_categories(self, simulate, quick):
        mdata = simulate(n_batches=2)
        for adata in (mdata, *mdata.mod.values()):
            adata.obs["batch"] = adata.obs["batch"].astype("category").cat.add_categories("ghost")
        Butterfly.setup_mudata(mdata, batch_key="batch")
        model = Butterfly(mdata, n_latent=6, n_embedding=16)
        model.train(**quick)
        with pytest.raises(ValueError, match="No training cell of batch 'ghost'"):
            model.translate(**self.options, transform_batch="ghost")

    def test_the_one_batch_of_a_model_can_be_named(self, mdata, quick):
        mdata.obs["lane"] = "one"
        Butterfly.setup_mudata(mdata, batch_key="lane")
        model = Butterfly(mdata, n_latent=6, n_embedding=16)
        model.train(**quick)
        named = model.translate(**self.options, transform_batch="one")
        np.testing.assert_array_equal(named.X, model.translate(**self.options).X)
        with pytest.raises(
            ValueError, match=r"'two' was not among the training batches \['one'\]"
        ):
            model.translate(**self.options, transform_batch="two")

    def test_missing_values(self, batched):
        query = batched.original["rna"].copy()
        query.obs["batch"] = query.obs["batch"].astype(object)
        query.obs.loc[query.obs_names[3], "batch"] = None
        with pytest.raises(
            ValueError, match="None was not among the training batches|nan was not"
        ):
            batched.model.translate(query, **self.options)

    def test_unknown_transform_batch(self, batched):
        with pytest.raises(ValueError, match=r"'batch_9' was not among the training batches"):
            batched.model.translate(**self.options, transform_batch="batch_9")

    def test_transform_batch_without_batches(self, trained):
        with pytest.raises(ValueError, match=r"transform_batch='batch_0'.*batch_key="):
            trained.model.translate(**self.options, transform_batch="batch_0")

    def test_the_latent_needs_no_batch(self, batched):
        query = batched.original["rna"].copy()
        del query.obs["batch"]
        latent = batched.model.get_latent_representation(query, modality="rna")
        own = batched.model.get_latent_representation(modality="rna")
        np.testing.assert_allclose(latent, own, atol=1e-6)

    @pytest.mark.parametrize("place", ["top", "rna", "atac"])
    def test_the_column_may_stand_anywhere_in_the_mudata(self, simulate, quick, place):
        mdata = simulate(n_batches=2)
        for key in ("top", "rna", "atac"):
            if key != place:
                del (mdata if key == "top" else mdata[key]).obs["batch"]
        Butterfly.setup_mudata(mdata, batch_key="batch")
        model = Butterfly(mdata)
        model.train(**quick)
        plain = simulate(n_batches=2)
        for source, target in (("rna", "atac"), ("atac", "rna")):
            options = {"source": source, "target": target}
            own = model.translate(**options)
            assert own.obs["batch"].equals(plain[source].obs["batch"])
            alone = model.translate(plain[source], **options)
            np.testing.assert_allclose(own.X, alone.X, rtol=1e-5)
            again = model.translate(mdata, **options, indices=[5, 2])
            np.testing.assert_allclose(again.X, own.X[[5, 2]], rtol=1e-5)

    def test_text_names_numbered_batches_as_files_and_command_lines_do(self, simulate, quick):
        mdata = simulate()
        mdata.obs["lane"] = 1 + np.arange(mdata.n_obs) % 2
        Butterfly.setup_mudata(mdata, batch_key="lane")
        model = Butterfly(mdata)
        model.train(**quick)
        way = {"source": "rna", "target": "atac"}
        query = mdata["rna"].copy()
        query.obs["lane"] = mdata.obs["lane"].astype(str)
        expected = model.translate(**way).X
        np.testing.assert_array_equal(model.translate(query, **way).X, expected)
        np.testing.assert_array_equal(
            model.translate(query, transform_batch="2", **way).X,
            model.translate(query, transform_batch=2, **way).X,
        )
        with pytest.raises(ValueError, match=r"'3' was not among the training batches \[1, 2\]"):
            model.translate(query, transform_batch="3", **way)

    def test_numbered_batches_survive_saving(self, simulate, quick, tmp_path):
        mdata = simulate(n_batches=2)
        for place in (mdata, *mdata.mod.values()):
            place.obs["batch"] = place.obs["batch"].cat.codes.astype(int)
        original = mdata.copy()
        Butterfly.setup_mudata(mdata, batch_key="batch")
        model = Butterfly(mdata)
        model.train(**quick)
        model.save(tmp_path / "model")
        loaded = Butterfly.load(tmp_path / "model", adata=False)
        for batch in (None, 1, np.int64(0)):
            given = {**self.options, "transform_batch": batch}
            np.testing.assert_array_equal(
                loaded.translate(original["rna"], **given).X,
                model.translate(original["rna"], **given).X,
            )


@pytest.mark.parametrize("argument", ["source", "target"])
@pytest.mark.parametrize("value", ["protein", "RNA", None, 3])
def test_unknown_modality(trained, argument, value):
    options = {"source": "rna", "target": "atac", argument: value}
    with pytest.raises(ValueError, match=rf"{argument}={value!r} is unknown.*\['rna', 'atac'\]"):
        trained.model.translate(**options)


def test_unknown_modality_of_the_latent(trained):
    with pytest.raises(ValueError, match=r"modality='protein' is unknown"):
        trained.model.get_latent_representation(modality="protein")


@pytest.mark.parametrize("batch_size", [0, -3])
def test_impossible_batch_size(trained, batch_size):
    with pytest.raises(ValueError, match=f"batch_size must be at least 1, got {batch_size}"):
        trained.model.translate(source="rna", target="atac", batch_size=batch_size)
    with pytest.raises(ValueError, match=f"batch_size must be at least 1, got {batch_size}"):
        trained.model.get_latent_representation(modality="rna", batch_size=batch_size)


@pytest.mark.parametrize("out", [None, "out.h5ad"])
def test_a_full_gpu_names_a_batch_size(trained, tmp_path, monkeypatch, out):
    def fail(*args, **kwargs):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trained.model.module, "translate", fail)
    with pytest.raises(
        torch.cuda.OutOfMemoryError, match=r"32 cells at a time: translate\(batch_size=16\)"
    ):
        trained.model.translate(
            source="rna", target="atac", batch_size=32, out=out and tmp_path / out
        )
    assert not any(tmp_path.iterdir())
