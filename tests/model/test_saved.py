"""Models as plain values: everything comes back, and nothing in a file is run."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from scvi_xmodal.model import Butterfly, read_manifest
from scvi_xmodal.model._files import file_digest
from scvi_xmodal.model._saved import from_plain, to_plain

MANIFEST = "scvi_xmodal.json"


@pytest.fixture
def saved(trained, tmp_path):
    """A saved model that a test may spoil."""
    trained.model.save(tmp_path / "model")
    return tmp_path / "model"


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def _put(saved, write):
    """Replace model.pt and let the manifest agree, as somebody with bad intent would."""
    path = saved / "model.pt"
    write(path)
    manifest = json.loads((saved / MANIFEST).read_text())
    manifest["files"] = {"model.pt": file_digest(path)}
    (saved / MANIFEST).write_text(json.dumps(manifest))


class TestPlain:
    @pytest.mark.parametrize(
        "array",
        [
            np.array(["a", "b"], dtype=object),
            np.array(["a", None, 1, 2.5, True], dtype=object),
            np.array([], dtype=object),
            np.array(["a", "bcd"]),
            np.arange(6, dtype=np.int64).reshape(2, 3),
            np.array([1.5, np.nan], dtype=np.float32),
            np.array([True, False]),
            np.array([7, 9], dtype=np.uint8),
        ],
        ids=lambda array: f"{array.dtype}{array.shape}",
    )
    def test_arrays(self, array):
        back = from_plain(to_plain(array))
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)

    def test_nested_values_keep_their_types(self):
        value = {"a": [1, (2, "b")], 3: {"c": None, "d": np.int64(4)}, "e": float("inf")}
        assert from_plain(to_plain(value)) == value
        assert isinstance(from_plain(to_plain(value))["a"][1], tuple)
        assert type(to_plain(np.str_("x"))) is str

    def test_history(self):
        table = pd.DataFrame({"loss": [2.0, 1.0]}, index=pd.Index([0, 1], name="epoch"))
        pd.testing.assert_frame_equal(from_plain(to_plain({"x": table}))["x"], table)

    def test_what_has_no_plain_form(self):
        with pytest.raises(ValueError, match="A function cannot be saved"):
            to_plain({"a": to_plain})


class TestSaved:
    def test_attributes_come_back(self, trained, saved):
        loaded = Butterfly.load(saved, adata=False)
        assert loaded.history.keys() == trained.model.history.keys()
        for name, table in trained.model.history.items():
            pd.testing.assert_frame_equal(loaded.history[name], table)
        np.testing.assert_array_equal(loaded.train_indices, trained.model.train_indices)
        assert loaded.registry["setup_args"] == trained.model.registry["setup_args"]
        registry = Butterfly.load_registry(saved)
        assert registry["model_name"] == "Butterfly"

    def test_manifest_names_features_and_files(self, trained, saved):
        manifest = read_manifest(saved)
        assert {key: own["n"] for key, own in manifest["features"].items()} == {
            "rna": 18,
            "atac": 36,
        }
        assert manifest["files"] == {"model.pt": file_digest(saved / "model.pt")}

    def test_no_data_were_saved(self, saved):
        with pytest.warns(UserWarning, match="holds no data: the model is loaded without"):
            assert Butterfly.load(saved).adata is None

    def test_no_data_to_save(self, saved, tmp_path):
        loaded = Butterfly.load(saved, adata=False)
        with pytest.raises(ValueError, match="loaded without data"):
            loaded.save(tmp_path / "again", save_anndata=True)

    def test_a_file_stands_there(self, trained, tmp_path):
        (tmp_path / "model").write_text("")
        with pytest.raises(ValueError, match="is a file. Choose the name of a folder"):
            trained.model.save(tmp_path / "model", overwrite=True)


class TestSpoiled:
    @pytest.mark.parametrize("size", [0, 1000, -1])
    def test_truncated(self, saved, size):
        path = saved / "model.pt"
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(ValueError, match=r"not the file that was saved: it is truncated"):
            Butterfly.load(saved, adata=False)
        _put(saved, lambda path: None)
        with pytest.raises(ValueError, match=r"model\.pt' cannot be loaded.*Copy it again"):
            Butterfly.load(saved, adata=False)

    def test_missing(self, saved):
        (saved / "model.pt").unlink()
        with pytest.raises(ValueError, match=r"model\.pt' is missing: copy the whole folder"):
            Butterfly.load(saved, adata=False)

    @pytest.mark.parametrize(
        "state",
        [
            {"weights": 1},
            {"model_state_dict": {}, "attr_dict": {}},
            {"model_state_dict": {}, "attr_dict": []},
            [1, 2],
        ],
        ids=["keys", "no_registry", "list", "no_dict"],
    )
    def test_foreign(self, saved, state):
        _put(saved, lambda path: torch.save(state, path))
        with pytest.raises(ValueError, match=r"model\.pt' cannot be loaded"):
            Butterfly.load(saved, adata=False)

    @pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
    def test_code_is_not_run(self, saved, tmp_path, form):
        evil = {"model_state_dict": {}, "attr_dict": {"registry_": Evil(tmp_path / "ran")}}

        def write(path):
            if form == "pickle":
                path.write_bytes(pickle.dumps(evil))
            else:
                torch.save(evil, path, _use_new_zipfile_serialization=form == "zip")

        _put(saved, write)
        reason = "would run code from the file" if form == "zip" else "no file of torch.save"
        for load in (
            lambda: Butterfly.load(saved, adata=False),
            lambda: Butterfly.load_registry(saved),
        ):
            with pytest.raises(ValueError, match=reason):
                load()
        assert not (tmp_path / "ran").exists()

    def test_the_test_would_notice(self, tmp_path):
        torch.save({"a": Evil(tmp_path / "ran")}, tmp_path / "a")
        torch.load(tmp_path / "a", weights_only=False)
        assert (tmp_path / "ran").exists()


class TestOtherBatches:
    def test_unknown(self, batched, tmp_path):
        batched.model.save(tmp_path / "model")
        mdata = batched.original.copy()
        names = mdata.obs["batch"].astype(str)
        mdata.obs["batch"] = names.where(np.arange(names.size) > 0, "new").to_numpy()
        with pytest.raises(ValueError, match=r"hold \['new'\] in obs\['batch'\].*Leave those"):
            Butterfly.load(tmp_path / "model", adata=mdata)

    def test_numbers_and_text(self, simulate, quick, tmp_path):
        mdata = simulate()
        self._train(mdata, np.resize([1, 2], mdata.n_obs), quick, tmp_path / "model")
        mdata.obs["batch"] = mdata.obs["batch"].astype(str)
        with pytest.raises(ValueError, match=r"in type alone: obs\['batch'\]\.astype\(int\)\."):
            Butterfly.load(tmp_path / "model", adata=mdata)
        mdata.obs["batch"] = mdata.obs["batch"].astype(int)
        assert Butterfly.load(tmp_path / "model", adata=mdata).is_trained

    def test_truths_and_text(self, simulate, quick, tmp_path):
        mdata = simulate()
        self._train(mdata, np.resize([True, False], mdata.n_obs), quick, tmp_path / "model")
        mdata.obs["batch"] = mdata.obs["batch"].astype(str)
        with pytest.raises(ValueError, match=r"in type alone: obs\['batch'\] == 'True'\."):
            Butterfly.load(tmp_path / "model", adata=mdata)
        mdata.obs["batch"] = mdata.obs["batch"] == "True"
        assert Butterfly.load(tmp_path / "model", adata=mdata).is_trained

    @staticmethod
    def _train(mdata, batches, quick, path):
        mdata.obs["batch"] = batches
        Butterfly.setup_mudata(mdata, batch_key="batch")
        model = Butterfly(mdata, n_latent=4, n_embedding=8)
        model.train(**quick)
        model.save(path)
