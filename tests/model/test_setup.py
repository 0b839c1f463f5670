"""Registering data: what is found, what is refused, and that nothing else is touched."""

from __future__ import annotations

import datetime
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse

from scvi_xmodal.model import Butterfly

REGISTERED = {"_scvi_uuid", "_scvi_manager_uuid", "_scvi_batch", "_scvi_labels"}


def _mudata(**parts):
    return MuData(parts)


def _values(adata, change):
    adata.X = adata.X.copy()
    change(adata.X.data)
    return adata


class TestFound:
    @pytest.mark.parametrize(
        ("rna", "atac"), [("rna", "atac"), ("gex", "peaks"), ("RNA", "accessibility")]
    )
    def test_by_key(self, mdata, rna, atac):
        named = MuData({atac: mdata["atac"], rna: mdata["rna"]})
        Butterfly.setup_mudata(named)
        model = Butterfly(named)
        assert {key: spec.kind for key, spec in model.specs.items()} == {
            "rna": "rna",
            "atac": "atac",
        }
        assert set(model.get_var_names()) == {rna, atac}

    def test_by_feature_types(self, mdata):
        mdata["rna"].var["feature_types"] = "Gene Expression"
        mdata["atac"].var["feature_types"] = "Peaks"
        named = MuData({"one": mdata["atac"], "two": mdata["rna"]})
        Butterfly.setup_mudata(named)
        assert Butterfly(named).get_var_names().keys() == {"one", "two"}

    def test_three_modalities(self, simulate):
        mdata = simulate(n_proteins=4)
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata)
        assert list(model.specs) == ["rna", "atac", "protein"]
        assert len(model.module.paths) == 9

    def test_chosen_as_in_scvi_tools(self, simulate):
        mdata = simulate(n_proteins=4)
        chosen = {"rna_layer": "rna", "protein_layer": "protein"}
        Butterfly.setup_mudata(mdata, modalities=chosen)
        assert list(Butterfly(mdata).specs) == ["rna", "protein"]

    def test_strangers_are_left_out(self, mdata):
        with_more = MuData({**mdata.mod, "spliced": mdata["rna"].copy()})
        Butterfly.setup_mudata(with_more)
        assert list(Butterfly(with_more).specs) == ["rna", "atac"]

    def test_strangers_may_lack_cells(self, mdata, quick):
        hashtags = mdata["rna"][30:, :3].copy()
        with_more = MuData({**_two(mdata), "hto": hashtags})
        chosen = {"rna_layer": "rna", "atac_layer": "atac"}
        Butterfly.setup_mudata(with_more, modalities=chosen)
        model = Butterfly(with_more, n_latent=4, n_embedding=8)
        model.train(**quick)
        assert model.translate(source="rna", target="atac").n_obs == 60

    def test_column_of_one_modality(self, simulate):
        mdata = simulate(n_batches=2)
        mdata["atac"].obs["lane"] = mdata["atac"].obs["batch"]
        Butterfly.setup_mudata(
            mdata,
            batch_key="lane",
            labels_key="cell_type",
            modalities={"rna_layer": "rna", "atac_layer": "atac", "batch_key": "atac"},
        )
        model = Butterfly(mdata)
        assert model.summary_stats.n_batch == 2
        assert model.summary_stats.n_labels == 4


class TestAccepted:
    @pytest.mark.parametrize(
        "layout",
        [
            sparse.csr_matrix,
            sparse.csc_matrix,
            sparse.csr_array,
            sparse.csc_array,
            lambda x: x.toarray(),
            lambda x: np.asfortranarray(x.toarray()),
            lambda x: x.astype(np.int64),
            lambda x: x.astype(np.uint16),
        ],
        ids=["csr", "csc", "csr_array", "csc_array", "dense", "fortran", "int64", "uint16"],
    )
    def test_every_layout_trains_alike(self, mdata, quick, layout):
        import scvi

        losses = []
        for convert in (sparse.csr_matrix, layout):
            own = MuData({key: adata.copy() for key, adata in mdata.mod.items()})
            for adata in own.mod.values():
                adata.X = convert(adata.X)
            kept = type(own["rna"].X), own["rna"].X.dtype
            scvi.settings.seed = 0
            Butterfly.setup_mudata(own)
            model = Butterfly(own)
            model.train(**quick)
            losses.append(float(model.history["integrative_train_loss"].iloc[-1, 0]))
            assert (type(own["rna"].X), own["rna"].X.dtype) == kept
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)

    @pytest.mark.parametrize("layout", ["sparse", "dense"])
    def test_data_on_disk(self, mdata, quick, tmp_path, layout):
        import mudata

        if layout == "dense":
            for adata in mdata.mod.values():
                adata.X = adata.X.toarray()
        mdata.write(tmp_path / "data.h5mu")
        backed = mudata.read_h5mu(tmp_path / "data.h5mu", backed="r")
        Butterfly.setup_mudata(backed)
        model = Butterfly(backed)
        model.train(**quick)
        own = model.translate(source="rna", target="atac")
        given = model.translate(mdata["rna"], source="rna", target="atac")
        np.testing.assert_allclose(own.X, given.X, rtol=1e-5)

    def test_a_view_is_made_actual(self, mdata, quick):
        view = mdata[:50]
        assert view.is_view
        Butterfly.setup_mudata(view)
        model = Butterfly(view)
        model.train(**quick)
        assert model.translate(source="rna", target="atac").n_obs == 50
        assert mdata.n_obs == 60
        assert not REGISTERED & {*mdata.uns, *mdata.obs}

    def test_stored_zeros_are_zeros(self, mdata, quick):
        import scvi

        losses = []
        for explicit in (False, True):
            own = mdata.copy()
            if explicit:
                x = own["atac"].X.tolil()
                coo = own["atac"].X.tocoo()
                rows = np.r_[coo.row, np.arange(0, 60, 7)]
                columns = np.r_[coo.col, np.zeros(9, int)]
                free = np.asarray(x[np.arange(0, 60, 7), 0].toarray()).ravel() == 0
                kept = np.r_[np.ones(coo.nnz, bool), free]
                data = np.r_[coo.data, np.zeros(9)].astype(np.float32)
                own["atac"].X = sparse.csr_matrix(
                    (data[kept], (rows[kept], columns[kept])), shape=x.shape
                )
                assert own["atac"].X.nnz > coo.nnz
            scvi.settings.seed = 0
            Butterfly.setup_mudata(own)
            # masks are drawn for each stored value
            model = Butterfly(own, mask_rate={"rna": 0, "atac": 0})
            model.train(**quick)
            losses.append(float(model.history["integrative_train_loss"].iloc[-1, 0]))
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)


class TestUntouched:
    def test_only_registration_keys_are_written(self, simulate, snapshot, quick):
        mdata = simulate(n_batches=2)
        before = {key: snapshot(adata) for key, adata in mdata.mod.items()}
        obs, var, uns = mdata.obs.copy(), mdata.var.copy(), set(mdata.uns)
        Butterfly.setup_mudata(mdata, batch_key="batch", labels_key="cell_type")
        model = Butterfly(mdata)
        model.train(**quick)
        model.translate(source="rna", target="atac")
        assert {key: snapshot(adata) for key, adata in mdata.mod.items()} == before
        assert set(mdata.obs) - set(obs) <= REGISTERED
        assert set(mdata.uns) - uns <= REGISTERED
        pd.testing.assert_frame_equal(mdata.obs[list(obs)], obs)
        pd.testing.assert_frame_equal(mdata.var, var)

    def test_arguments_are_not_changed(self, mdata, quick):
        modalities = {"rna_layer": "rna", "atac_layer": "atac"}
        plan_kwargs, datasplitter_kwargs = {"lr": 1e-3}, {"shuffle_set_split": False}
        mask_rate, loss_weight = {"rna": 0.1}, {"atac": 1.0}
        Butterfly.setup_mudata(mdata, modalities=modalities)
        model = Butterfly(mdata, mask_rate=mask_rate, loss_weight=loss_weight)
        callbacks = []
        model.train(
            **quick,
            plan_kwargs=plan_kwargs,
            datasplitter_kwargs=datasplitter_kwargs,
            callbacks=callbacks,
        )
        assert modalities == {"rna_layer": "rna", "atac_layer": "atac"}
        assert plan_kwargs == {"lr": 1e-3}
        assert datasplitter_kwargs == {"shuffle_set_split": False}
        assert (mask_rate, loss_weight, callbacks) == ({"rna": 0.1}, {"atac": 1.0}, [])


class TestWarned:
    @pytest.mark.filterwarnings("ignore:.*have no count")
    def test_cells_and_features_without_counts_keep_working(self, mdata, quick):
        for key in ("rna", "atac"):
            x = mdata[key].X.toarray()
            x[[0, 5, 59]] = 0
            x[:, [1, 7]] = 0
            mdata[key].X = sparse.csr_matrix(x)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Butterfly.setup_mudata(mdata)
        messages = [str(warning.message) for warning in caught]
        for key, n_features in (("rna", 18), ("atac", 36)):
            assert any(f"3 of 60 cells of '{key}'" in message for message in messages)
            assert any(f"2 of {n_features} features of '{key}'" in message for message in messages)
        model = Butterfly(mdata)
        model.train(**quick)
        for source, target in (("rna", "atac"), ("atac", "rna")):
            for depth in ("median", "predicted"):
                result = model.translate(source=source, target=target, depth=depth)
                assert np.isfinite(result.X).all()
        result = model.translate(source="rna", target="atac")
        assert result.X[:, [1, 7]].max() < np.delete(result.X, [1, 7], axis=1).mean()


def _fraction(data):
    data[data.size // 2] = 1.25


def _all_fractions(data):
    data[:] = np.log1p(data)


def _negative(data):
    data[3] = -1


def _nan(data):
    data[-1] = np.nan


def _infinite(data):
    data[0] = np.inf


class TestRefusedCounts:
    @pytest.mark.parametrize("key", ["rna", "atac", "protein"])
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (_fraction, r"holds 1.25, which is not a whole number: raw counts are needed"),
            (_all_fractions, r"holds .*, which is not a whole number.*log-transformed\?"),
            (_negative, r"holds -1.0, a negative value.*layer='counts'"),
            (_nan, r"holds nan: replace missing values, or drop those cells"),
            (_infinite, r"holds inf: replace missing values"),
        ],
        ids=["fraction", "logarithm", "negative", "nan", "infinite"],
    )
    @pytest.mark.parametrize("dense", [False, True], ids=["sparse", "dense"])
    def test_in_setup_and_in_a_query(self, with_protein, simulate, key, change, message, dense):
        mdata = simulate(n_proteins=5)
        bad = _values(mdata[key], change)
        if dense:
            bad.X = bad.X.toarray()
        with pytest.raises(ValueError, match=rf"^{key}\.X {message}"):
            Butterfly.setup_mudata(mdata)
        with pytest.raises(ValueError, match=rf"^query\.X {message}"):
            with_protein.model.translate(bad, source=key, target="rna")
        with pytest.raises(ValueError, match=rf"^query\['{key}'\]\.X {message}"):
            with_protein.model.get_latent_representation(mdata, modality=key)

    def test_layers_are_named(self, mdata):
        mdata["atac"].layers["raw"] = mdata["atac"].X.copy()
        _negative(mdata["atac"].layers["raw"].data)
        with pytest.raises(ValueError, match=r"^atac\.layers\['raw'\] holds -1.0"):
            Butterfly.setup_mudata(mdata, atac_layer="raw")

    def test_a_good_layer_beside_a_bad_x(self, mdata):
        mdata["rna"].layers["counts"] = mdata["rna"].X.copy()
        _values(mdata["rna"], _all_fractions)
        Butterfly.setup_mudata(mdata, rna_layer="counts")
        assert list(Butterfly(mdata).specs) == ["rna", "atac"]


def _two(mdata):
    return {"rna": mdata["rna"].copy(), "atac": mdata["atac"].copy()}


class TestRefused:
    @pytest.mark.parametrize("n_modalities", [0, 1])
    def test_too_few_modalities(self, mdata, n_modalities):
        parts = {"rna": mdata["rna"]} if n_modalities else {}
        alone = MuData({**parts, "spliced": mdata["atac"]})
        with pytest.raises(ValueError, match=r"Two modalities are needed.*modalities=\{'rna"):
            Butterfly.setup_mudata(alone)

    def test_two_of_a_kind(self, mdata):
        twice = MuData({**_two(mdata), "gex": mdata["rna"].copy()})
        with pytest.raises(ValueError, match=r"'rna' and 'gex' both look like rna"):
            Butterfly.setup_mudata(twice)
        Butterfly.setup_mudata(twice, modalities={"rna_layer": "gex", "atac_layer": "atac"})

    def test_unknown_modality_key(self, mdata):
        with pytest.raises(ValueError, match=r"'chromatin' for 'atac_layer'.*\['rna', 'atac'\]"):
            Butterfly.setup_mudata(
                mdata, modalities={"rna_layer": "rna", "atac_layer": "chromatin"}
            )

    def test_unknown_argument_in_modalities(self, mdata):
        with pytest.raises(ValueError, match=r"has the key 'rna'; it maps setup arguments"):
            Butterfly.setup_mudata(mdata, modalities={"rna": "rna", "atac": "atac"})

    def test_layer_of_a_modality_that_is_not_there(self, mdata):
        with pytest.raises(ValueError, match=r"protein_layer='counts' was given, but no protein"):
            Butterfly.setup_mudata(mdata, protein_layer="counts")

    def test_missing_layer(self, mdata):
        mdata["rna"].layers["raw"] = mdata["rna"].X
        with pytest.raises(
            ValueError, match=r"rna.layers\['counts'\] does not exist; the layers are \['raw'\]"
        ):
            Butterfly.setup_mudata(mdata, rna_layer="counts")

    def test_unpaired_cells(self, mdata):
        unpaired = MuData({"rna": mdata["rna"][:50].copy(), "atac": mdata["atac"][10:].copy()})
        with pytest.raises(
            ValueError,
            match=r"not paired: 'rna' has 50, 'atac' has 50, and 40 .*intersect_obs",
        ):
            Butterfly.setup_mudata(unpaired)

    def test_another_modality_with_further_cells(self, mdata):
        spliced = mdata["rna"].copy()
        spliced.obs_names = [f"other_{number}" for number in range(60)]
        more = MuData({**_two(mdata), "spliced": spliced})
        with pytest.raises(ValueError, match=r"60 are in all of them; the MuData has 120"):
            Butterfly.setup_mudata(more)

    def test_a_modality_with_fewer_cells(self, mdata):
        fewer = MuData({"rna": mdata["rna"].copy(), "atac": mdata["atac"][:30].copy()})
        with pytest.raises(
            ValueError, match=r"not paired.*'atac' has 30, and 30 are in all of them"
        ):
            Butterfly.setup_mudata(fewer)

    def test_cells_in_another_order(self, mdata):
        parts = _two(mdata)
        parts["atac"] = parts["atac"][::-1].copy()
        with pytest.raises(ValueError, match=r"'atac' stand in another order.*Rebuild it: MuData"):
            Butterfly.setup_mudata(MuData(parts))

    def test_the_mend_for_another_order_works(self, mdata):
        parts = _two(mdata)
        parts["atac"] = parts["atac"][::-1].copy()
        wrong = MuData(parts)
        right = MuData({k: wrong[k][wrong.obs_names].copy() for k in wrong.mod})
        Butterfly.setup_mudata(right)
        assert right["atac"].obs_names.equals(right["rna"].obs_names)

    @pytest.mark.filterwarnings("ignore:Observation names are not unique")
    @pytest.mark.filterwarnings("ignore:Cannot join columns")
    def test_repeated_cells(self, mdata):
        names = mdata.obs_names.tolist()
        names[1] = names[0]
        parts = _two(mdata)
        for adata in parts.values():
            adata.obs_names = names
        with pytest.raises(ValueError, match=r"Cell 'cell_0' appears twice in 'rna'"):
            Butterfly.setup_mudata(MuData(parts))

    @pytest.mark.filterwarnings("ignore:Variable names are not unique")
    @pytest.mark.filterwarnings("ignore:var_names are not unique")
    @pytest.mark.parametrize("key", ["rna", "atac"])
    def test_repeated_features(self, mdata, key):
        parts = _two(mdata)
        names = parts[key].var_names.tolist()
        parts[key].var_names = [names[3], *names[1:]]
        with pytest.raises(
            ValueError, match=rf"features of '{key}' are not unique.*{names[3]}.*make_unique"
        ):
            Butterfly.setup_mudata(MuData(parts))

    @pytest.mark.parametrize("axis", ["cells", "genes"])
    def test_nothing_to_train_on(self, mdata, axis):
        rna = mdata["rna"][:0] if axis == "cells" else mdata["rna"][:, :0]
        atac = mdata["atac"][:0] if axis == "cells" else mdata["atac"]
        with pytest.raises(ValueError, match=r"rna.X has shape .*there is nothing to train on"):
            Butterfly.setup_mudata(MuData({"rna": rna.copy(), "atac": atac.copy()}))

    @pytest.mark.parametrize("argument", ["batch_key", "labels_key"])
    def test_unknown_column(self, mdata, argument):
        with pytest.raises(ValueError, match=rf"{argument}='donor' is no column.*cell_type"):
            Butterfly.setup_mudata(mdata, **{argument: "donor"})

    @pytest.mark.parametrize("argument", ["batch_key", "labels_key"])
    def test_column_about_which_modalities_disagree(self, mdata, argument):
        mdata["rna"].obs["lane"] = pd.Categorical(["a", "b"] * 30)
        mdata["atac"].obs["lane"] = ["a", "b"] * 29 + ["b", "b"]
        named = rf"{argument}='lane': 'rna' and 'atac' disagree about 1 cells, such as "
        with pytest.raises(ValueError, match=named + ".*'a' and 'b'.*one holds: mdata.obs"):
            Butterfly.setup_mudata(mdata, **{argument: "lane"})
        mdata.obs["lane"] = mdata["rna"].obs["lane"]
        Butterfly.setup_mudata(mdata, **{argument: "lane"})
        del mdata.obs["lane"]
        mdata["atac"].obs["lane"] = ["a", "b"] * 30
        Butterfly.setup_mudata(mdata, **{argument: "lane"})

    @pytest.mark.parametrize(
        ("own", "other"),
        [
            (np.array([1, 2]), np.array([1.0, 2.0])),
            (np.array([1, 2]), np.array(["1", "2"])),
            (np.array(["a", "b"]), np.array(["a", None], dtype=object)),
            (np.array(["a", "b"]), pd.Categorical(["a", None])),
        ],
    )
    def test_numbers_written_otherwise_and_gaps_are_no_disagreement(self, mdata, own, other):
        mdata["rna"].obs["lane"] = np.tile(own, 30)
        mdata["atac"].obs["lane"] = pd.Series(other).iloc[np.tile([0, 1], 30)].to_numpy()
        Butterfly.setup_mudata(mdata, batch_key="lane")

    def test_modalities_that_are_not_registered_have_no_say(self, mdata):
        hashes = anndata.AnnData(np.ones((60, 2), dtype=np.float32), obs=mdata["rna"].obs[[]])
        hashes.obs["lane"], mdata["rna"].obs["lane"] = "c", ["a", "b"] * 30
        whole = MuData({"rna": mdata["rna"], "atac": mdata["atac"], "hto": hashes})
        Butterfly.setup_mudata(whole, batch_key="lane")

    def test_column_with_gaps(self, mdata):
        mdata.obs["donor"] = ["a", None] * 30
        with pytest.raises(ValueError, match=r"batch_key='donor' is missing for 30 cells"):
            Butterfly.setup_mudata(mdata, batch_key="donor")

    @pytest.mark.parametrize("argument", ["batch_key", "labels_key"])
    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (pd.to_datetime(["2024-01-01", "2024-02-01"] * 30), "datetime64"),
            (pd.Categorical(pd.to_datetime(["2024-01-01", "2024-02-01"] * 30)), "datetime64"),
            (pd.cut([1.0, 2.0] * 30, 2), "interval"),
            (pd.PeriodIndex(["2024-01", "2024-02"] * 30, freq="M"), "period"),
            ([datetime.date(2024, 1, 1), datetime.date(2024, 2, 1)] * 30, "date"),
        ],
        ids=["dates", "categories", "intervals", "months", "days"],
    )
    def test_columns_of_what_names_nothing(self, mdata, values, kind, argument):
        mdata.obs["day"] = values
        with pytest.raises(
            ValueError, match=rf"{argument}='day' holds .*type {kind}.*obs\['day'\].astype\(str\)"
        ):
            Butterfly.setup_mudata(mdata, **{argument: "day"})
        mdata.obs["day"] = mdata.obs["day"].astype(str)
        Butterfly.setup_mudata(mdata, **{argument: "day"})

    @pytest.mark.parametrize("value", [3, None, "path.h5mu", {}], ids=type)
    def test_what_is_no_mudata(self, value):
        with pytest.raises(ValueError, match=rf"needs a MuData, got {type(value).__name__}"):
            Butterfly.setup_mudata(value)

    def test_an_anndata(self, mdata):
        with pytest.raises(ValueError, match=r"needs a MuData, got AnnData.*MuData\(\{'rna'"):
            Butterfly.setup_mudata(mdata["rna"])

    def test_setup_anndata(self, mdata):
        with pytest.raises(ValueError, match=r"several modalities.*call setup_mudata"):
            Butterfly.setup_anndata(anndata.AnnData(np.ones((3, 2))), batch_key="batch")

    def test_a_refused_mudata_is_not_changed(self, mdata, snapshot):
        _values(mdata["atac"], _fraction)
        before = snapshot(mdata)
        with pytest.raises(ValueError, match="atac.X holds 1.25"):
            Butterfly.setup_mudata(mdata)
        assert snapshot(mdata) == before


class TestCopies:
    """Data and a copy of them are two, whatever scvi-tools has written into both."""

    def test_setting_up_a_copy_leaves_the_original(self, mdata):
        Butterfly.setup_mudata(mdata)
        copied = mdata.copy()
        Butterfly.setup_mudata(copied, batch_key="cell_type")
        assert Butterfly(mdata).summary_stats.n_batch == 1
        assert Butterfly(copied).summary_stats.n_batch == 4

    def test_so_does_loading_with_one(self, trained, tmp_path):
        trained.model.save(tmp_path / "model")
        copied = trained.mdata.copy()
        loaded = Butterfly.load(tmp_path / "model", adata=copied)
        assert loaded.adata is copied
        assert Butterfly(trained.mdata).adata is trained.mdata
        before = trained.model.translate(source="rna", target="atac").X
        np.testing.assert_allclose(loaded.translate(source="rna", target="atac").X, before)

    @pytest.mark.parametrize("change", [MuData.copy, lambda mdata: mdata[:20].copy()])
    def test_a_copy_is_registered_by_itself(self, mdata, change):
        Butterfly.setup_mudata(mdata)
        with pytest.raises(
            ValueError, match=r"not registered: call Butterfly\.setup_mudata.*copy"
        ):
            Butterfly(change(mdata))


@pytest.mark.parametrize(
    "names",
    [
        ["Mouse-IgG1", "Rat-IgG2b", "mouse IgG2a", "IgG", "Armenian Hamster IgG"],
        ["isotype_1", "Isotype_MOPC-21", "HTO isotype", "x_isotype_Ctrl", "ISOTYPE"],
    ],
)
def test_isotype_controls_only(simulate, names):
    mdata = simulate(n_proteins=5)
    mdata["protein"].var_names = names
    mdata.update()
    with pytest.raises(ValueError, match=r"All 5 proteins of 'protein' are isotype controls"):
        Butterfly.setup_mudata(mdata)
    mdata["protein"].var_names = [*names[:4], "IgD"]  # a marker of B cells
    mdata.update()
    Butterfly.setup_mudata(mdata)
