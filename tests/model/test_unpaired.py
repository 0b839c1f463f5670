"""Training on modalities that have cells of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scvi
from mudata import MuData

import scvi_xmodal as xm
from scvi_xmodal.data import Pairs, RedrawnPairs, Split, rows_of_modality
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.model import Babel, Butterfly

SMALL = {"n_latent": 4, "n_embedding": 8}
SPLIT = Split(np.r_[5:30, 40:55], np.r_[30:40], np.r_[0:5, 55:60])


def _halves(mdata):
    """RNA of the first 36 cells, ATAC of the last 30: six stand in both, of 60."""
    parts = {"rna": mdata["rna"][:36].copy(), "atac": mdata["atac"][30:].copy()}
    for part in parts.values():
        types = mdata.obs["cell_type"].reindex(part.obs_names).astype(str)
        part.obs["cell_type"] = types.replace({"type_1": "type_0", "type_3": "type_2"})
        part.obs["lane"] = np.where(np.arange(part.n_obs) % 2, "one", "two")
    return parts


@pytest.fixture
def halves(mdata):
    return _halves(mdata)


@pytest.fixture
def joined(halves):
    with own_columns_only():
        return MuData(halves)


@pytest.fixture
def apart(halves):
    """Two experiments whose cells have nothing in common but, some, their barcodes."""
    return halves["rna"], halves["atac"]


class TestSetup:
    def test_labels_may_stand_in_the_modalities(self, joined, quick):
        Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        model = Butterfly(joined, **SMALL)
        model.train(**quick)
        assert model.translate(joined["rna"], source="rna", target="atac").shape == (36, 36)

    def test_matrices_are_shared_and_nothing_is_written(self, apart, snapshot):
        before = [snapshot(adata) for adata in apart]
        model = Butterfly.from_unpaired(*apart, "cell_type", **SMALL)
        for adata, kind in zip(apart, ("rna", "atac"), strict=True):
            assert np.shares_memory(adata.X.data, model.adata[kind].X.data)
            assert np.shares_memory(adata.X.indices, model.adata[kind].X.indices)
        assert [snapshot(adata) for adata in apart] == before

    def test_equal_barcodes_are_no_equal_cells(self, apart):
        model = Butterfly.from_unpaired(*apart, "cell_type")
        assert model.adata.n_obs == 36 + 30
        assert model.adata["rna"].obs_names[0] == "rna:cell_0"
        one, two = apart[0][:30].copy(), apart[1]
        assert Butterfly.from_unpaired(one, two, "cell_type").adata.obs_names[0] == "cell_0"

    def test_layers_and_other_kinds(self, simulate, quick):
        mdata = simulate(n_proteins=5)
        rna, protein = mdata["rna"][:30].copy(), mdata["protein"][30:].copy()
        for part in (rna, protein):
            part.obs["cell_type"] = mdata.obs["cell_type"].reindex(part.obs_names)
        rna.layers["counts"] = rna.X
        rna.X = np.log1p(rna.X.toarray())
        model = Butterfly.from_unpaired(
            rna, protein, "cell_type", modalities=("rna", "protein"), layers={"rna": "counts"}
        )
        model.train(**quick)
        assert model.translate(protein, source="protein", target="rna").n_vars == 18

    def test_numbered_batches_are_the_same_in_whole_numbers_and_in_fractions(self, apart, quick):
        """A gap among the other cells of a table makes 1.0 of the batch 1."""
        rna, atac = apart
        rna.obs["run"] = np.arange(rna.n_obs) % 2 + 1
        atac.obs["run"] = np.arange(atac.n_obs) % 2 + 1.0
        model = Butterfly.from_unpaired(rna, atac, "cell_type", batch_key="run", **SMALL)
        assert model.summary_stats.n_batch == 2
        model.train(**quick)
        for adata, source, target in ((rna, "rna", "atac"), (atac, "atac", "rna")):
            assert model.translate(adata, source=source, target=target).n_obs == adata.n_obs

    def test_batches_of_both(self, apart, quick):
        model = Butterfly.from_unpaired(*apart, "cell_type", batch_key="lane", **SMALL)
        model.train(**quick)
        assert model.summary_stats.n_batch == 2
        out = model.translate(apart[1], source="atac", target="rna", transform_batch="one")
        assert out.n_obs == 30

    def test_babel_can_be_trained_so(self, joined):
        Babel.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        model = Babel(joined)
        model.train(1, enable_progress_bar=False)
        assert model.translate(joined["atac"], source="atac", target="rna").n_obs == 30


class TestTraining:
    def test_only_training_cells_are_read(self, joined, quick):
        """Held-out cells and unshared types may hold anything: the same model comes out."""
        split = SPLIT
        rows = {key: rows_of_modality(joined, key)[split.test] for key in joined.mod}
        weights = []
        for change in (False, True):
            own = MuData({key: adata.copy() for key, adata in joined.mod.items()})
            if change:
                for key, adata in own.mod.items():
                    dense = adata.X.toarray()
                    dense[rows[key][rows[key] >= 0]] = 7
                    adata.X = dense
            scvi.settings.seed = 0
            Butterfly.setup_mudata(own, pairing="unpaired", labels_key="cell_type")
            model = Butterfly(own, **SMALL)
            model.train(split=split, **quick)
            weights.append(model.module.state_dict())
        for name, first in weights[0].items():
            np.testing.assert_allclose(first, weights[1][name], rtol=1e-5, atol=1e-6)

    def test_statistics_are_of_each_modalitys_own_cells(self, joined, quick):
        split = SPLIT
        Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        model = Butterfly(joined, **SMALL)
        model.train(split=split, **quick)
        rows = rows_of_modality(joined, "rna")[split.train]
        rows = rows[rows >= 0]
        assert rows.size == 25
        median = np.median(np.asarray(joined["rna"].X[rows].sum(1)))
        out = model.translate(joined["atac"], source="atac", target="rna", indices=[0])
        np.testing.assert_allclose(out.layers["mean"].sum(), median, rtol=0.01)

    def test_given_pairs_and_validation_pairs(self, joined):
        split = SPLIT
        Butterfly.setup_mudata(joined, pairing="unpaired")
        model = Butterfly(joined, **SMALL)
        options = {"labels_key": "cell_type"}
        pairs = xm.pairing.unpaired(joined, indices=split.train, redraw=True, **options)
        assert isinstance(pairs, RedrawnPairs)
        validation = xm.pairing.unpaired(joined, indices=split.validation, **options)
        model.train(
            2, pretrain_epochs=1, split=split, pairs=pairs, validation_pairs=validation,
            enable_progress_bar=False,
        )  # fmt: skip
        assert model.history["integrative_reconstruction_loss_validation"].notna().all().all()

    def test_depth_is_predicted_from_pairs(self, joined, quick):
        Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        model = Butterfly(joined, **SMALL)
        model.train(**quick)
        out = model.translate(joined["rna"], source="rna", target="atac", depth="predicted")
        measured = np.median(np.diff(joined["atac"].X.indptr))
        assert 0.5 * measured < out.obs["predicted_depth"].median() < 2 * measured

    def test_test_cells_of_unshared_types_are_translated(self, halves, quick):
        rna, atac, only = halves["rna"], halves["atac"], "platelet"
        rna.obs.loc[rna.obs_names[::3], "cell_type"] = only
        model = Butterfly.from_unpaired(rna, atac, "cell_type", **SMALL)
        split = xm.pp.split(model.adata, by="cell", n_folds=3)
        model.train(split=split, **quick)
        out = model.translate(source="rna", target="atac", indices=split.test)
        measured = rows_of_modality(model.adata, "rna")[split.test]
        expected = model.adata["rna"].obs_names[measured[measured >= 0]]
        assert out.obs_names.tolist() == expected.tolist()
        assert only in set(out.obs["cell_type"])
        assert np.isfinite(out.X).all()

    def test_it_learns(self):
        """Types of unpaired cells are told apart in the translation."""
        mdata = xm.datasets.synthetic(n_cells=240, n_genes=40, n_peaks=60, atac_density=0.3)
        parts = mdata["rna"][:120].copy(), mdata["atac"][120:].copy()
        for part in parts:
            part.obs["cell_type"] = mdata.obs["cell_type"].reindex(part.obs_names)
        model = Butterfly.from_unpaired(*parts, "cell_type", n_latent=8, n_embedding=32)
        model.train(20, pretrain_epochs=5, enable_progress_bar=False)
        out = model.translate(mdata["atac"][:120].copy(), source="atac", target="rna")
        truth = parts[0]
        scale = np.asarray(truth.X.sum(1)).mean() / np.asarray(truth.X.sum(1))
        values = np.log1p(truth.X.toarray() * scale)
        types = mdata.obs["cell_type"].iloc[:120].to_numpy()
        names = np.unique(types)
        predicted, measured = (
            np.stack([x[types == t].mean(0) for t in names]) for x in (out.X, values)
        )
        centred = [(x - x.mean(0)).ravel() for x in (predicted, measured)]
        assert np.corrcoef(*centred)[0, 1] > 0.5

    def test_saved_and_loaded_with_data(self, joined, quick, tmp_path):
        Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        model = Butterfly(joined, **SMALL)
        model.train(**quick)
        model.save(tmp_path / "model")
        loaded = Butterfly.load(tmp_path / "model", adata=joined)
        loaded.train(**quick)
        first = model.translate(joined["rna"], source="rna", target="atac").X
        again = Butterfly.load(tmp_path / "model", adata=False)
        np.testing.assert_array_equal(
            again.translate(joined["rna"], source="rna", target="atac").X, first
        )


class TestRefused:
    def test_unknown_pairing(self, joined):
        with pytest.raises(ValueError, match="pairing='diagonal' is unknown"):
            Butterfly.setup_mudata(joined, pairing="diagonal")

    def test_unpaired_cells_by_default(self, joined):
        with pytest.raises(ValueError, match="pairing='unpaired'"):
            Butterfly.setup_mudata(joined)

    def test_no_labels_and_no_pairs(self, joined, quick):
        Butterfly.setup_mudata(joined, pairing="unpaired")
        model = Butterfly(joined, **SMALL)
        with pytest.raises(ValueError, match=r"train cells are not paired.*pairs=.*labels_key"):
            model.train(**quick)
        pairs = xm.pairing.unpaired(joined, indices=range(50))
        with pytest.raises(ValueError, match=r"validation cells are not paired.*validation_pairs"):
            model.train(split=Split(range(50), range(50, 60)), pairs=pairs, **quick)
        model.train(split=Split(range(50), [], range(50, 60)), pairs=pairs, **quick)

    def test_missing_labels(self, joined, halves):
        joined["rna"].obs["cell_type"] = joined["rna"].obs["cell_type"].mask(np.arange(36) < 2)
        joined["atac"].obs["cell_type"] = joined["atac"].obs["cell_type"]
        with pytest.raises(ValueError, match="2 of 60 training cells have no label"):
            Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")

    def test_no_shared_label(self, apart, quick):
        rna, atac = apart
        atac.obs["cell_type"] = "other"
        model = Butterfly.from_unpaired(rna, atac, "cell_type", **SMALL)
        with pytest.raises(ValueError, match="train cells cannot be paired: .*share no label"):
            model.train(**quick)

    def test_batches_of_one_modality_only(self, joined):
        with pytest.raises(
            ValueError, match=r"batch_key='lane' is no column of mdata.obs.*concat"
        ):
            Butterfly.setup_mudata(joined, pairing="unpaired", batch_key="lane")
        batches = pd.concat([part.obs["lane"].astype(str) for part in joined.mod.values()])
        joined.obs["lane"] = batches[~batches.index.duplicated()]
        Butterfly.setup_mudata(joined, pairing="unpaired", batch_key="lane")

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ({"rna": [0, 1], "atac": [0, 29]}, r"1 of the pairs' 'atac' rows are validation or"),
            ({"rna": [0, 36], "atac": [0, 1]}, "row 36 of 'rna', but there are 36 cells"),
            ({"rna": [0, 1]}, r"no rows for \['atac'\]"),
        ],
    )
    def test_pairs_that_do_not_fit(self, joined, quick, rows, message):
        Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        with pytest.raises(ValueError, match=message):
            Butterfly(joined, **SMALL).train(
                split=Split(range(50), [], range(50, 60)), pairs=Pairs(rows), **quick
            )

    def test_validation_pairs_of_other_cells(self, joined, quick):
        Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        with pytest.raises(ValueError, match=r"validation_pairs' 'rna' rows are no validation"):
            Butterfly(joined, **SMALL).train(
                split=Split(range(50), range(50, 60)),
                validation_pairs=Pairs({"rna": [0, 1], "atac": [22, 23]}),
                **quick,
            )

    def test_a_modality_without_training_cells(self, joined, quick):
        Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        with pytest.raises(ValueError, match="6 training cells of 'atac' are too few"):
            Butterfly(joined, **SMALL).train(split=Split(range(36)), **quick)

    def test_indices_without_the_source(self, joined, quick):
        Butterfly.setup_mudata(joined, pairing="unpaired", labels_key="cell_type")
        model = Butterfly(joined, **SMALL)
        model.train(**quick)
        with pytest.raises(ValueError, match="None of the 2 cells was measured in 'rna'"):
            model.translate(source="rna", target="atac", indices=[58, 59])

    def test_bad_arguments(self, apart):
        with pytest.raises(ValueError, match=r"no obs\['tissue'\].*Set labels_key="):
            Butterfly.from_unpaired(*apart, "tissue")
        with pytest.raises(ValueError, match=r"no obs\['plate'\].*Set batch_key="):
            Butterfly.from_unpaired(*apart, "cell_type", batch_key="plate")
        with pytest.raises(ValueError, match="two of 'rna', 'atac' and 'protein'"):
            Butterfly.from_unpaired(*apart, "cell_type", modalities=("rna", "rna"))
        with pytest.raises(ValueError, match="'counts'"):
            Butterfly.from_unpaired(*apart, "cell_type", layers={"atac": "counts"})


def test_repaired_training_reads_the_same_matrix(mdata, quick):
    """Three times the pairs: the readers hold the very arrays of the data (no copy)."""
    Butterfly.setup_mudata(mdata, labels_key="cell_type")
    model = Butterfly(mdata, **SMALL)
    for key, reader in model._training_readers().items():
        assert reader.matrix is mdata[key].X
    split = Split(range(45), range(45, 60))
    pairs = xm.pairing.by_label(mdata, "cell_type", split.train, redraw=True)
    model.train(split=split, pairs=pairs, **quick)
    frame = pd.DataFrame(pairs.rows)
    assert len(frame) == 135
