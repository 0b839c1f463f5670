"""Queries in any form against the counts they hold."""

from __future__ import annotations

import mudata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scvi_xmodal.data import pick_modality, read_query
from scvi_xmodal.data._query_cells import checked_rows
from scvi_xmodal.module import ModalitySpec


@pytest.fixture
def spec(small):
    """ATAC with its chromosomes interleaved, so that the network's order is another."""
    names = small["atac"].var_names[np.arange(12).reshape(3, 4).T.ravel()]
    return ModalitySpec.build("atac", "atac", names, small["atac"].var["chrom"][names])


@pytest.fixture
def expected(small, spec):
    """Counts in the network's order."""
    names = spec.feature_names[spec.order]
    return small["atac"][:, names].X.toarray()


def _read(query, spec, **kwargs):
    read = read_query(query, spec, **kwargs)
    return read.reader.rows(slice(None)).toarray(), read.obs


LAYOUTS = ("dense", "csr_matrix", "csc_matrix", "csr_array", "csc_array", "int64")


@pytest.mark.parametrize("layout", [*LAYOUTS, "h5ad_csr", "h5ad_dense", "zarr_csr"])
def test_counts_come_in_the_networks_order(small, spec, expected, as_layout, layout):
    query = small["atac"].copy()
    query = AnnData(as_layout(query.X.toarray(), layout), obs=query.obs, var=query.var)
    values, obs = _read(query, spec)
    np.testing.assert_array_equal(values, expected)
    pd.testing.assert_frame_equal(obs, query.obs)


def test_other_order_and_extra_features(small, spec, expected):
    atac = small["atac"]
    query = AnnData(
        sparse.hstack([np.ones((20, 1)), atac.X[:, ::-1], np.ones((20, 2))]).tocsr(),
        var=pd.DataFrame(index=["x", *atac.var_names[::-1], "y", "z"]),
    )
    np.testing.assert_array_equal(_read(query, spec)[0], expected)


@pytest.mark.parametrize(
    "indices",
    [[3, 1, 1], np.array([19]), np.arange(20) % 3 == 0, pd.Series([2, 5]), (4, 0)],
    ids=["repeated", "one", "mask", "series", "tuple"],
)
def test_indices(small, spec, expected, indices):
    values, obs = _read(small["atac"], spec, indices=indices)
    rows = np.arange(20)[np.asarray(indices)]
    np.testing.assert_array_equal(values, expected[rows])
    assert obs.index.tolist() == small.obs_names[rows].tolist()


def test_layer(small, spec, expected):
    query = small["atac"].copy()
    query.layers["counts"] = query.X.copy()
    query.X = query.X.copy()
    query.X.data[:] = 0.5
    np.testing.assert_array_equal(_read(query, spec, layer="counts")[0], expected)
    with pytest.raises(ValueError, match=r"query.X holds 0.5"):
        read_query(query, spec)
    with pytest.raises(
        ValueError,
        match=r"query.layers\['raw'\] does not exist.*\['counts'\].*in X; query\.X holds no co",
    ):
        read_query(query, spec, layer="raw")


def test_x_can_be_named_where_the_model_knows_a_layer(small, spec, expected):
    query = small["atac"].copy()
    with pytest.raises(
        ValueError,
        match=r"query\.layers\['counts'\] does not exist; the layers are \[\]\. The model was set "
        r"up with counts in layer 'counts'; query\.X holds counts too: layer='X' takes them",
    ):
        read_query(query, spec, setup_layer="counts")
    np.testing.assert_array_equal(_read(query, spec, layer="X", setup_layer="counts")[0], expected)
    query.layers["counts"] = query.X * 2
    np.testing.assert_array_equal(_read(query, spec, setup_layer="counts")[0], 2 * expected)
    np.testing.assert_array_equal(_read(query, spec, layer="X", setup_layer="counts")[0], expected)
    query.layers["X"] = query.X * 3
    np.testing.assert_array_equal(_read(query, spec, layer="X")[0], 3 * expected)
    with pytest.raises(ValueError, match=r"\['raw'\] does not exist.*in layer 'counts'"):
        read_query(query, spec, layer="raw", setup_layer="counts")


def test_an_empty_x_is_not_recommended(small, spec):
    query = AnnData(obs=small["atac"].obs, var=small["atac"].var)
    with pytest.raises(ValueError, match=r"query\.X holds no counts"):
        read_query(query, spec, setup_layer="counts")


def test_only_the_rows_asked_for_are_checked(small, spec):
    query = small["atac"].copy()
    query.X = query.X.toarray()
    query.X[7, 0] = -1
    read_query(query, spec, indices=[1, 2])
    with pytest.raises(ValueError, match="holds -1.0, a negative value"):
        read_query(query, spec, indices=[1, 7])


def test_columns_of_one_name_stay_two(small, spec):
    query = small["atac"].copy()
    query.obs = pd.DataFrame([["a", "b"]] * query.n_obs, query.obs_names, ["twice", "twice"])
    assert list(_read(query, spec)[1]) == ["twice", "twice"]


def test_the_query_is_not_changed(small, spec):
    query = small["atac"].copy()
    before = query.copy()
    read = read_query(query, spec)
    read.obs["new"] = 1
    read.reader.rows([0, 1]).data[:] = -1
    assert list(query.obs) == list(before.obs)
    assert (query.X != before.X).nnz == 0


class TestPick:
    def test_adata_is_itself(self, small, spec):
        assert pick_modality(small["rna"], spec) is small["rna"]

    def test_training_key_comes_first(self, small, spec):
        mdata = MuData({"a": small["rna"], "atac": small["atac"]})
        assert pick_modality(mdata, spec, modality="a") is mdata["a"]
        assert pick_modality(mdata, spec, modality="gone") is mdata["atac"]

    def test_found_by_kind(self, small, spec):
        mdata = MuData({"peaks": small["atac"]})
        assert pick_modality(mdata, spec) is mdata["peaks"]

    def test_not_there(self, small, spec):
        with pytest.raises(ValueError, match=r"no atac modality.*\['rna'\].*Rename"):
            pick_modality(MuData({"rna": small["rna"]}), spec)

    @pytest.mark.parametrize(
        "query", [np.ones((2, 2)), pd.DataFrame({"a": [1]}), {"atac": 1}, 3], ids=type
    )
    def test_what_is_no_annotated_data(self, query, spec):
        with pytest.raises(
            ValueError, match=f"must be an AnnData or a MuData, got {type(query).__name__}"
        ):
            pick_modality(query, spec)


class TestRefuse:
    def test_no_cells(self, small, spec):
        with pytest.raises(ValueError, match="The query has no cells"):
            read_query(small["atac"][:0].copy(), spec)

    def test_no_counts(self, small, spec):
        query = AnnData(obs=small["atac"].obs, var=small["atac"].var)
        with pytest.raises(ValueError, match=r"query.X is empty: the query needs counts"):
            read_query(query, spec)

    def test_mudata_is_named_in_the_message(self, small, spec):
        small["atac"].X.data[0] = 0.5
        with pytest.raises(ValueError, match=r"query\['atac'\].X holds 0.5"):
            read_query(small, spec)

    def test_repeated_names(self, small, spec):
        query = small["atac"].copy()
        query.var_names = ["x", "x", *query.var_names[2:]]
        with pytest.raises(ValueError, match=r"query's features are not unique.*\['x'\]"):
            read_query(query, spec)

    def test_the_other_modality(self, small, spec):
        rna = ModalitySpec.build("rna", "rna", small["rna"].var_names)
        with pytest.raises(ValueError, match="holds 'rna' features, but.*with source='rna'"):
            read_query(small["rna"], spec, other_specs=(rna,))

    def test_the_other_modality_by_its_feature_types(self, small, spec):
        rna = ModalitySpec.build("rna", "rna", ["other", "names"])
        query = small["rna"].copy()
        query.var["feature_types"] = "Gene Expression"
        with pytest.raises(ValueError, match="holds 'rna' features"):
            read_query(query, spec, other_specs=(rna,))

    def test_features_named_like_those_of_another_kind(self, small):
        antibodies = ModalitySpec.build("protein", "protein", small["rna"].var_names)
        query = small["rna"].copy()
        read_query(query, antibodies)
        query.var["feature_types"] = "Gene Expression"
        with pytest.raises(ValueError, match=r"source='protein' takes protein, but.* is rna"):
            read_query(query, antibodies)
        rna = ModalitySpec.build("rna", "rna", small["rna"].var_names)
        with pytest.raises(ValueError, match=r"holds 'rna' features \(var.*with source='rna'"):
            read_query(query, antibodies, other_specs=(rna,))


class TestOrder:
    """A MuData's order is the answer's, whatever its modality's own."""

    @pytest.fixture
    def mixed(self, small):
        # ATAC of cells 19 to 5, which the MuData has in the other direction
        return MuData({"rna": small["rna"].copy(), "atac": small["atac"][:4:-1].copy()})

    @pytest.mark.parametrize("backed", [False, True])
    def test_all_cells(self, mixed, small, spec, expected, backed, tmp_path):
        rows = small.obs_names.get_indexer(mixed.obs_names)
        rows = rows[np.isin(small.obs_names[rows], mixed["atac"].obs_names)]
        if backed:
            mixed.write(tmp_path / "mixed.h5mu")
            mixed = mudata.read_h5mu(tmp_path / "mixed.h5mu", backed="r")
        read = read_query(mixed, spec)
        assert read.n_obs == 15
        assert read.obs.index.tolist() == small.obs_names[rows].tolist()
        np.testing.assert_array_equal(read.reader.rows(slice(None)).toarray(), expected[rows])
        np.testing.assert_array_equal(read.reader.rows([14, 0]).toarray(), expected[rows[[14, 0]]])
        blocks = list(read.reader.blocks(size=4))
        assert [block.shape[0] for block in blocks] == [4, 4, 4, 3]
        np.testing.assert_array_equal(sparse.vstack(blocks).toarray(), expected[rows])

    def test_all_cells_are_all_rows(self, mixed, spec):
        values, obs = _read(mixed, spec)
        chosen, chosen_obs = _read(mixed, spec, indices=np.arange(mixed.n_obs))
        np.testing.assert_array_equal(values, chosen)
        assert obs.index.equals(chosen_obs.index)

    def test_a_modality_that_was_replaced_has_none(self, mixed, small, spec):
        mixed.mod["atac"] = small["atac"][:10].copy()
        with pytest.raises(ValueError, match=r"disagree about cells.*call mdata\.update"):
            read_query(mixed, spec)


class TestBatches:
    """Batches are read from where they were registered."""

    @pytest.fixture
    def query(self, small):
        for key, prefix in (("rna", "gex"), ("atac", "peaks")):
            small[key].obs["lane"] = [f"{prefix}_{number % 2}" for number in range(20)]
        small.obs["lane"] = [f"top_{number % 2}" for number in range(20)]
        return small

    @pytest.mark.parametrize(
        ("places", "first"),
        [((), "peaks_0"), ((None,), "top_0"), (("rna",), "gex_0"), (("gone", None), "top_0")],
    )
    def test_the_first_place(self, query, spec, places, first):
        obs = _read(query, spec, batch_key="lane", batch_places=places)[1]
        assert obs["lane"].iloc[0] == first
        alone = _read(query["atac"], spec, batch_key="lane", batch_places=places)[1]
        assert alone["lane"].iloc[0] == "peaks_0"

    def test_in_another_order(self, query, spec):
        cells = query["atac"][::-1].copy()
        mixed = MuData({"rna": query["rna"].copy(), "atac": cells})
        mixed.obs["lane"] = query.obs["lane"].reindex(mixed.obs_names)
        for place in (None, "rna"):
            obs = _read(mixed, spec, batch_key="lane", batch_places=(place,))[1]
            whole = query.obs if place is None else query["rna"].obs
            assert obs["lane"].tolist() == whole["lane"].loc[obs.index].tolist()

    def test_a_cell_that_it_lacks_is_told_of_by_the_next(self, query, spec):
        for part in (query["rna"], query["atac"]):
            part.obs["lane"] = part.obs["lane"].str[-1].astype(int)
        partly = MuData({"rna": query["rna"][:8].copy(), "atac": query["atac"].copy()})
        partly["atac"].obs["lane"] += 10
        obs = _read(partly, spec, batch_key="lane", batch_places=("rna",))[1]
        assert obs.loc[query.obs_names[6:10], "lane"].tolist() == [0, 1, 10, 11]

    @pytest.mark.filterwarnings("ignore")
    def test_repeated_names_keep_them(self, query, spec):
        parts = {key: query[key].copy() for key in ("rna", "atac")}
        for part in parts.values():
            del part.obs["lane"]
            part.obs_names = [f"cell_{number // 2}" for number in range(20)]
        twins = MuData({"rna": parts["rna"], "atac": parts["atac"][6:].copy()})
        twins.obs["lane"] = query.obs["lane"].to_numpy()
        expected = query.obs["lane"].tolist()[6:]
        assert _read(twins, spec, batch_key="lane")[1]["lane"].tolist() == expected
        some = _read(twins, spec, batch_key="lane", indices=[13, 12, 3])[1]
        assert some["lane"].tolist() == ["top_1", "top_0"]


def test_a_column_called_like_a_modality_is_kept(small, spec):
    small.obs["atac"], small.obs["rna:n"], small.obs["a:b"] = 1, 2, 3
    columns = _read(small, spec)[1].columns
    assert {"atac", "a:b"} <= set(columns)
    assert "rna:n" not in columns


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "indices are empty"),
        (np.zeros(5, bool), "indices are empty"),
        (np.ones(4, bool), r"mask indices has shape \(4,\), but there are 5 cells"),
        ([0, 5], "indices go from 0 to 5, but there are 5 cells"),
        ([-1], "indices go from -1 to -1"),
        ([0.5], "row numbers or a mask, got dtype float64"),
        (["cell_1"], "row numbers or a mask"),
    ],
)
def test_impossible_indices(indices, message):
    with pytest.raises(ValueError, match=message):
        checked_rows(indices, 5)


def test_a_mask_is_of_these_cells_in_their_order():
    mask = pd.Series([True, False, False], index=["a", "b", "c"])
    assert checked_rows(mask, 3, mask.index).tolist() == [0]
    assert checked_rows(mask.reset_index(drop=True), 3, mask.index).tolist() == [0]
    text = mask.set_axis(mask.index.astype("string"))
    assert checked_rows(text, 3, mask.index).tolist() == [0]
    with pytest.raises(
        ValueError, match=r"indices is a Series of other cells.*'a', 'b'.*'c', 'b'"
    ):
        checked_rows(mask, 3, mask.index[::-1])


def test_a_gene_is_no_antibody_of_its_name():
    """One table of a 10x file, in which scanpy makes names unique: the gene keeps the name."""
    spec = ModalitySpec.build("protein", "protein", ["CD4", "CD19"])
    query = AnnData(np.array([[7.0, 1.0, 2.0]]), var=pd.DataFrame(index=["CD4", "CD19", "CD4-1"]))
    query.var["feature_types"] = ["Gene Expression", "Antibody Capture", "Antibody Capture"]
    with pytest.raises(ValueError, match=r"lack 1 of the model's 2 'protein' .* \['CD4'\]"):
        read_query(query, spec)
    query.var_names = ["CD4", "CD19", "CD4"]
    np.testing.assert_array_equal(_read(query, spec)[0], [[2, 1]])


def test_genes_open_no_peaks(small, spec):
    """10x tells in ``interval`` where genes lie, too."""
    query = small["atac"].copy()
    query.var["interval"] = query.var_names
    query.var["feature_types"] = ["Gene Expression", *["Peaks"] * (query.n_vars - 1)]
    with pytest.raises(ValueError, match=r"1 of 12 features are \['Gene Expression'\]"):
        read_query(query, spec, repool=small["atac"].var)
