"""What the registry remembers of a matrix, and what it refuses."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse
from scvi.data import AnnDataManager

from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import CountsField, _fields, layer_name
from scvi_xmodal.data._fields import _plain_columns, chromosomes_of

LAYOUTS = ("csr_array", "csc_array", "csc_matrix", "dense", "h5ad_csr", "h5ad_dense")


def _atac(names, **columns):
    values = sparse.csr_matrix(np.ones((3, len(names)), dtype=np.float32))
    return AnnData(values, var=pd.DataFrame(columns, index=pd.Index(names)))


def _field(kind="atac", layer=None):
    return CountsField("counts", layer, kind, kind)


class TestChromosomes:
    def test_column_comes_first(self):
        adata = _atac(["chr1:1-2", "chr1:3-4"], chrom=pd.Categorical(["2", "X"]))
        assert chromosomes_of(adata).tolist() == ["2", "X"]

    def test_read_from_names(self):
        adata = _atac(["chr1:10-20", "chr2-10-20", "GL000194.1_10_20"])
        assert chromosomes_of(adata).tolist() == ["chr1", "chr2", "GL000194.1"]

    def test_unreadable_names_become_one_block_with_a_warning(self):
        adata = _atac(["chr1:10-20", "peak_b", "peak_c"])
        with pytest.warns(UserWarning, match=r"2 of 3 peaks.*'peak_b'.*annotate_peaks"):
            assert chromosomes_of(adata) is None


class TestRegister:
    def test_state_holds_names_blocks_and_plain_columns(self):
        adata = _atac(
            ["chr1:10-20", "chr2:10-20"],
            start=[10, 10],
            kept=[True, False],
            group=pd.Categorical(["a", "b"]),
            note=["x", None],
        )
        state = _field().register_field(adata)
        assert state["column_names"].tolist() == ["chr1:10-20", "chr2:10-20"]
        assert state["block_of"].tolist() == ["chr1", "chr2"]
        assert (state["kind"], state["modality"]) == ("atac", "atac")
        assert list(state["var"]) == ["start", "kept", "group", "note"]
        assert state["var"]["start"].tolist() == [10, 10]
        assert state["var"]["kept"].tolist() == [True, False]
        assert state["var"]["group"].tolist() == ["a", "b"]

    def test_genes_have_no_blocks(self):
        assert _field("rna").register_field(_atac(["a", "b"]))["block_of"] is None

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_any_layout_is_accepted_as_it_is(self, counts, as_layout, layout):
        values = counts + 1
        matrix = as_layout(values, layout)
        adata = AnnData(matrix)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            _field("rna").register_field(adata)
        assert type(adata.X) is type(AnnData(matrix).X)
        kept = adata.X[:]
        kept = kept.toarray() if sparse.issparse(kept) else kept
        np.testing.assert_array_equal(kept, values)

    def test_counts_are_checked_once(self, monkeypatch):
        names = []
        monkeypatch.setattr(_fields, "check_counts", lambda matrix, *, name: names.append(name))
        _field("rna").register_field(_atac(["a", "b"]))
        assert names == ["rna.X"]


class TestRefuse:
    def test_missing_layer(self):
        adata = _atac(["a", "b"])
        adata.layers["raw"] = adata.X
        with pytest.raises(ValueError, match=r"rna.layers\['counts'\] does not exist.*\['raw'\]"):
            _field("rna", "counts").register_field(adata)

    @pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
    def test_no_cells_or_features(self, shape):
        with pytest.raises(ValueError, match=r"rna.X has shape .*nothing to train on"):
            _field("rna").register_field(AnnData(sparse.csr_matrix(shape)))

    @pytest.mark.filterwarnings("ignore:Variable names are not unique")
    def test_repeated_names(self):
        with pytest.raises(ValueError, match=r"features of 'rna' are not unique.*\['a'\]"):
            _field("rna").register_field(_atac(["a", "b", "a"]))

    def test_one_fraction_in_a_layer(self):
        adata = _atac(["a", "b"])
        adata.layers["counts"] = adata.X.copy()
        adata.layers["counts"].data[-1] = 2.5
        with pytest.raises(ValueError, match=r"rna.layers\['counts'\] holds 2.5"):
            _field("rna", "counts").register_field(adata)


class TestWarn:
    def test_empty_cells_and_features(self, counts):
        adata = AnnData(sparse.csr_matrix(counts))
        with (
            pytest.warns(UserWarning, match="1 of 13 cells of 'rna' have no counts"),
            pytest.warns(UserWarning, match="1 of 7 features of 'rna' have no counts"),
        ):
            _field("rna").register_field(adata)


class TestTransfer:
    names = ("chr1:10-20", "chr1:30-40", "chr2:10-20")

    def _state(self):
        adata = _atac(self.names)
        manager = AnnDataManager(fields=[_field()])
        manager.register_fields(adata)
        return _field().register_field(adata)

    def test_another_order_keeps_the_models(self):
        state = self._state()
        other = _atac([self.names[2], "extra", self.names[0], self.names[1]])[:2].copy()
        moved = _field().transfer_field(state, other)
        assert moved["column_names"].tolist() == list(self.names)
        assert moved["n_obs"] == 2

    def test_missing_features_are_named(self):
        with pytest.raises(ValueError, match=r"lack 1 of the model's 3 'atac'.*chr1:30-40"):
            _field().transfer_field(self._state(), _atac([self.names[0], self.names[2]]))


def test_layer_names_leave_x_out():
    adata = _atac(["a", "b"])
    assert layer_names(adata) == []
    adata.layers["counts"] = adata.X
    assert layer_names(adata) == ["counts"]


def test_layer_name():
    assert layer_name("rna", None) == "rna.X"
    assert layer_name("rna", "counts") == "rna.layers['counts']"


def test_gaps_in_text_stay_gaps():
    adata = _atac(["chr1:1-2", "chr1:3-4", "chr2:1-2"])
    adata.var["gene"] = ["a", None, np.nan]
    adata.var["start"] = [1.0, np.nan, 3.0]
    columns = _plain_columns(adata.var)
    assert columns["gene"].tolist() == ["a", None, None]
    np.testing.assert_array_equal(columns["start"], [1.0, np.nan, 3.0])
