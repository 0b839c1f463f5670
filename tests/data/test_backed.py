"""Data on disk give what data in memory give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from mudata import MuData
from scipy import sparse

from scvi_xmodal.baselines import Ridge
from scvi_xmodal.data import ChunkedPairs, Pairs, RowReader, TranslationWriter, open_backed
from scvi_xmodal.datasets import synthetic
from scvi_xmodal.metrics import evaluate_translation


@pytest.fixture(scope="module")
def mdata():
    return synthetic(n_cells=150, n_genes=20, n_peaks=40, atac_density=0.3, seed=3)


@pytest.fixture(scope="module")
def files(mdata, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    mdata["rna"].write_h5ad(folder / "rna.h5ad")
    mdata["atac"].write_zarr(folder / "atac.zarr")
    mdata.write(folder / "both.h5mu")
    return folder


def test_open_backed_leaves_counts_on_disk(files, mdata):
    for path, expected in (("rna.h5ad", mdata["rna"]), ("atac.zarr", mdata["atac"])):
        adata = open_backed(files / path)
        assert not sparse.issparse(adata.X)
        reader = RowReader(adata.X, n_features=adata.n_vars)
        assert reader.on_disk
        rows = np.array([7, 3, 3, 149, 8])
        np.testing.assert_array_equal(reader.rows(rows).toarray(), expected.X[rows].toarray())
    assert open_backed(files / "both.h5mu").n_obs == mdata.n_obs


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_a_translation_opened_on_disk_still_says_what_it_is(mdata, tmp_path, suffix):
    path = tmp_path / f"rna{suffix}"
    ridge = Ridge(n_components=4).fit(mdata)
    rna = ridge.translate(mdata["atac"], source="atac", target="rna")
    ridge.translate(mdata["atac"], source="atac", target="rna", out=path)
    opened = open_backed(path)
    assert opened.uns["scvi_xmodal"]["target_kind"] == "rna"
    pd.testing.assert_frame_equal(
        evaluate_translation(opened, mdata["rna"]), evaluate_translation(rna, mdata["rna"])
    )


@pytest.mark.parametrize("together", [True, False])
def test_a_sorted_file_is_shuffled_as_the_scaling_page_says(files, mdata, tmp_path, together):
    backed = open_backed(files / "both.h5mu")
    if not together:
        paths = {"rna": files / "rna.h5ad", "atac": files / "atac.zarr"}
        backed = MuData({key: open_backed(path) for key, path in paths.items()})
    order = np.random.default_rng(0).permutation(backed.n_obs)
    backed[order].write(tmp_path / "shuffled.h5mu")
    shuffled = open_backed(tmp_path / "shuffled.h5mu")
    for key in ("rna", "atac"):
        assert list(shuffled[key].obs_names) == list(mdata.obs_names[order])
        reader = RowReader(shuffled[key].X, n_features=mdata[key].n_vars)
        expected = mdata[key].X[order].toarray()
        np.testing.assert_array_equal(reader.rows(np.arange(order.size)).toarray(), expected)


def test_open_backed_explains_itself(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        open_backed(tmp_path / "none.h5ad")
    (tmp_path / "table.csv").write_text("a")
    with pytest.raises(ValueError, match=r"\.csv.*\.h5ad"):
        open_backed(tmp_path / "table.csv")


@pytest.mark.parametrize("ending", ["h5ad", "zarr"])
def test_counts_may_be_in_layers_alone(tmp_path, mdata, ending):
    atac = mdata["atac"].copy()
    atac.layers["counts"], atac.X = atac.X, None
    path = tmp_path / f"a.{ending}"
    getattr(atac, f"write_{ending}")(path)
    found = open_backed(path)
    assert found.X is None
    assert found.shape == atac.shape
    rows = found.layers["counts"][:3]
    np.testing.assert_array_equal(rows.toarray(), atac.layers["counts"][:3].toarray())


def test_a_mudata_in_zarr_is_told(tmp_path, mdata):
    mdata.write_zarr(tmp_path / "m.zarr")
    with pytest.raises(ValueError, match=r"it holds a MuData.*datasets\.read reads it"):
        open_backed(tmp_path / "m.zarr")


def test_csc_on_disk_is_refused(tmp_path, mdata):
    adata = mdata["rna"].copy()
    adata.X = adata.X.tocsc()
    adata.write_h5ad(tmp_path / "csc.h5ad")
    with pytest.raises(ValueError, match="CSC"):
        RowReader(open_backed(tmp_path / "csc.h5ad").X, n_features=20)


@pytest.mark.parametrize("batch_size", [7, 64, 149, 1000])
def test_chunks_visit_every_pair_once(files, mdata, batch_size, monkeypatch):
    import scvi_xmodal.data._chunks as chunks

    monkeypatch.setattr(chunks, "CHUNK", 5)
    monkeypatch.setattr(chunks, "N_CHUNKS", 4)
    opened = open_backed(files / "both.h5mu")
    readers = {key: RowReader(opened[key].X, n_features=opened[key].n_vars) for key in opened.mod}
    atac_rows = np.random.default_rng(0).permutation(150)
    pairs = Pairs({"rna": np.arange(150), "atac": atac_rows})
    batch = np.arange(150)
    loader = ChunkedPairs(
        readers, pairs, batch=dict.fromkeys(readers, batch), batch_size=batch_size, shuffle=True
    )
    batches = list(loader)
    assert len(batches) == len(loader)
    assert min(len(b["rna_batch"]) for b in batches) > 1
    seen = np.concatenate([b["rna_batch"] for b in batches])
    assert sorted(seen) == list(range(150))
    assert not (seen == np.arange(150)).all()
    for b in batches:  # values belong to the rows that the batch codes name
        np.testing.assert_array_equal(b["atac_batch"], atac_rows[b["rna_batch"]])
        expected = mdata["atac"].X[b["atac_batch"].numpy()].toarray()
        np.testing.assert_array_equal(b["atac"].to_dense().numpy(), expected)


def test_chunks_without_shuffling_keep_the_order(files):
    opened = open_backed(files / "rna.h5ad")
    readers = {"rna": RowReader(opened.X, n_features=opened.n_vars)}
    rows = np.array([9, 4, 100, 2])
    loader = ChunkedPairs(
        readers, Pairs({"rna": rows}), batch={"rna": np.arange(150)}, batch_size=3, shuffle=False
    )
    assert [b["rna_batch"].tolist() for b in loader] == [[9, 4, 100, 2]]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_writer_writes_all_or_nothing(tmp_path, mdata, suffix):
    import anndata

    path = tmp_path / f"out{suffix}"
    adata = mdata["rna"]
    dense = adata.X.toarray()
    annotation = {"obs": adata.obs, "var": adata.var, "record": {"source": "atac"}}

    def stop_halfway():
        with TranslationWriter(path, (150, 20)) as writer:
            writer.append({"X": dense[:10]})
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        stop_halfway()
    assert list(tmp_path.iterdir()) == []
    with TranslationWriter(path, (150, 20)) as writer:
        for start in range(0, 150, 40):
            writer.append({"X": dense[start : start + 40], "mean": dense[start : start + 40] * 2})
        writer.finish(**annotation)
    read = anndata.read_h5ad(path) if suffix == ".h5ad" else anndata.read_zarr(path)
    np.testing.assert_array_equal(read.X, dense)
    np.testing.assert_array_equal(read.layers["mean"], dense * 2)
    assert read.uns["scvi_xmodal"]["source"] == "atac"
    assert list(read.obs_names) == list(adata.obs_names)
    with pytest.raises(ValueError, match="already exists"):
        TranslationWriter(path, (150, 20))
    with pytest.raises(ValueError, match=r"\.h5ad or \.zarr"):
        TranslationWriter(tmp_path / "out.csv", (1, 1))


def test_training_from_disk_equals_training_in_memory(files, mdata):
    """Same minibatches, same losses: only where the rows come from differs."""
    import scvi

    from scvi_xmodal.model import Butterfly

    losses = []
    zarr_and_h5ad = MuData(
        {"rna": open_backed(files / "rna.h5ad"), "atac": open_backed(files / "atac.zarr")}
    )
    for data in (mdata.copy(), open_backed(files / "both.h5mu"), zarr_and_h5ad):
        scvi.settings.seed = 0
        Butterfly.setup_mudata(data)
        model = Butterfly(data, dropout_rate=0.0, mask_rate={"rna": 0.0, "atac": 0.0})
        # one minibatch holds all cells, so that the order within it does not matter
        model.train(
            max_epochs=3,
            pretrain_epochs=1,
            batch_size=1000,
            enable_progress_bar=False,
            datasplitter_kwargs={"shuffle_set_split": False},
        )
        history = model.history["integrative_reconstruction_loss_validation"]
        losses.append(history.to_numpy().ravel())
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-2)
    np.testing.assert_allclose(losses[2], losses[1], rtol=1e-6)


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_streamed_translation_equals_the_one_in_memory(files, mdata, tmp_path, suffix):
    import anndata

    from scvi_xmodal.model import Butterfly

    data = mdata.copy()
    Butterfly.setup_mudata(data)
    model = Butterfly(data)
    model.train(max_epochs=1, pretrain_epochs=0, enable_progress_bar=False)
    for source, target, query in (("rna", "atac", "rna.h5ad"), ("atac", "rna", "atac.zarr")):
        options = {"source": source, "target": target, "depth": "predicted"}
        direct = model.translate(mdata[source], **options)
        path = model.translate(
            files / query, **options, batch_size=37, out=tmp_path / f"{target}{suffix}"
        )
        read = anndata.read_h5ad(path) if suffix == ".h5ad" else anndata.read_zarr(path)
        np.testing.assert_allclose(read.X, direct.X, rtol=1e-5, atol=1e-6)
        assert set(read.layers) == set(direct.layers)
        np.testing.assert_allclose(
            read.obs["predicted_depth"], direct.obs["predicted_depth"], rtol=1e-5
        )
        some = list(direct.var_names[[5, 2]])
        few = model.translate(mdata[source], **options, features=some)
        np.testing.assert_allclose(few.X, direct[:, some].X, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="nogene"):
        model.translate(mdata["atac"], source="atac", target="rna", features=["nogene"])
