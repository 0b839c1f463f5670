"""10x files come back as what was written into them."""

from __future__ import annotations

import gzip

import h5py
import numpy as np
import pytest
from scipy import io, sparse

from scvi_xmodal.datasets import read, read_10x
from scvi_xmodal.datasets._tenx import is_10x

TYPES = ["Gene Expression"] * 3 + ["Peaks"] * 2 + ["Antibody Capture", "CRISPR Guide Capture"]
NAMES = ["CD4", "CD4", "LYZ", "chr1:10-20", "KI270713.1:5-9", "CD4", "guide"]
IDS = ["ENSG1", "ENSG2", "ENSG3", "chr1:10-20", "KI270713.1:5-9", "CD4_TotalSeqB", "guide_1"]


@pytest.fixture
def counts(rng):
    return rng.poisson(1.0, size=(6, len(NAMES)))


def _write_h5(path, counts, types, names, ids, genomes=None):
    """Write Cell Ranger's layout, version 3: features x cells, CSC."""
    genomes = ["GRCh38"] * len(ids) if genomes is None else genomes
    matrix = sparse.csr_matrix(counts)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["shape"] = counts.shape[::-1]
        group["data"] = matrix.data.astype("int32")
        group["indices"], group["indptr"] = matrix.indices, matrix.indptr
        group["barcodes"] = np.array([f"cell{i}-1" for i in range(len(counts))], dtype="S")
        features = group.create_group("features")
        features["id"], features["name"] = np.array(ids, dtype="S"), np.array(names, dtype="S")
        features["feature_type"] = np.array(types, dtype="S")
        features["genome"] = np.array(genomes, dtype="S")
    return path


def _gzip(path, text):
    with gzip.open(path, "wt") as file:
        file.write(text)


@pytest.fixture(params=["h5", "folder", "prefixed folder"])
def path(request, counts, tmp_path):
    if request.param == "h5":
        return _write_h5(tmp_path / "matrix.h5", counts, TYPES, NAMES, IDS)
    prefix = tmp_path / ("sample_" if "prefixed" in request.param else "")
    start = str(prefix) if "prefixed" in request.param else f"{prefix}/"
    with gzip.open(f"{start}matrix.mtx.gz", "wb") as file:
        io.mmwrite(file, sparse.coo_matrix(counts.T))
    rows = zip(IDS, NAMES, TYPES, strict=True)
    _gzip(f"{start}features.tsv.gz", "\n".join("\t".join(row) for row in rows))
    _gzip(f"{start}barcodes.tsv.gz", "\n".join(f"cell{i}-1" for i in range(6)))
    return tmp_path


def test_all_modalities_names_and_places_are_read(path, counts):
    assert is_10x(path)
    with pytest.warns(UserWarning, match="'rna' appear") as caught:
        mdata = read_10x(path)
    own = [w for w in caught if issubclass(w.category, UserWarning)]
    assert {warning.filename for warning in own} == {__file__}
    messages = [str(warning.message) for warning in caught]
    assert sum("'rna' appear more than once" in text for text in messages) == 1
    assert sum("CRISPR Guide Capture" in text for text in messages) == 1
    assert list(mdata.mod) == ["rna", "atac", "protein"]
    for key, columns in (("rna", [0, 1, 2]), ("atac", [3, 4]), ("protein", [5])):
        np.testing.assert_array_equal(mdata[key].X.toarray(), counts[:, columns])
        assert mdata[key].X.format == "csr"
    assert list(mdata["rna"].var_names) == ["CD4", "CD4-1", "LYZ"]
    assert list(mdata["rna"].var["gene_ids"]) == IDS[:3]
    assert list(mdata["protein"].var_names) == ["CD4"]
    assert mdata["atac"].var["chrom"].tolist() == ["chr1", "KI270713.1"]
    assert mdata["atac"].var["start"].tolist() == [10, 5]
    assert mdata.obs_names[0] == "cell0-1"


def test_what_was_read_can_be_set_up(counts, tmp_path):
    from scvi_xmodal.model import Butterfly

    kept = [0, 2, 3, 4]
    parts = ([values[i] for i in kept] for values in (TYPES, NAMES, IDS))
    mdata = read_10x(_write_h5(tmp_path / "x.h5", counts[:, kept], *parts))
    Butterfly.setup_mudata(mdata)
    assert set(Butterfly(mdata).specs["atac"].feature_names) == set(NAMES[3:5])


def test_wrong_files_are_named(tmp_path, counts):
    with pytest.raises(ValueError, match="does not exist"):
        read_10x(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("no hdf5")
    with pytest.raises(ValueError, match="is no 10x matrix"):
        read_10x(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["matrix/x"] = 1
    with pytest.raises(ValueError, match="is no 10x matrix"):
        read_10x(tmp_path / "other.h5")
    (tmp_path / "empty").mkdir()
    assert not is_10x(tmp_path / "empty")
    with pytest.raises(ValueError, match="is no 10x matrix"):
        read_10x(tmp_path / "empty")
    only_rna = _write_h5(tmp_path / "rna.h5", counts[:, :1], TYPES[:1], NAMES[:1], IDS[:1])
    with pytest.raises(ValueError, match="two modalities are needed"):
        read_10x(only_rna)


def test_another_genome_is_refused(tmp_path, counts):
    path = _write_h5(tmp_path / "x.h5", counts, TYPES, NAMES, IDS)
    with pytest.raises(ValueError, match="mm10"):
        read_10x(path, genome="mm10")


def test_of_several_genomes_one_is_kept_and_its_antibodies(tmp_path, counts):
    genomes = ["GRCh38", "mm10", "GRCh38", "GRCh38", "mm10", "", ""]  # as Cell Ranger writes
    path = _write_h5(tmp_path / "x.h5", counts, TYPES, NAMES, IDS, genomes)
    with pytest.warns(UserWarning, match="left out"):
        mdata = read_10x(path, genome="GRCh38")
    assert {key: list(adata.var["gene_ids"]) for key, adata in mdata.mod.items()} == {
        "rna": ["ENSG1", "ENSG3"],
        "atac": ["chr1:10-20"],
        "protein": ["CD4_TotalSeqB"],
    }
    np.testing.assert_array_equal(mdata["rna"].X.toarray(), counts[:, [0, 2]])


def test_a_folder_knows_no_genomes(tmp_path):
    (tmp_path / "matrix.mtx.gz").touch()
    with pytest.raises(ValueError, match="genome='mm10'.* do not say which genome"):
        read_10x(tmp_path, genome="mm10")


def test_one_modality_is_a_query_and_no_training_data(counts, tmp_path):
    path = _write_h5(tmp_path / "x.h5", counts[:, 3:5], TYPES[3:5], NAMES[3:5], IDS[3:5])
    with pytest.raises(ValueError, match="two modalities are needed"):
        read_10x(path)
    found = read(path)
    assert list(found.mod) == ["atac"]
    assert found["atac"].var["start"].tolist() == [10, 5]
    np.testing.assert_array_equal(found["atac"].X.toarray(), counts[:, 3:5])


def test_a_folder_of_several_samples_is_refused(tmp_path):
    """As GEO hands out supplementary files."""
    for name in ("GSM2_matrix.mtx.gz", "GSM1_matrix.mtx.gz"):
        (tmp_path / name).touch()
    for function in (read_10x, read):
        with pytest.raises(ValueError, match=r"2 matrices, named \['GSM1_', 'GSM2_'\]"):
            function(tmp_path)
