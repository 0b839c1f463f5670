"""Every kind of file comes back as what was written."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData
from mudata import MuData

from scvi_xmodal.datasets import _read, read, synthetic

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:zarr v3")

WRITERS = {"h5ad": "write_h5ad", "zarr": "write_zarr", "h5mu": "write"}


@pytest.fixture(scope="module")
def mdata():
    return synthetic(n_cells=20, n_genes=5, n_peaks=8, atac_density=0.3)


@pytest.mark.parametrize("name", ["a.h5ad", "a.zarr", "m.h5mu", "m.zarr"])
def test_files_of_each_kind(mdata, tmp_path, name):
    whole = name.startswith("m")
    data = mdata if whole else mdata["rna"]
    getattr(data, WRITERS[name.partition(".")[2]])(tmp_path / name)
    found = read(tmp_path / name)
    assert isinstance(found, MuData if whole else AnnData)
    rna = found["rna"] if whole else found
    np.testing.assert_array_equal(rna.X.toarray(), mdata["rna"].X.toarray())


@pytest.mark.parametrize("ending", ["h5ad", "zarr", "h5mu"])
def test_big_files_stay_on_disk(mdata, tmp_path, monkeypatch, ending):
    monkeypatch.setattr(_read, "BACKED_ABOVE", 10)
    path = tmp_path / f"a.{ending}"
    data = mdata if ending == "h5mu" else mdata["rna"]
    getattr(data, WRITERS[ending])(path)

    def matrix(found):
        return (found["rna"] if ending == "h5mu" else found).X

    assert not hasattr(matrix(read(path)), "toarray")
    assert hasattr(matrix(read(path, backed=False)), "toarray")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        read(tmp_path / "none.h5ad")
    for name, message in (("x.csv", r"'\.csv'"), ("x.h5ad", "h5ad"), ("x.h5mu", "h5mu")):
        (tmp_path / name).write_text("text")
        with pytest.raises(ValueError, match=message):
            read(tmp_path / name)
    (tmp_path / "x.zarr").mkdir()
    with pytest.raises(ValueError, match="zarr"):
        read(tmp_path / "x.zarr")
