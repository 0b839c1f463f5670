"""One model of cells that were measured in some of three modalities."""

from __future__ import annotations

import numpy as np
import pytest
import scvi
from mudata import MuData

from scvi_xmodal.data import MosaicPairs, Split
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.model import Babel, Butterfly

SMALL = {"n_latent": 4, "n_embedding": 8}


def _join(mdata, rows):
    with own_columns_only():
        return MuData({key: mdata[key][own].copy() for key, own in rows.items()})


@pytest.fixture
def mosaic(simulate):
    """RNA of all 60 cells but five, ATAC of the first 36, protein of the last 30."""
    mdata = simulate(n_proteins=5)
    rows = {"rna": slice(0, 55), "atac": slice(0, 36), "protein": slice(30, 60)}
    joined = _join(mdata, rows)
    joined.obs["batch"] = np.where(np.arange(60) % 2, "one", "two")
    return joined


def _model(mdata, **options):
    scvi.settings.seed = 0
    Butterfly.setup_mudata(mdata, pairing="mosaic", **options)
    return Butterfly(mdata, **SMALL)


def test_every_path_that_a_cell_has_is_trained(mosaic, quick):
    model = _model(mosaic)
    model.train(batch_size=16, **quick)
    trained = {name for name in model.history if "_to_" in name and name.startswith("integ")}
    assert {f"integrative_{s}_to_{t}_train" for s in model.specs for t in model.specs} <= trained
    for source in model.specs:
        for target in model.specs:
            out = model.translate(mosaic, source=source, target=target)
            assert out.obs_names.equals(mosaic[source].obs_names)
            assert np.isfinite(out.X).all()


def test_pretraining_reads_every_cell_of_a_modality(mosaic, quick, monkeypatch):
    seen = {}

    class Splitter(Butterfly._data_splitter_cls):
        def _loader(self, pairs, *, shuffle):
            loader = super()._loader(pairs, shuffle=shuffle)
            if shuffle:
                seen[tuple(self.readers)] = loader.dataset.pairs
            return loader

    monkeypatch.setattr(Butterfly, "_data_splitter_cls", Splitter)
    split = Split(np.r_[5:50], np.r_[0:5, 50:60])
    _model(mosaic).train(split=split, **quick)
    assert {keys: len(pairs) for keys, pairs in seen.items()} == {
        ("rna",): 45, ("atac",): 31, ("protein",): 20, ("rna", "atac", "protein"): 45,
    }  # fmt: skip
    assert seen["protein",].rows["protein"].tolist() == list(range(20))


def test_only_training_cells_are_read(mosaic, quick):
    split = Split(np.r_[5:48], np.r_[0:5, 48:52], np.r_[52:60])
    weights = []
    for change in (False, True):
        own = mosaic.copy()
        if change:
            own["protein"].X[22:] = 9
            own["rna"].X[52:] = 9
        model = _model(own)
        model.train(split=split, **quick)
        weights.append(model.module.state_dict())
    for name, first in weights[0].items():
        np.testing.assert_allclose(first, weights[1][name], rtol=1e-5, atol=1e-6)


def test_batches_files_and_loading(mosaic, quick, tmp_path):
    model = _model(mosaic, batch_key="batch")
    model.train(**quick)
    model.save(tmp_path / "model")
    out = model.translate(mosaic["atac"], source="atac", target="protein", transform_batch="one")
    again = Butterfly.load(tmp_path / "model", adata=False)
    same = again.translate(mosaic["atac"], source="atac", target="protein", transform_batch="one")
    np.testing.assert_array_equal(out.X, same.X)
    loaded = Butterfly.load(tmp_path / "model", adata=mosaic)
    loaded.train(**quick)


def test_depth_is_predicted_on_every_path(mosaic, quick):
    model = _model(mosaic)
    model.train(**quick)
    out = model.translate(mosaic, source="protein", target="atac", depth="predicted")
    measured = np.median(np.diff(mosaic["atac"].X.indptr))
    assert 0.5 * measured < out.obs["predicted_depth"].median() < 2 * measured


def test_published_preset_can_be_trained_so(mosaic, quick):
    Butterfly.setup_mudata(mosaic, pairing="mosaic")
    model = Butterfly(mosaic, preset="scbutterfly")
    model.train(batch_size=16, **quick)
    assert np.isfinite(model.translate(mosaic, source="atac", target="protein").X).all()


def test_pairs_may_be_given(mosaic, quick):
    model = _model(mosaic)
    rows = {"rna": np.r_[5:35], "atac": np.r_[5:25, [-1] * 10], "protein": np.r_[[-1] * 20, 0:10]}
    split = Split(np.r_[5:50], np.r_[0:5, 50:60])
    model.train(pairs=MosaicPairs(rows), split=split, **quick)
    rows["protein"][-1] = 25
    with pytest.raises(ValueError, match="validation or test cells"):
        model.train(pairs=MosaicPairs(rows), split=split, **quick)


class TestRefused:
    def test_modalities_that_no_cell_links(self, simulate):
        mdata = simulate(n_proteins=5)
        apart = _join(mdata, {"rna": slice(0, 40), "atac": slice(0, 40), "protein": slice(40, 60)})
        with pytest.raises(ValueError, match=r"links \['protein'\] to 'rna'.*obs_names"):
            Butterfly.setup_mudata(apart, pairing="mosaic")

    def test_links_outside_of_the_training_cells(self, mosaic, quick):
        model = _model(mosaic)
        split = Split(np.r_[0:32, 50:60], np.r_[32:50])
        with pytest.raises(ValueError, match=r"Fewer than 10 training cells.*\['protein'\]"):
            model.train(split=split, **quick)

    def test_validation_without_a_modality(self, mosaic, quick):
        model = _model(mosaic)
        split = Split(np.r_[0:50], np.r_[50:60])
        with pytest.raises(ValueError, match=r"None of the 10 validation cells.*\['atac'\]"):
            model.train(split=split, **quick)

    def test_babel_knows_no_gaps(self, mosaic):
        with pytest.raises(ValueError, match="pairing='mosaic' is unknown.*'unpaired'"):
            Babel.setup_mudata(mosaic, pairing="mosaic")

    def test_cells_with_gaps_are_told_of_it(self, mosaic):
        with pytest.raises(ValueError, match="pairing='mosaic'"):
            Butterfly.setup_mudata(mosaic)
