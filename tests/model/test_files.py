"""Saved models: all of their files or none, checked before they are read."""

from __future__ import annotations

import json
from importlib.metadata import version

import numpy as np
import pytest
import scvi
import torch
from mudata import MuData

import scvi_xmodal as xm
from scvi_xmodal._constants import FORMAT_VERSION
from scvi_xmodal.data import Split
from scvi_xmodal.model import Butterfly, read_manifest

MANIFEST = "scvi_xmodal.json"
OPTIONS = {"source": "rna", "target": "atac"}


@pytest.fixture
def saved(trained, tmp_path):
    """A saved model that a test may spoil."""
    trained.model.save(tmp_path / "model")
    return tmp_path / "model"


def _edit(path, **changes):
    manifest = json.loads((path / MANIFEST).read_text())
    manifest.update(changes)
    (path / MANIFEST).write_text(json.dumps(manifest))


class TestManifest:
    def test_what_it_says(self, saved):
        manifest = read_manifest(saved)
        assert manifest["format_version"] == FORMAT_VERSION
        assert manifest["model"] == "Butterfly"
        assert manifest["versions"]["scvi-xmodal"] == xm.__version__
        for name in ("scvi-tools", "torch", "anndata", "mudata"):
            assert manifest["versions"][name] == version(name)

    def test_newer_format(self, saved):
        _edit(saved, format_version=FORMAT_VERSION + 1)
        message = (
            rf"format version {FORMAT_VERSION + 1}.*reads up to {FORMAT_VERSION}"
            r".*pip install -U scvi-xmodal"
        )
        with pytest.raises(ValueError, match=message):
            Butterfly.load(saved, adata=False)

    def test_newer_format_that_names_no_versions(self, saved):
        (saved / MANIFEST).write_text(json.dumps({"format_version": 99, "model": "Butterfly"}))
        with pytest.raises(ValueError, match="format version 99"):
            Butterfly.load(saved, adata=False)

    def test_other_class(self, saved):
        _edit(saved, model="Babel")
        with pytest.raises(
            ValueError, match=r"holds a Babel, not a Butterfly.*scvi_xmodal\.model\.Babel\.load"
        ):
            Butterfly.load(saved, adata=False)

    @pytest.mark.parametrize(
        "text",
        ['{"format_version": 1, "mod', "", "[]", "3", "{}", '{"format_version": "one"}']
        + ['{"format_version": null, "model": "Butterfly"}', '{"format_version": 1}'],
        ids=["truncated", "empty", "list", "number", "object", "word", "null", "no_model"],
    )
    def test_unreadable(self, saved, text):
        (saved / MANIFEST).write_text(text)
        with pytest.raises(ValueError, match=rf"{MANIFEST}.*cannot be read.*save the model again"):
            Butterfly.load(saved, adata=False)

    def test_missing(self, saved):
        (saved / MANIFEST).unlink()
        with pytest.raises(ValueError, match=rf"no model saved by scvi_xmodal: {MANIFEST}"):
            Butterfly.load(saved, adata=False)

    def test_no_such_directory(self, tmp_path):
        with pytest.raises(ValueError, match=r"nowhere.* holds no model saved by scvi_xmodal"):
            Butterfly.load(tmp_path / "nowhere", adata=False)

    def test_model_of_scvi_tools(self, mdata, tmp_path):
        adata = mdata["rna"]
        scvi.model.SCVI.setup_anndata(adata)
        scvi.model.SCVI(adata, n_hidden=4).save(tmp_path / "scvi")
        with pytest.raises(ValueError, match="holds no model saved by scvi_xmodal"):
            Butterfly.load(tmp_path / "scvi", adata=False)


class TestSave:
    def test_existing_directory(self, trained, saved):
        before = {path.name: path.read_bytes() for path in saved.iterdir()}
        with pytest.raises(ValueError, match=r"already exists.*overwrite=True"):
            trained.model.save(saved)
        assert {path.name: path.read_bytes() for path in saved.iterdir()} == before

    def test_overwrite_replaces_the_model(self, trained, batched, saved):
        batched.model.save(saved, overwrite=True)
        loaded = Butterfly.load(saved, adata=False)
        np.testing.assert_array_equal(
            loaded.translate(batched.original["rna"], **OPTIONS).X,
            batched.model.translate(batched.original["rna"], **OPTIONS).X,
        )

    def test_overwrite_keeps_data_saved_before_as_scvi_tools_does(self, trained, tmp_path):
        path = tmp_path / "model"
        trained.model.save(path, save_anndata=True)
        trained.model.save(path, overwrite=True)
        assert sorted(file.name for file in path.iterdir()) == ["mdata.h5mu", "model.pt", MANIFEST]
        assert Butterfly.load(path).adata.shape == trained.mdata.shape

    def test_data_of_the_model_before_are_not_taken_for_this_ones(self, trained, tmp_path):
        path = tmp_path / "model"
        sizes = {"n_cells": 70, "n_genes": 18, "n_peaks": 36, "n_chromosomes": 3}
        other = xm.datasets.synthetic(**sizes, atac_density=0.3)
        other.mod["rna"].obs_names = other.mod["atac"].obs_names = [f"b{i}" for i in range(70)]
        other = MuData(dict(other.mod))
        Butterfly.setup_mudata(other)
        first = Butterfly(other)
        first.train(1, pretrain_epochs=0, enable_progress_bar=False)
        first.save(path, save_anndata=True)
        trained.model.save(path, overwrite=True)
        with pytest.raises(ValueError, match="trained on 60 cells, there are 70"):
            Butterfly.load(path)
        assert Butterfly.load(path, adata=False).is_trained
        with pytest.raises(ValueError, match="must be the training MuData or False, got bool"):
            Butterfly.load(path, adata=True)

    def test_parents_are_made(self, trained, tmp_path):
        trained.model.save(tmp_path / "a" / "b" / "model")
        assert Butterfly.load(tmp_path / "a" / "b" / "model", adata=False).is_trained

    def test_prefixes_share_a_directory(self, trained, batched, tmp_path):
        path = tmp_path / "models"
        trained.model.save(path, prefix="one_")
        batched.model.save(path, prefix="two_", overwrite=True)
        assert read_manifest(path, prefix="one_")["model"] == "Butterfly"
        one = Butterfly.load(path, prefix="one_", adata=False)
        two = Butterfly.load(path, prefix="two_", adata=False)
        query = batched.original["rna"]
        for loaded, model in ((one, trained.model), (two, batched.model)):
            np.testing.assert_array_equal(
                loaded.translate(query, **OPTIONS).X, model.translate(query, **OPTIONS).X
            )
        with pytest.raises(ValueError, match="holds no model"):
            Butterfly.load(path, adata=False)

    @pytest.mark.parametrize("exists", [False, True])
    def test_nothing_half_written_is_left(self, trained, tmp_path, monkeypatch, exists):
        path = tmp_path / "model"
        if exists:
            trained.model.save(path)
        before = {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

        def fail(state, target, **kwargs):
            with open(target, "wb") as file:
                file.write(b"half of a model")
            raise OSError("No space left on device")

        monkeypatch.setattr(torch, "save", fail)
        with pytest.raises(OSError, match="No space left"):
            trained.model.save(path, overwrite=True, save_anndata=True)
        after = {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        assert after == before
        assert path.exists() == exists
        assert len(list(tmp_path.iterdir())) == int(exists)

    def test_saving_changes_neither_model_nor_data(self, trained, snapshot, tmp_path):
        before = snapshot(trained.mdata)
        trained.model.save(tmp_path / "model", save_anndata=True)
        assert snapshot(trained.mdata) == before


class TestLoad:
    def test_history_and_training_cells_come_back(self, trained, saved):
        loaded = Butterfly.load(saved, adata=False)
        assert loaded.is_trained
        assert loaded.history.keys() == trained.model.history.keys()
        for name, values in trained.model.history.items():
            np.testing.assert_array_equal(loaded.history[name], values)
        np.testing.assert_array_equal(loaded.train_indices, trained.split.train)
        np.testing.assert_array_equal(loaded.validation_indices, trained.split.validation)

    def test_names_and_summary(self, trained, saved, capsys):
        loaded = Butterfly.load(saved, adata=False)
        names = loaded.get_var_names()
        assert names["rna"].tolist() == trained.original["rna"].var_names.tolist()
        assert names["atac"].tolist() == trained.original["atac"].var_names.tolist()
        print(loaded)
        assert "rna (18 features in 1 blocks), atac (36 features in 3 blocks)" in "".join(
            capsys.readouterr().out.split("\n")
        )

    def test_data_saved_with_the_model(self, trained, tmp_path):
        trained.model.save(tmp_path / "model", save_anndata=True)
        loaded = Butterfly.load(tmp_path / "model")
        np.testing.assert_allclose(
            loaded.translate(**OPTIONS).X, trained.model.translate(**OPTIONS).X, rtol=1e-6
        )

    def test_data_in_another_order(self, trained, saved, rng):
        mdata = trained.original.copy()
        shuffled = type(mdata)(
            {
                key: mdata[key][:, rng.permutation(mdata[key].n_vars)].copy()
                for key in ("atac", "rna")
            }
        )
        loaded = Butterfly.load(saved, adata=shuffled)
        np.testing.assert_allclose(
            loaded.translate(**OPTIONS).X, trained.model.translate(**OPTIONS).X, rtol=1e-5
        )
        assert loaded.get_var_names()["rna"].tolist() == mdata["rna"].var_names.tolist()

    def test_rows_of_other_data_are_dropped(self, trained, saved, quick):
        shuffled = trained.original[np.arange(60)[::-1]].copy()
        with pytest.warns(UserWarning, match="train_indices.*are rows of those, and are dropped"):
            loaded = Butterfly.load(saved, adata=shuffled)
        assert loaded.train_indices is loaded.validation_indices is loaded.test_indices is None
        loaded.train(**quick, split=trained.split)
        np.testing.assert_array_equal(loaded.train_indices, trained.split.train)

    def test_a_model_saved_without_data_still_knows_its_cells(self, trained, saved, tmp_path):
        Butterfly.load(saved, adata=False).save(tmp_path / "again")
        loaded = Butterfly.load(tmp_path / "again", adata=trained.original.copy())
        np.testing.assert_array_equal(loaded.train_indices, trained.split.train)
        shuffled = trained.original[np.arange(60)[::-1]].copy()
        with pytest.warns(UserWarning, match="are dropped"):
            Butterfly.load(tmp_path / "again", adata=shuffled)

    @pytest.mark.parametrize(("argument", "key"), [("batch_key", "lane"), ("labels_key", "type")])
    def test_data_of_unknown_categories(self, mdata, tmp_path, argument, key):
        mdata.obs[key] = np.where(np.arange(60) < 30, "a", "b")
        Butterfly.setup_mudata(mdata, **{argument: key})
        Butterfly(mdata).save(tmp_path / "model")
        mdata.obs[key] = np.where(np.arange(60) < 30, "a", "c")
        with pytest.raises(ValueError, match=rf"\['c'\] in obs\['{key}'\].*\['a', 'b'\].*=False"):
            Butterfly.load(tmp_path / "model", adata=mdata)

    def test_unknown_numbers_are_shown_plain(self, mdata, tmp_path):
        mdata.obs["lane"] = np.tile([1, 2], 30)
        Butterfly.setup_mudata(mdata, batch_key="lane")
        Butterfly(mdata).save(tmp_path / "model")
        mdata.obs["lane"] = np.tile([1, 3], 30)
        with pytest.raises(ValueError, match=r"hold \[3\] in obs\['lane'\].* one of \[1, 2\]"):
            Butterfly.load(tmp_path / "model", adata=mdata)

    def test_data_of_one_modality(self, trained, saved):
        with pytest.raises(ValueError, match=r"training MuData or False, got AnnData.*translate"):
            Butterfly.load(saved, adata=trained.original["rna"])
        with pytest.raises(ValueError, match=r"names 'atac' for 'atac_layer'.*\['rna'\]"):
            Butterfly.load(saved, adata=MuData({"rna": trained.original["rna"].copy()}))

    def test_data_that_are_no_counts(self, trained, saved):
        mdata = trained.original.copy()
        mdata["rna"].X = mdata["rna"].X.log1p()
        with pytest.raises(ValueError, match=r"^rna\.X holds .*not a whole number"):
            Butterfly.load(saved, adata=mdata)

    def test_data_lacking_features(self, trained, saved):
        mdata = trained.original.copy()
        mdata.mod["rna"] = mdata["rna"][:, 2:].copy()
        mdata.update()
        with pytest.raises(ValueError, match=r"lack 2 of the model's 18 'rna' features"):
            Butterfly.load(saved, adata=mdata)

    def test_training_goes_on(self, trained, saved, quick):
        loaded = Butterfly.load(saved, adata=trained.original.copy())
        loaded.train(**quick, split=trained.split)
        assert len(loaded.history["integrative_train_loss"]) == 5
        assert len(loaded.history["pretrain_rna_train_loss"]) == 2

    def test_training_needs_data(self, saved, quick):
        with pytest.raises(ValueError, match=r"loaded without data: load it with adata="):
            Butterfly.load(saved, adata=False).train(**quick)

    def test_untrained_model(self, mdata, quick, tmp_path):
        Butterfly.setup_mudata(mdata)
        Butterfly(mdata).save(tmp_path / "model")
        loaded = Butterfly.load(tmp_path / "model", adata=mdata)
        with pytest.raises(ValueError, match=r"not trained yet: call train\(\)"):
            loaded.translate(**OPTIONS)
        loaded.train(**quick, split=Split(range(40), range(40, 60)))
        assert loaded.translate(**OPTIONS).shape == (60, 36)

    @pytest.mark.parametrize("options", [
        {"preset": "scbutterfly"},
        {"gene_likelihood": "normal", "atac_target": "tfidf"},
        {"mask_rate": {"rna": 0.2}, "loss_weight": {"atac": 3.0}, "n_latent": 5},
        {"adversarial_weight": 0.0, "reduction": "mean"},
    ], ids=["published", "likelihoods", "settings", "architecture"])  # fmt: skip
    def test_every_choice_is_saved(self, mdata, quick, tmp_path, options):
        Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata, **options)
        model.train(**quick)
        model.save(tmp_path / "model")
        loaded = Butterfly.load(tmp_path / "model", adata=False)
        assert loaded.module.architecture == model.module.architecture
        for key, spec in model.specs.items():
            assert loaded.specs[key].settings == spec.settings
            assert loaded.specs[key].blocks == spec.blocks
        for source, target in (("rna", "atac"), ("atac", "rna")):
            given = {"source": source, "target": target, "depth": "predicted"}
            np.testing.assert_array_equal(
                loaded.translate(mdata[source], **given).X,
                model.translate(mdata[source], **given).X,
            )

    def test_all_buffers_come_back(self, with_protein, tmp_path):
        with_protein.model.save(tmp_path / "model")
        loaded = Butterfly.load(tmp_path / "model", adata=False)
        state = with_protein.model.module.state_dict()
        assert any("idf" in name for name in state)
        assert any("median_library" in name for name in state)
        for name, tensor in loaded.module.state_dict().items():
            assert torch.equal(tensor, state[name]), name
