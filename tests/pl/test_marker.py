from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from scipy import sparse

from scvi_xmodal import pl


def _cells(n_cells=30):
    rng = np.random.default_rng(0)
    adata = AnnData(rng.gamma(1, size=(n_cells, 3)).astype(np.float32))
    adata.obs_names = [f"cell{i}" for i in range(n_cells)]
    adata.var_names = ["CD14", "LYZ", "CD3E"]
    adata.layers["mean"] = np.expm1(adata.X)
    adata.obsm["X_umap"] = rng.normal(size=(n_cells, 2))
    return adata


def _drawn(ax):
    (points,) = ax.collections
    offsets, values = np.asarray(points.get_offsets()), np.asarray(points.get_array())
    return offsets, values


def test_values_stand_at_their_cells_high_ones_on_top():
    cells = _cells()
    axes = pl.marker(cells, ["LYZ", "CD14"])
    assert [ax.get_title() for ax in axes] == ["LYZ", "CD14"]
    offsets, values = _drawn(axes[0])
    order = np.argsort(cells.X[:, 1])
    np.testing.assert_allclose(values, cells.X[order, 1])
    np.testing.assert_allclose(offsets, cells.obsm["X_umap"][order])
    assert axes[0].collections[0].get_rasterized()
    assert axes[0].get_xlabel() == "UMAP 1"
    high = axes[0].collections[0].get_clim()[1]
    assert high == pytest.approx(np.percentile(cells.X[:, 1], 99.5), rel=1e-5)


def test_the_embedding_may_be_of_the_cells_that_were_translated():
    cells, atac = _cells(), _cells()[::-1].copy()
    atac.obsm["X_tsne"] = atac.obsm["X_umap"] + 5
    del cells.obsm["X_umap"]
    (ax,) = pl.marker(cells, "CD14", embedding=atac, basis="X_tsne")
    expected = atac.obsm["X_tsne"][::-1][np.argsort(cells.X[:, 0])]
    np.testing.assert_allclose(_drawn(ax)[0], expected)
    assert ax.get_xlabel() == "t-SNE 1"
    (ax,) = pl.marker(cells, "CD14", embedding=np.ones((30, 2)))
    assert (_drawn(ax)[0] == 1).all()


def test_layers_sparse_values_axes_and_constants():
    cells = _cells()
    cells.X = sparse.csr_matrix(cells.X)
    _, given = plt.subplots()
    assert list(pl.marker(cells, "CD14", layer="mean", axes=given)) == [given]
    np.testing.assert_allclose(_drawn(given)[1].max(), cells.layers["mean"][:, 0].max())
    cells.X = np.zeros((30, 3), dtype=np.float32)
    (ax,) = pl.marker(cells, "CD14")
    assert ax.collections[0].get_clim() == (0, 1)


def test_users_mistakes_are_named():
    cells = _cells()
    other = cells[:5].copy()
    cases = [
        ({"features": "CD4"}, "no feature 'CD4'"),
        ({"features": []}, "No feature is named"),
        ({"layer": "raw"}, "no layer 'raw'"),
        ({"basis": "X_tsne"}, r"no obsm\['X_tsne'\]"),
        ({"embedding": other}, "lacks 25 of the prediction's 30 cells"),
        ({"embedding": other, "basis": "X_pca"}, r"embedding has no obsm\['X_pca'\]"),
        ({"embedding": np.ones((30, 1))}, r"\(30, 2\) is needed"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            pl.marker(cells, **{"features": "CD14", **options})


def test_places_of_a_table_are_of_these_cells_in_their_order():
    cells = _cells()
    table = pd.DataFrame(cells.obsm["X_umap"], index=cells.obs_names)
    assert len(pl.marker(cells, "CD14", embedding=table)) == 1
    with pytest.raises(ValueError, match="embedding is a DataFrame of .*in another order"):
        pl.marker(cells, "CD14", embedding=table[::-1])


def test_values_are_read_from_a_file_in_any_order(tmp_path):
    cells = _cells()
    names = [*cells.var_names[::-1], cells.var_names[0]]
    for layer in (None, "mean"):
        wanted = [_drawn(ax) for ax in pl.marker(cells, names, layer=layer)]
        cells.write_h5ad(tmp_path / f"{layer}.h5ad")
        stored = read_h5ad(tmp_path / f"{layer}.h5ad", backed="r")
        found = [_drawn(ax) for ax in pl.marker(stored, names, layer=layer)]
        for one, other in zip(wanted, found, strict=True):
            for first, second in zip(one, other, strict=True):
                np.testing.assert_array_equal(first, second)
        stored.file.close()


def test_cells_of_one_name_stand_in_their_order_or_are_refused():
    cells = _cells()
    cells.obs_names = ["same", *cells.obs_names[1:-1], "same"]
    embedding = cells.copy()
    del cells.obsm
    assert len(pl.marker(cells, "CD14", embedding=embedding)) == 1
    with pytest.raises(ValueError, match="'same' appears twice"):
        pl.marker(cells, "CD14", embedding=embedding[::-1])
