"""Files stand under their name when they are complete, and never before."""

from __future__ import annotations

import resource
import zipfile
from contextlib import contextmanager

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from scvi_xmodal._aside import disk_errors, written_aside
from scvi_xmodal._plain import load_plain


@contextmanager
def _files_up_to(n_bytes):
    """Let the system refuse to write longer files, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _write_csv(path):
    pd.DataFrame(np.zeros((5000, 9))).to_csv(path)


def _write_torch(path):
    torch.save({"a": torch.zeros(50_000)}, path)


def _write_h5(path):
    with h5py.File(path, "w") as file:
        file["a"] = np.ones(50_000)


@pytest.mark.parametrize("write", [_write_csv, _write_torch, _write_h5])
@pytest.mark.parametrize("exists", [False, True])
def test_no_room(tmp_path, write, exists):
    path = tmp_path / "file.out"
    if exists:
        path.write_text("before")
    with pytest.raises(OSError, match=r"file\.out' was not written, .*MB are free in .*another"):
        with _files_up_to(20_000), written_aside(path) as aside:
            write(aside)
    assert [file.name for file in tmp_path.iterdir()] == (["file.out"] if exists else [])
    assert not exists or path.read_text() == "before"


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"was not written"), written_aside(tmp_path / "file/a") as a:
        a.write_text("")


def _fail(path, error):
    with written_aside(path) as aside:
        aside.mkdir()
        (aside / "part").write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError("mistake"), RuntimeError("other"), OSError("other")])
def test_other_errors_are_passed_on(tmp_path, error):
    with pytest.raises(type(error), match=f"^{error}$"):
        _fail(tmp_path / "a", error)
    assert not any(tmp_path.iterdir())


def test_folders_are_written_aside_too(tmp_path):
    with pytest.raises(OSError, match="No space"):
        _fail(tmp_path / "a.zarr", OSError(28, "No space left on device"))
    assert not any(tmp_path.iterdir())


def test_nothing_is_made_of_success(tmp_path):
    with disk_errors(tmp_path / "a"):
        pass


class TestLoadPlain:
    def test_plain_values(self, tmp_path):
        state = {"a": torch.ones(2), "b": [1, "x", None, {"c": 2.5, "d": (True, float("inf"))}]}
        torch.save(state, tmp_path / "a")
        loaded = load_plain(tmp_path / "a")
        assert torch.equal(loaded.pop("a"), state.pop("a"))
        assert loaded == state

    @pytest.mark.parametrize("legacy", [False, True])
    def test_code_is_not_run(self, tmp_path, legacy):
        class Evil:
            def __reduce__(self):
                return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

        torch.save({"a": Evil()}, tmp_path / "a", _use_new_zipfile_serialization=not legacy)
        with pytest.raises(ValueError, match="run code|no file of torch"):
            load_plain(tmp_path / "a")
        assert not (tmp_path / "ran").exists()

    def test_truncated(self, tmp_path):
        torch.save({"a": torch.ones(1000)}, tmp_path / "a")
        data = (tmp_path / "a").read_bytes()
        for size in (0, 10, 1000, len(data) - 1):
            (tmp_path / "a").write_bytes(data[:size])
            with pytest.raises(ValueError, match="truncated|failed"):
                load_plain(tmp_path / "a")

    def test_another_zip(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a", "w") as file:
            file.writestr("x", "y")
        with pytest.raises(ValueError, match="."):
            load_plain(tmp_path / "a")

    def test_no_dict(self, tmp_path):
        torch.save([1], tmp_path / "a")
        with pytest.raises(ValueError, match="it holds a list"):
            load_plain(tmp_path / "a")
