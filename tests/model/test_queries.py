"""The same cells give the same translation, however they are given."""

from __future__ import annotations

import re

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData, read_h5mu
from scipy import sparse

from scvi_xmodal import pp
from scvi_xmodal._layers import layer_names
from scvi_xmodal.baselines import Ridge
from scvi_xmodal.model import Butterfly

OTHER = {"rna": "atac", "atac": "rna"}
DIRECTIONS = [("rna", "atac"), ("atac", "rna"), ("rna", "rna"), ("atac", "atac")]


def _as(layout):
    def convert(adata, folder):
        query = adata.copy()
        query.X = layout(query.X)
        return query

    return convert


def _shuffled(adata, folder):
    return adata[:, np.random.default_rng(0).permutation(adata.n_vars)].copy()


def _with_extra(adata, folder):
    more = AnnData(
        sparse.random(adata.n_obs, 3, 0.5, format="csr", dtype=np.float32).ceil(),
        obs=adata.obs,
        var=pd.DataFrame(index=["extra_1", "extra_2", "extra_3"]),
    )
    joined = anndata.concat([more[:, :2], adata, more[:, 2:]], axis=1)
    joined.obs = adata.obs.copy()
    return joined[:, np.random.default_rng(1).permutation(joined.n_vars)].copy()


def _view(adata, folder):
    strangers = adata[:4].copy()
    strangers.obs_names = [f"stranger_{number}" for number in range(4)]
    larger = anndata.concat([strangers[:3], adata, strangers[3:]])
    return larger[3:-1]


def _written(layout):
    def write(adata, folder):
        path = folder / "query.h5ad"
        _as(layout)(adata, folder).write_h5ad(path)
        return path

    return write


def _backed(layout):
    def read(adata, folder):
        return anndata.read_h5ad(_written(layout)(adata, folder), backed="r")

    return read


def _zarr(adata, folder):
    adata.copy().write_zarr(folder / "query.zarr")
    return folder / "query.zarr"


QUERIES = {
    "csr_matrix": _as(sparse.csr_matrix),
    "csc_matrix": _as(sparse.csc_matrix),
    "csr_array": _as(sparse.csr_array),
    "csc_array": _as(sparse.csc_array),
    "dense": _as(lambda x: x.toarray()),
    "dense_fortran": _as(lambda x: np.asfortranarray(x.toarray())),
    "int64": _as(lambda x: x.astype(np.int64)),
    "float64": _as(lambda x: x.astype(np.float64)),
    "shuffled": _shuffled,
    "extra": _with_extra,
    "view": _view,
    "view_of_columns": lambda adata, folder: _with_extra(adata, folder)[:, adata.var_names],
    "backed_csr": _backed(sparse.csr_matrix),
    "backed_dense": _backed(lambda x: x.toarray()),
    "path_csr": _written(sparse.csr_matrix),
    "path_dense": _written(lambda x: x.toarray()),
    "path_text": lambda adata, folder: str(_written(sparse.csr_matrix)(adata, folder)),
    "path_zarr": _zarr,
}


def _mudata_with_garbage(mdata, source, folder):
    query = mdata.copy()
    query[OTHER[source]].X = query[OTHER[source]].X * -0.3
    return query


def _mudata_with_other_cells(mdata, source, folder):
    other = mdata[OTHER[source]][:7].copy()
    other.obs_names = [f"stranger_{number}" for number in range(7)]
    return MuData({OTHER[source]: other, source: mdata[source].copy()})


def _mudata_on_disk(mdata, source, folder):
    mdata.copy().write(folder / "query.h5mu")
    return read_h5mu(folder / "query.h5mu", backed="r")


MUDATA = {
    "copy": lambda mdata, source, folder: mdata.copy(),
    "lacking_target": lambda mdata, source, folder: MuData({source: mdata[source].copy()}),
    "view": lambda mdata, source, folder: mdata[:],
    "other_key": lambda mdata, source, folder: MuData(
        {{"rna": "gex", "atac": "peaks"}[source]: mdata[source].copy()}
    ),
    "garbage_target": _mudata_with_garbage,
    "other_cells_in_target": _mudata_with_other_cells,
    "backed": _mudata_on_disk,
}


@pytest.fixture(scope="session")
def expected(trained):
    """Translations and latents of the training data."""
    return {
        "translations": {
            (source, target): trained.model.translate(source=source, target=target)
            for source, target in DIRECTIONS
        },
        "latents": {
            key: trained.model.get_latent_representation(modality=key) for key in ("rna", "atac")
        },
    }


@pytest.fixture(scope="session")
def reloaded(trained, tmp_path_factory):
    """The model saved and loaded, without and with data."""
    path = tmp_path_factory.mktemp("saved") / "model"
    trained.model.save(path)
    return {
        "fresh": trained.model,
        "without_data": Butterfly.load(path, adata=False),
        "with_data": Butterfly.load(path, adata=trained.original.copy()),
    }


def _check(model, query, expected, source, n_obs=60):
    translated = model.translate(query, source=source, target=OTHER[source])
    wanted = expected["translations"][source, OTHER[source]]
    assert translated.shape == wanted.shape
    assert translated.var_names.equals(wanted.var_names)
    assert translated.X.dtype == np.float32
    np.testing.assert_allclose(translated.X, wanted.X, rtol=1e-5, atol=1e-6)
    for name in layer_names(wanted):
        layer = wanted.layers[name]
        np.testing.assert_allclose(translated.layers[name], layer, rtol=1e-5, atol=1e-6)
    latent = model.get_latent_representation(query, modality=source)
    np.testing.assert_allclose(latent, expected["latents"][source], rtol=1e-5, atol=1e-6)
    return translated


@pytest.mark.parametrize("source", ["rna", "atac"])
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_anndata_of_the_source_alone(trained, expected, tmp_path, source, query):
    adata = trained.original[source]
    translated = _check(trained.model, query(adata, tmp_path), expected, source)
    np.testing.assert_array_equal(translated.obs["cell_type"], adata.obs["cell_type"])


@pytest.mark.parametrize("source", ["rna", "atac"])
@pytest.mark.parametrize("query", MUDATA.values(), ids=MUDATA)
def test_mudata(trained, expected, tmp_path, source, query):
    _check(trained.model, query(trained.original, source, tmp_path), expected, source)


@pytest.mark.parametrize("source", ["rna", "atac"])
@pytest.mark.parametrize("how", ["without_data", "with_data"])
def test_a_loaded_model_gives_identical_values(trained, reloaded, how, source):
    query = trained.original[source]
    options = {"source": source, "target": OTHER[source]}
    before = trained.model.translate(query, **options)
    after = reloaded[how].translate(query, **options)
    np.testing.assert_array_equal(after.X, before.X)
    for name in layer_names(before):
        np.testing.assert_array_equal(after.layers[name], before.layers[name])
    pd.testing.assert_frame_equal(after.obs, before.obs)
    pd.testing.assert_frame_equal(after.var, before.var)
    assert after.uns["scvi_xmodal"] == before.uns["scvi_xmodal"]
    np.testing.assert_array_equal(
        reloaded[how].get_latent_representation(query, modality=source),
        trained.model.get_latent_representation(query, modality=source),
    )


def test_loaded_with_data_translates_its_own(reloaded, expected):
    _check(reloaded["with_data"], None, expected, "atac")


def test_loaded_without_data_asks_for_cells(reloaded):
    model = reloaded["without_data"]
    with pytest.raises(ValueError, match="loaded without data: give the cells to translate"):
        model.translate(source="rna", target="atac")
    with pytest.raises(ValueError, match="loaded without data: give the cells"):
        model.get_latent_representation(modality="rna")


@pytest.mark.parametrize("query", ["csc_array", "dense", "shuffled", "extra", "path_csr"])
def test_loaded_without_data_reads_all_forms(trained, reloaded, expected, tmp_path, query):
    query = QUERIES[query](trained.original["atac"], tmp_path)
    _check(reloaded["without_data"], query, expected, "atac")


@pytest.mark.parametrize(("source", "target"), DIRECTIONS)
def test_a_single_cell_comes_out_as_in_company(trained, expected, source, target):
    wanted = expected["translations"][source, target]
    for cell in (0, 31, 59):
        alone = trained.original[source][cell]
        result = trained.model.translate(alone, source=source, target=target)
        assert result.shape == (1, wanted.n_vars)
        np.testing.assert_allclose(result.X[0], wanted.X[cell], rtol=1e-5, atol=1e-6)
        latent = trained.model.get_latent_representation(alone, modality=source)
        np.testing.assert_allclose(latent[0], expected["latents"][source][cell], atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 59, 60, 1000, np.int64(13)])
@pytest.mark.parametrize("source", ["rna", "atac"])
def test_any_batch_size(trained, expected, source, batch_size):
    query, target = trained.original[source], OTHER[source]
    result = trained.model.translate(query, source=source, target=target, batch_size=batch_size)
    wanted = expected["translations"][source, target]
    np.testing.assert_allclose(result.X, wanted.X, rtol=1e-5, atol=1e-6)
    latent = trained.model.get_latent_representation(
        query, modality=source, batch_size=int(batch_size)
    )
    np.testing.assert_allclose(latent, expected["latents"][source], rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.parametrize(
    "indices",
    [[5, 0, 5], np.arange(60) % 7 == 0, np.array([59]), pd.Series([3, 4]), range(10)],
    ids=["repeated", "mask", "one", "series", "range"],
)
@pytest.mark.parametrize("given", [True, False], ids=["query", "training"])
def test_indices(trained, expected, indices, given):
    query = trained.original["atac"] if given else None
    rows = np.arange(60)[np.asarray(indices)]
    result = trained.model.translate(query, source="atac", target="rna", indices=indices)
    wanted = expected["translations"]["atac", "rna"]
    np.testing.assert_allclose(result.X, wanted.X[rows], rtol=1e-5, atol=1e-6)
    assert result.obs_names.tolist() == trained.original.obs_names[rows].tolist()
    latent = trained.model.get_latent_representation(query, modality="atac", indices=indices)
    np.testing.assert_allclose(latent, expected["latents"]["atac"][rows], atol=1e-6)


@pytest.mark.parametrize("how", ["translate", "latent", "familiarity", "baseline"])
@pytest.mark.parametrize("source", ["rna", "atac"])
def test_answers_stand_in_the_mudatas_order(trained, how, source):
    original, model = trained.original, trained.model
    mixed = MuData({"rna": original["rna"].copy(), "atac": original["atac"][::-1].copy()})
    baseline = Ridge(n_components=3).fit(original)

    def answer(query):
        if how == "familiarity":
            return model.familiarity(query, source=source)["familiarity"].to_numpy()
        if how == "latent":
            return model.get_latent_representation(query, modality=source)
        translator = model if how == "translate" else baseline
        return translator.translate(query, source=source, target=OTHER[source]).X

    rows = original.obs_names.get_indexer(mixed.obs_names)
    np.testing.assert_allclose(answer(mixed), answer(original)[rows], rtol=1e-5, atol=1e-6)


def test_batches_are_those_that_were_registered(batched):
    model, query = batched.model, batched.original.copy()
    wanted = model.translate(query, source="rna", target="atac")
    names = query.obs["batch"].unique().tolist()
    query["rna"].obs["batch"] = query.obs["batch"].map(dict(zip(names, names[::-1], strict=True)))
    query["atac"].obs["batch"] = "unknown"
    for source in ("rna", ("rna", "atac")):
        found = model.translate(query, source=source, target="atac")
        assert found.obs["batch"].tolist() == query.obs["batch"].tolist()
        if source == "rna":
            np.testing.assert_array_equal(found.X, wanted.X)
    other = model.translate(query["rna"], source="rna", target="atac")
    assert np.abs(other.X - wanted.X).max() > 1e-4
    np.testing.assert_array_equal(
        model.familiarity(query, source="rna"),
        model.familiarity(batched.original, source="rna"),
    )


def test_a_layer_of_the_query(trained, expected):
    query = trained.original["atac"].copy()
    query.layers["counts"] = query.X.copy()
    query.X = query.X.multiply(0.5).tocsr()
    result = trained.model.translate(query, source="atac", target="rna", layer="counts")
    wanted = expected["translations"]["atac", "rna"]
    np.testing.assert_allclose(result.X, wanted.X, rtol=1e-5, atol=1e-6)
    latent = trained.model.get_latent_representation(query, modality="atac", layer="counts")
    np.testing.assert_allclose(latent, expected["latents"]["atac"], atol=1e-6)


def test_the_layer_of_the_setup_is_the_querys(simulate, quick):
    plain, layered = simulate(), simulate()
    for key in ("rna", "atac"):
        layered[key].layers["counts"] = layered[key].X.copy()
        layered[key].X = layered[key].X.multiply(0.1).tocsr()
    Butterfly.setup_mudata(layered, rna_layer="counts", atac_layer="counts")
    model = Butterfly(layered)
    model.train(**quick)
    options = {"source": "rna", "target": "atac"}
    own = model.translate(**options)
    np.testing.assert_allclose(model.translate(layered, **options).X, own.X, rtol=1e-5)
    plain["rna"].layers["raw"] = plain["rna"].X
    result = model.translate(plain["rna"], **options, layer="raw")
    np.testing.assert_allclose(result.X, own.X, rtol=1e-5)
    with pytest.raises(ValueError, match=r"query.layers\['counts'\] does not exist.*\['raw'\]"):
        model.translate(plain["rna"], **options)


def test_latent_distribution(trained):
    query = trained.original["rna"]
    mean, variance = trained.model.get_latent_representation(
        query, modality="rna", return_dist=True
    )
    assert mean.shape == variance.shape == (60, 6)
    assert (variance > 0).all()
    np.testing.assert_array_equal(
        mean, trained.model.get_latent_representation(query, modality="rna")
    )


@pytest.mark.filterwarnings("ignore:.*have no count")
def test_cells_without_counts_give_numbers(trained):
    query = trained.original["rna"][:4].copy()
    query.X = sparse.csr_matrix(query.shape, dtype=np.float32)
    for depth in ("median", "predicted"):
        for target in ("rna", "atac"):
            result = trained.model.translate(query, source="rna", target=target, depth=depth)
            assert np.isfinite(result.X).all()
    assert np.isfinite(trained.model.get_latent_representation(query, modality="rna")).all()


def test_translating_uses_no_random_numbers(trained):
    import torch

    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    trained.model.translate(source="rna", target="atac")
    trained.model.get_latent_representation(modality="rna")
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize("query", [*QUERIES, *MUDATA])
def test_the_query_is_not_changed(trained, snapshot, tmp_path, query):
    if query in QUERIES:
        given = QUERIES[query](trained.original["atac"], tmp_path)
    else:
        given = MUDATA[query](trained.original, "atac", tmp_path)
    if not hasattr(given, "obs") or getattr(given, "isbacked", False):
        return  # files are opened for reading only
    before = snapshot(given)
    options = {"source": "atac", "target": "rna"}
    trained.model.translate(given, **options, depth="predicted")
    # rows of a MuData count all its cells, also those that the source lacks
    rows = given.obs_names.get_indexer(trained.original.obs_names[[3, 1]])
    trained.model.translate(given, **options, indices=rows if (rows >= 0).all() else [3, 1])
    trained.model.get_latent_representation(given, modality="atac")
    assert snapshot(given) == before


@pytest.mark.parametrize("separator", ["-", "_"])
def test_peaks_may_be_written_otherwise(trained, separator, tmp_path):
    atac, options = trained.original["atac"], {"source": "atac", "target": "rna"}
    query = atac[:, ::-1].copy()
    query.var_names = query.var_names.str.replace("[:-]", separator, regex=True)
    expected = trained.model.translate(atac, **options)
    np.testing.assert_allclose(trained.model.translate(query, **options).X, expected.X, rtol=1e-5)
    ridge = Ridge(n_components=5).fit(trained.original)
    np.testing.assert_allclose(
        ridge.translate(query, **options).X, ridge.translate(atac, **options).X, rtol=1e-5
    )
    trained.model.save(tmp_path / "model")
    mdata = MuData({"rna": trained.original["rna"].copy(), "atac": query})
    loaded = Butterfly.load(tmp_path / "model", adata=mdata)
    np.testing.assert_allclose(loaded.translate(**options).X, expected.X, rtol=1e-5)


def test_the_mend_of_missing_features_works(trained):
    query, options = trained.original["rna"][:, 3:].copy(), {"source": "rna", "target": "atac"}
    for model in (trained.model, Ridge(n_components=5).fit(trained.original)):
        with pytest.raises(ValueError, match="lack 3 of the model's 18") as caught:
            model.translate(query, **options)
        call = re.search(r"pp\.align_features\(.*?'zero'\)", str(caught.value))[0]
        with pytest.warns(UserWarning, match="lack 3 .*filled in with zeros"):
            mended = eval(call, {"pp": pp, "query": query, "model": model})
        assert model.translate(mended, **options).n_obs == 60


def test_translating_leaves_the_training_data_alone(trained, snapshot):
    before = snapshot(trained.mdata)
    result = trained.model.translate(source="rna", target="atac")
    result.obs["new"] = 1
    result.var["new"] = 1
    result.X[:] = 0
    trained.model.get_latent_representation(modality="atac")[:] = 0
    assert snapshot(trained.mdata) == before


def test_queries_are_not_kept_alive(trained):
    import gc
    import weakref

    query = trained.original["atac"].copy()
    alive = weakref.ref(query)
    trained.model.translate(query, source="atac", target="rna")
    trained.model.get_latent_representation(query, modality="atac")
    del query
    gc.collect()
    assert alive() is None


class TestRead:
    """A Query is of one modality in one order, and was chosen before."""

    def test_it_is_translated_as_the_cells_are(self, trained):
        query = trained.model._query(trained.mdata, "rna", None, [3, 5])
        found = trained.model.translate(query, source="rna", target="atac")
        expected = trained.model.translate(
            trained.mdata, source="rna", target="atac", indices=[3, 5]
        )
        np.testing.assert_array_equal(found.X, expected.X)

    @pytest.mark.parametrize("choice", [{"indices": [0]}, {"layer": "counts"}, {"repool": True}])
    def test_nothing_can_be_chosen_of_it(self, trained, choice):
        query = trained.model._query(trained.mdata, "rna", None, None)
        with pytest.raises(ValueError, match=rf"{next(iter(choice))}=.* has no effect on a Query"):
            trained.model.translate(query, source="rna", target="atac", **choice)

    def test_it_is_of_one_modality(self, trained):
        query = trained.model._query(trained.mdata, "rna", None, None)
        with pytest.raises(ValueError, match="was read as 'rna'"):
            trained.model.translate(query, source="atac", target="rna")
