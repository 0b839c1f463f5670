"""A translation on disk is whole or not there."""

from __future__ import annotations

import resource
import shutil

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


@pytest.mark.parametrize(
    "values",
    [["a", 3], ["a", 2.5], [["a"], ["b"]], [{"a": 1}, "b"]],
    ids=["integer", "float", "lists", "dicts"],
)
def test_annotation_that_cannot_be_written_is_found_before_the_work(tmp_path, values):
    obs = pd.DataFrame({"fine": ["a", None], "own name": values})
    with pytest.raises(ValueError, match=r"obs\['own name'\] holds values that AnnData cannot"):
        TranslationWriter(tmp_path / "out.h5ad", (2, 3), obs=obs)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_annotation_that_passes_can_be_written(tmp_path, ending):
    if ending == "zarr":
        pytest.importorskip("zarr")
    obs = pd.DataFrame(
        {
            "text": ["a", "b"],
            "missing": ["a", None],
            "number": [1, 2],
            "kind": pd.Categorical(["a", "b"]),
            "flag": pd.array([True, None], dtype="boolean"),
            "empty": pd.Series([], dtype=object).reindex([0, 1]),
            "truth": pd.Series([True, None], dtype=object),
        },
    )
    obs.index = ["one", "two"]
    with TranslationWriter(tmp_path / f"out.{ending}", (2, 3), obs=obs) as writer:
        writer.append({"X": np.ones((2, 3), dtype=np.float32)})
        writer.finish(obs=obs, var=pd.DataFrame(index=list("xyz")), record={})
    read = anndata.read_h5ad if ending == "h5ad" else anndata.read_zarr
    found = read(tmp_path / f"out.{ending}").obs
    assert found["missing"].iloc[0] == "a"
    assert found["truth"].iloc[0]
    assert found.isna().equals(obs.isna())
