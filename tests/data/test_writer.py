"""A translation on disk is whole or not there."""

from __future__ import annotations

import resource
import shutil
from concurrent.futures import ThreadPoolExecutor

import anndata
import numpy as np
import pandas as pd
import pytest

from scvi_xmodal.data import TranslationWriter


def _write(path, *, n_bytes=None):
    """Write 200 cells in two blocks; the second meets a full disk after so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    block = np.random.default_rng(0).random((100, 50), dtype=np.float32)
    names = pd.DataFrame(index=[str(i) for i in range(200)])
    try:
        with TranslationWriter(path, (200, 50), rows_per_chunk=100) as writer:
            writer.append({"X": block})
            if n_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
            writer.append({"X": block})
            writer.finish(obs=names, var=names[:50], record={"source": "rna"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_gets_full(tmp_path):
    pytest.importorskip("zarr")
    path = tmp_path / "out.zarr"
    with pytest.raises(OSError, match=r"was not written, and nothing is left of it.*MB are free"):
        _write(path, n_bytes=1000)
    assert not any(tmp_path.iterdir())
    _write(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_disk_that_is_too_small(tmp_path, monkeypatch):
    """HDF5 may crash when a disk gets full under it, so room is looked for beforehand."""
    path = tmp_path / "out.h5ad"
    usage = shutil.disk_usage(tmp_path)._replace(free=39_999)  # 200 x 50 float32 are 40,000
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(OSError, match=r"out\.h5ad' was not written.*No space left.*0 MB are"):
            _write(path)
    assert not any(tmp_path.iterdir())
    _write(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


KINDS = {
    "mixed": ["a", 3],
    "lists": [["a"], ["b"]],
    "dates": pd.to_datetime(["2020", "2021"]),
    "masked": pd.array([1.0, None], dtype="Float64"),
    "mixed categories": pd.Categorical(["a", 3]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["obs", "var"])
def test_annotation_that_cannot_be_written_is_found_before_the_work(tmp_path, kind, where):
    frames = {
        name: pd.DataFrame({"fine": ["a", None]}, index=["x", "y"]) for name in ("obs", "var")
    }
    frames[where]["own name"] = KINDS[kind]
    with (
        pytest.raises(ValueError, match=rf"cannot write the {where} of(.|\n)*own name"),
        TranslationWriter(tmp_path / "out.h5ad", (2, 2), **frames),
    ):
        pytest.fail("the work has begun")
    assert not any(tmp_path.iterdir())


def test_repeated_columns_are_refused_before_the_work(tmp_path):
    obs = pd.DataFrame([["a", "b"], ["c", "d"]], columns=["twice", "twice"], index=["x", "y"])
    with (
        pytest.raises(ValueError, match=r"cannot write the obs of(.|\n)*twice"),
        TranslationWriter(tmp_path / "out.h5ad", (2, 2), obs=obs),
    ):
        pytest.fail("the work has begun")


@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_annotation_is_written_as_anndata_does(tmp_path, ending):
    if ending == "zarr":
        pytest.importorskip("zarr")
    obs = pd.DataFrame(
        {
            "text": ["a", "b"],
            "repeated": ["a", "a"],
            "missing": ["a", None],
            "number": [1, 2],
            "kind": pd.Categorical(["a", "b"]),
            "flag": pd.array([True, None], dtype="boolean"),
            "predicted_depth": ["to be", "replaced"],
        },
        index=["one", "two"],
    )
    before = obs.copy()
    var = pd.DataFrame({"note": [None, "x", None]}, index=list("xyz"))
    path = tmp_path / f"out.{ending}"
    with TranslationWriter(path, (2, 3), obs=obs, var=var) as writer:
        writer.append({"X": np.ones((2, 3), dtype=np.float32)})
        deep = obs.assign(predicted_depth=[1.5, 2.5])
        writer.finish(obs=deep, var=var, record={})
    pd.testing.assert_frame_equal(obs, before)
    expected = anndata.AnnData(np.ones((2, 3), dtype=np.float32), deep.copy(), var.copy())
    other = tmp_path / f"expected.{ending}"
    read = anndata.read_h5ad if ending == "h5ad" else anndata.read_zarr
    expected.write_h5ad(other) if ending == "h5ad" else expected.write_zarr(other)
    for name in ("obs", "var"):
        found = getattr(read(path), name)
        pd.testing.assert_frame_equal(found, getattr(read(other), name))


def test_many_are_written_at_once(tmp_path):
    obs = pd.DataFrame({"text": [f"cell {i}" for i in range(300)]}, index=map(str, range(300)))

    def write(i):
        with TranslationWriter(tmp_path / f"{i}.h5ad", (300, 2), obs=obs) as writer:
            writer.append({"X": np.zeros((300, 2), dtype=np.float32)})
            writer.finish(obs=obs, var=pd.DataFrame(index=["a", "b"]), record={})

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(8)))
    assert len(list(tmp_path.iterdir())) == 8
