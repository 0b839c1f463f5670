"""Control and perturbed cells of one AnnData as two modalities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import scvi_xmodal as xm
from scvi_xmodal.data import Pairs, Split
from scvi_xmodal.model import Butterfly

SETUP = {"control": "ctrl", "perturbed": "stim", "labels_key": "cell_type"}
SMALL = {"n_latent": 4, "n_embedding": 16}


@pytest.fixture(scope="module")
def original():
    """260 cells and 300 genes of five types and both conditions."""
    kang = xm.datasets.kang_pbmc()
    return kang[::6, :300].copy()


@pytest.fixture
def cells(original):
    return original.copy()


def _split(cells, held_out="B cells"):
    """Leave the perturbed cells of a type out; a fifth of the others validate."""
    test = (cells.obs["cell_type"] == held_out) & (cells.obs["condition"] == "stim")
    rest = np.flatnonzero(~test.to_numpy())
    return Split(np.setdiff1d(rest, rest[::5]), rest[::5], np.flatnonzero(test))


def _train(cells, epochs=1, **options):
    Butterfly.setup_anndata(cells, "condition", **SETUP)
    model = Butterfly(cells, **SMALL)
    model.train(epochs, pretrain_epochs=1, enable_progress_bar=False, **options)
    return model


@pytest.fixture(scope="module")
def trained(original):
    return _train(original.copy(), split=_split(original))


def test_two_modalities_read_one_matrix(cells):
    Butterfly.setup_anndata(cells, "condition", **SETUP)
    model = Butterfly(cells, **SMALL)
    assert list(model.specs) == ["control", "perturbed"]
    assert {spec.kind for spec in model.specs.values()} == {"rna"}
    readers = model._training_readers()
    assert readers["control"] is readers["perturbed"]
    assert readers["control"].matrix is cells.X


def test_a_batch_where_none_are_registered(trained):
    with pytest.raises(ValueError, match="no batches: pass batch_key= to setup_anndata"):
        trained.translate(source="control", target="perturbed", transform_batch="101")


def test_published_networks_of_the_two_conditions_differ(cells):
    """256 then 128 for control cells, 128 then 128 for perturbed ones, half the inputs masked."""
    Butterfly.setup_anndata(cells, "condition", **SETUP)
    published = Butterfly(cells, preset="scbutterfly")
    for key, n_hidden in (("control", 256), ("perturbed", 128)):
        encoder, decoder = published.module.encoders[key], published.module.decoders[key]
        assert encoder.first.weight.shape == (300, n_hidden)
        assert encoder.embedding.linear.weight.shape == (128, n_hidden)
        assert decoder.hidden.linear.weight.shape == (n_hidden, 128)
        assert encoder.mask.rate == 0.5
        assert published.specs[key].settings.weight == 1
    own = Butterfly(cells)
    assert {spec.settings.n_hidden for spec in own.specs.values()} == {256}


@pytest.mark.filterwarnings("ignore:.*cut at random")
def test_leave_one_type_out_with_transport(cells):
    split = _split(cells)
    pairs, validation = (
        xm.pairing.by_optimal_transport(
            cells, "condition", "ctrl", "stim", "cell_type", indices=rows, n_pcs=10
        )
        for rows in (split.train, split.validation)
    )
    assert "B cells" not in set(cells.obs["cell_type"].iloc[pairs.rows["control"]])
    model = _train(cells, 2, split=split, pairs=pairs, validation_pairs=validation)
    chosen = (cells.obs["cell_type"] == "B cells") & (cells.obs["condition"] == "ctrl")
    out = model.translate(cells[chosen.to_numpy()].copy(), source="control", target="perturbed")
    assert out.shape == (int(chosen.sum()), cells.n_vars)
    assert out.uns["scvi_xmodal"]["target"] == "perturbed"
    truth = cells[split.test].copy()
    table = xm.metrics.evaluate_perturbation(
        out, truth, cells[chosen.to_numpy()].copy(), n_top=20, n_resamples=3
    )
    assert table.loc["prediction", "r2"] > 0.3


def test_statistics_are_of_each_conditions_training_cells(cells, trained):
    """What the other condition or the test cells hold changes nothing for the control."""
    split = _split(cells)
    control = cells[(cells.obs["condition"] == "ctrl").to_numpy()].copy()
    rows = np.intersect1d(split.train, np.flatnonzero((cells.obs["condition"] == "ctrl").values))
    median = np.median(np.asarray(cells.X[rows].sum(axis=1)))
    out = trained.translate(control, source="control", target="control", indices=[0])
    np.testing.assert_allclose(out.layers["mean"].sum(), median, rtol=0.01)


def test_training_cells_of_the_condition_are_the_default(cells, trained):
    out = trained.translate(source="control", target="perturbed")
    assert set(out.obs["condition"]) == {"ctrl"}
    assert out.n_obs == int((cells.obs["condition"] == "ctrl").sum())
    part = trained.translate(source="perturbed", target="control", indices=_split(cells).test)
    assert set(part.obs["cell_type"]) == {"B cells"}


def test_saved_and_loaded(cells, trained, tmp_path):
    trained.save(tmp_path / "model")
    control = cells[(cells.obs["condition"] == "ctrl").to_numpy()].copy()
    expected = trained.translate(control, source="control", target="perturbed").X
    alone = Butterfly.load(tmp_path / "model", adata=False)
    out = alone.translate(control, source="control", target="perturbed")
    np.testing.assert_array_equal(out.X, expected)
    with_data = Butterfly.load(tmp_path / "model", adata=cells)
    assert with_data.translate(source="control", target="perturbed").n_obs == control.n_obs


def test_data_stay_as_they_are(cells, original):
    _train(cells, split=_split(cells))
    assert (cells.X != original.X).nnz == 0
    assert cells.obs[original.obs.columns].equals(original.obs)


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"control": "stim"}, "both 'stim': two different conditions"),
            ({"perturbed": "IFN"}, r"perturbed='IFN' occurs nowhere.*\['ctrl', 'stim'\]"),
            ({"condition_key": "treatment"}, "'treatment' is no column"),
            ({"labels_key": "tissue"}, r"no obs\['tissue'\]"),
            ({"layer": "counts"}, "counts"),
            ({"control": None}, "condition_key=, control= and perturbed="),
        ],
    )
    def test_in_setup(self, cells, options, message):
        with pytest.raises(ValueError, match=message):
            Butterfly.setup_anndata(cells, **{"condition_key": "condition", **SETUP, **options})

    def test_dates_as_batches(self, cells):
        cells.obs["day"] = pd.to_datetime(["2024-01-01"] * cells.n_obs)
        with pytest.raises(
            ValueError, match="batch_key='day' holds values of the type datetime64"
        ):
            Butterfly.setup_anndata(cells, "condition", **SETUP, batch_key="day")

    def test_missing_labels(self, cells):
        cells.obs["cell_type"] = (
            cells.obs["cell_type"].astype(object).mask(cells.obs.index[:1][0] == cells.obs.index)
        )
        with pytest.raises(ValueError, match="1 of .* training cells have no label"):
            Butterfly.setup_anndata(cells, "condition", **SETUP)

    def test_cells_of_the_other_condition(self, cells, trained):
        with pytest.raises(ValueError, match=r"cells are 'stim' in obs\['condition'\].*'ctrl'"):
            trained.translate(cells, source="control", target="perturbed")

    def test_indices_of_the_other_condition(self, cells, trained):
        given = {"source": "control", "target": "perturbed", "indices": np.arange(cells.n_obs)}
        for query in (None, cells):
            with pytest.raises(ValueError, match=r"cells are 'stim' in obs.*indices= of those"):
                trained.translate(query, **given)
        rows = np.flatnonzero((cells.obs["condition"] == "ctrl").to_numpy())[[5, 2]]
        own, same = (
            trained.translate(query, **{**given, "indices": rows}) for query in (None, cells)
        )
        assert own.obs_names.tolist() == cells.obs_names[rows].tolist()
        np.testing.assert_array_equal(own.X, same.X)

    def test_cells_of_further_conditions_among_them(self, cells):
        names = cells.obs["condition"].astype(object).to_numpy()
        names[::4] = "third"
        cells.obs["condition"] = names
        model = _train(cells, split=_split(cells))
        given = {"source": "control", "target": "perturbed"}
        rows, third = np.flatnonzero(names != "stim"), np.flatnonzero(names == "third")
        for query, indices in ((cells, rows), (None, rows), (None, third)):
            with pytest.raises(ValueError, match=f"{third.size} of .* cells are 'third' in obs"):
                model.translate(query, indices=indices, **given)
        # another experiment may call its control cells otherwise
        assert model.translate(cells[third].copy(), **given).n_obs == third.size

    def test_the_mend_picks_cells_of_numbered_conditions(self, cells):
        cells.obs["condition"] = (cells.obs["condition"] == "stim").astype(int).to_numpy()
        Butterfly.setup_anndata(cells, "condition", **{**SETUP, "control": "0", "perturbed": "1"})
        model = Butterfly(cells, **SMALL)
        model.train(1, pretrain_epochs=1, enable_progress_bar=False)
        given = {"source": "control", "target": "perturbed"}
        with pytest.raises(ValueError, match="Give the cells of one condition: ") as refused:
            model.translate(cells, **given)
        mend = str(refused.value).partition("condition: ")[2].partition(", or")[0]
        own = eval(mend, {"adata": cells})  # as the user would type it
        n_control = int((cells.obs["condition"] == 0).sum())
        assert model.translate(own.copy(), **given).n_obs == n_control

    def test_batches_that_tell_the_conditions_apart(self, cells):
        given = {"condition_key": "condition", **SETUP, "batch_key": "batch"}
        with pytest.raises(
            ValueError, match=r"No batch of batch_key='batch'.*'ctrl.*'stim.*donor"
        ):
            Butterfly.setup_anndata(cells, **given)
        Butterfly.setup_anndata(cells, **{**given, "batch_key": "donor"})

    def test_models_saved_with_such_batches_load(self, cells, tmp_path, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr("scvi_xmodal.model._perturbation._check_batches", lambda *_: None)
            Butterfly.setup_anndata(cells, "condition", **SETUP, batch_key="batch")
        Butterfly(cells, **SMALL).save(tmp_path / "model")
        assert list(Butterfly.load(tmp_path / "model", adata=cells).specs)

    def test_scores_of_the_response(self, trained):
        with pytest.raises(
            ValueError, match=r"No cell is measured in both.*evaluate_perturbation"
        ):
            trained.trust_scores("control", "perturbed")

    def test_conditions_have_no_joint_latent(self, trained):
        with pytest.raises(ValueError, match=r"different cells.*modalities=\['control'\]"):
            xm.tl.joint_latent(trained)
        assert len(xm.tl.joint_latent(trained, modalities=["control"]))

    def test_pairs_of_the_wrong_condition(self, cells):
        perturbed = np.flatnonzero((cells.obs["condition"] == "stim").to_numpy())[:4]
        with pytest.raises(ValueError, match="4 of the pairs' 'control' rows are no 'control'"):
            _train(
                cells,
                split=Split(range(cells.n_obs)),
                pairs=Pairs({"control": perturbed, "perturbed": perturbed}),
            )

    def test_a_mudata_to_load_with(self, trained, tmp_path, mdata):
        trained.save(tmp_path / "model")
        with pytest.raises(ValueError, match="must be the training AnnData or False, got MuData"):
            Butterfly.load(tmp_path / "model", adata=mdata)
