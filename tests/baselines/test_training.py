from __future__ import annotations

import numpy as np
import pytest
from mudata import MuData

from scvi_xmodal.baselines import KNN, Mean, Ridge
from scvi_xmodal.baselines._training import read_training

NO_LAYERS = {"rna": None, "atac": None, "protein": None}


def _parts(mdata):
    return {key: adata.copy() for key, adata in mdata.mod.items()}


def test_reads_the_given_rows_and_their_statistics(mdata, train):
    training = read_training(mdata, train, NO_LAYERS)
    rows = np.sort(train)
    for kind, part in training.items():
        counts = mdata[kind].X[rows].toarray()
        np.testing.assert_array_equal(part.counts.toarray(), counts)
        library = counts.sum(axis=1)
        assert part.modality.statistics.median_library == np.median(library[library > 0])
        np.testing.assert_array_equal(part.modality.spec.position, np.arange(counts.shape[1]))


def test_modalities_may_hold_their_cells_in_another_order(mdata, train):
    parts = _parts(mdata)
    turned = MuData({**parts, "atac": parts["atac"][::-1].copy()})
    for kind, part in read_training(turned, train, NO_LAYERS).items():
        expected = mdata[kind][turned.obs_names[np.sort(train)]].X.toarray()
        np.testing.assert_array_equal(part.counts.toarray(), expected)


def test_cells_without_a_modality_are_refused_only_as_training_cells(mdata):
    parts = _parts(mdata)
    partial = MuData({**parts, "atac": parts["atac"][:30].copy()})
    Mean().fit(partial, indices=np.arange(30))
    with pytest.raises(ValueError, match="1 of the 31 training cells have no 'atac'.*cell30"):
        Mean().fit(partial, indices=np.arange(31))


def test_modalities_are_found_by_kind_and_counts_by_layer(mdata, train):
    parts = _parts(mdata)
    parts["rna"].layers["counts"] = parts["rna"].X.copy()
    parts["rna"].X = parts["rna"].X / 3
    renamed = MuData({"GEX": parts["rna"], "peaks": parts["atac"], "ADT": parts["protein"]})
    ours = KNN().fit(renamed, indices=train, rna_layer="counts")
    expected = KNN().fit(mdata, indices=train).translate(mdata, source="rna", target="atac")
    for query in (renamed, renamed["GEX"]):
        translated = ours.translate(query, source="rna", target="atac")
        np.testing.assert_array_equal(translated.X, expected.X)


@pytest.mark.parametrize("fmt", ["csr_array", "csc_matrix", "dense", "int32"])
def test_any_matrix_format_gives_the_same_and_is_left_alone(mdata, train, fmt):
    from scipy import sparse

    convert = {
        "csr_array": sparse.csr_array,
        "csc_matrix": sparse.csc_matrix,
        "dense": lambda matrix: matrix.toarray(),
        "int32": lambda matrix: matrix.astype(np.int32),
    }[fmt]
    parts = _parts(mdata)
    for adata in parts.values():
        adata.X = convert(adata.X)
    before = {key: adata.X.copy() for key, adata in parts.items()}
    other = MuData(parts)
    ours, expected = (
        Ridge(n_components=4).fit(data, indices=train).translate(data, source="rna", target="atac")
        for data in (other, mdata)
    )
    np.testing.assert_allclose(ours.X, expected.X, atol=1e-6)
    for key, matrix in before.items():
        assert type(other[key].X) is type(matrix)
        assert (other[key].X != matrix).sum() == 0


def test_bad_data_are_refused(mdata):
    parts = _parts(mdata)
    negative, halves = parts["rna"].copy(), parts["rna"].copy()
    negative.X = negative.X.toarray() - 1
    halves.X = halves.X / 2
    cases = [
        (parts["rna"], {}, "fitted on a MuData.*got AnnData"),
        (MuData({"rna": parts["rna"]}), {}, "takes two of the modalities"),
        (MuData({"rna": parts["rna"], "x": parts["atac"]}), {}, r"\['rna', 'x'\] only \['rna'\]"),
        (MuData({**parts, "rna": negative}), {}, "rna.X holds -1"),
        (MuData({**parts, "rna": halves}), {}, "not a whole number"),
        (mdata, {"rna_layer": "counts"}, r"rna.layers\['counts'\] does not exist"),
        (MuData({k: parts[k] for k in ("rna", "atac")}), {"protein_layer": "c"}, "no protein"),
        (mdata, {"indices": []}, "no cells to learn from"),
        (mdata, {"indices": [0, 70]}, "up to 70"),
        (mdata, {"indices": [0, -1]}, "-1"),
        (mdata, {"indices": [4, 4]}, "row 4 twice"),
        (mdata, {"indices": np.ones(69, dtype=bool)}, "mask indices has shape"),
    ]
    for data, options, message in cases:
        with pytest.raises(ValueError, match=message):
            Mean().fit(data, **options)
