import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from matplotlib.colors import to_hex
from mudata import MuData
from scipy import sparse

from scvi_xmodal import pl

TYPES = ["B", "T", "NK"]


def _counts(n_cells=30, n_features=12, seed=0):
    rng = np.random.default_rng(seed)
    obs = pd.DataFrame(
        {"cell_type": pd.Categorical(rng.choice(TYPES, n_cells), categories=TYPES)},
        index=[f"cell{i}" for i in range(n_cells)],
    )
    counts = sparse.csr_matrix(rng.poisson(1.0, (n_cells, n_features)).astype(np.float32))
    return AnnData(counts, obs=obs)


def _translated(cells, *, kind="rna", source="atac", seed=1):
    values = np.random.default_rng(seed).normal(size=cells.shape).astype(np.float32)
    record = {"source": source, "target": kind, "target_kind": kind}
    return AnnData(values, obs=cells.obs.copy(), uns={"scvi_xmodal": record})


def _placed(*sides):
    for number, side in enumerate(sides):
        rng = np.random.default_rng(number)
        side.obsm["X_umap"] = rng.normal(size=(side.n_obs, 2)).astype(np.float32)
    return sides


def _drawn(ax):
    """Return the colour of each point by its position."""
    (points,) = ax.collections
    colors = [to_hex(color) for color in points.get_facecolors()]
    return {tuple(xy): c for xy, c in zip(points.get_offsets().tolist(), colors, strict=True)}


def _color_of_labels(ax, side, labels):
    drawn = _drawn(ax)
    own = {}
    for xy, label in zip(side.obsm["X_umap"].astype(float).tolist(), labels, strict=True):
        own.setdefault(label, set()).add(drawn[tuple(xy)])
    return {label: color for label, (color,) in own.items()}


def test_both_panels_color_each_label_alike_and_share_a_legend():
    measured, translated = _placed(_counts(), _translated(_counts()))
    axes = pl.translation_umap(measured, translated, color="cell_type")
    first = _color_of_labels(axes[0], measured, measured.obs["cell_type"])
    second = _color_of_labels(axes[1], translated, translated.obs["cell_type"])
    assert first == second
    assert len(set(first.values())) == len(TYPES)
    assert axes[0].get_legend() is None
    legend = axes[1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == TYPES
    handles = {h.get_label(): to_hex(h.get_color()) for h in legend.legend_handles}
    assert handles == first


def test_axes_say_what_they_show():
    measured, translated = _placed(_counts(), _translated(_counts()))
    axes = pl.translation_umap(measured, translated, color="cell_type")
    assert axes.shape == (2,)
    assert [ax.get_title() for ax in axes] == ["RNA measured", "RNA translated from ATAC"]
    assert [ax.get_xlabel() for ax in axes] == ["UMAP 1"] * 2
    assert all(len(ax.get_xticks()) == len(ax.get_yticks()) == 0 for ax in axes)


def test_several_sources_are_called_as_one_is():
    cells = _placed(_counts(), _translated(_counts(), kind="protein", source="rna+atac"))
    axes = pl.translation_umap(*cells, color="cell_type")
    assert axes[1].get_title() == "protein translated from RNA+ATAC"


def test_given_axes_are_used_and_the_legend_can_be_left_out():
    measured, translated = _placed(_counts(), _translated(_counts()))
    figure, given = plt.subplots(1, 2)
    axes = pl.translation_umap(measured, translated, color="cell_type", axes=given, legend=False)
    assert list(axes) == list(given)
    assert plt.get_fignums() == [figure.number]
    assert given[1].get_legend() is None
    with pytest.raises(ValueError, match="1 axes were given for 2 panels"):
        pl.translation_umap(measured, translated, color="cell_type", axes=given[0])


def test_cells_without_a_label_are_grey_and_beneath():
    measured, translated = _placed(_counts(), _translated(_counts()))
    measured.obs.loc["cell3", "cell_type"] = np.nan
    axes = pl.translation_umap(measured, translated, color="cell_type")
    colors = [to_hex(c) for c in axes[0].collections[0].get_facecolors()]
    assert colors[0] == "#cccccc"
    assert colors.count("#cccccc") == 1
    assert axes[1].get_legend().get_texts()[-1].get_text() == "no label"


def test_labels_come_from_the_other_side_by_cell_name():
    measured, translated = _placed(_counts(), _translated(_counts()))
    labels = measured.obs.pop("cell_type")
    shuffled = translated[::-1].copy()
    axes = pl.translation_umap(measured, shuffled, color="cell_type")
    first = _color_of_labels(axes[0], measured, labels)
    assert first == _color_of_labels(axes[1], shuffled, shuffled.obs["cell_type"])


@pytest.mark.parametrize("place", ["whole", "modality", "other modality"])
def test_labels_of_a_mudata_follow_the_cells_of_the_modality(place):
    atac = _counts()
    labels = atac.obs.pop("cell_type")
    cells = {"rna": _counts()[:25], "atac": atac[::-1][:27]}
    mdata = MuData({key: adata.copy() for key, adata in cells.items()})
    del mdata["rna"].obs["cell_type"]
    placed = {"whole": mdata, "modality": mdata["atac"], "other modality": mdata["rna"]}[place]
    placed.obs["type"] = labels.reindex(placed.obs_names)
    measured, translated = _placed(mdata["atac"], _translated(atac, kind="atac", source="rna"))

    palette = {"B": "r", "T": "g", "NK": "b"}
    axes = pl.translation_umap(mdata, translated, color="type", palette=palette)
    for ax, side in zip(axes, (measured, translated), strict=True):
        drawn = _drawn(ax)
        known = labels.reindex(placed.obs_names).reindex(side.obs_names)
        spots = side.obsm["X_umap"].astype(float).tolist()
        for xy, label in zip(spots, known, strict=True):
            wanted = "#cccccc" if pd.isna(label) else to_hex(palette[label])
            assert drawn[tuple(xy)] == wanted


def test_whole_numbers_stay_so_where_cells_lack_one():
    measured, translated = _placed(_counts(), _translated(_counts()))
    measured.obs["batch"] = np.arange(30) % 11
    axes = pl.translation_umap(measured[:28].copy(), translated, color="batch")
    shown = [text.get_text() for text in axes[1].get_legend().get_texts()]
    assert shown == [*map(str, range(11)), "no label"]


def test_cells_of_one_name_are_refused_where_labels_go_by_name():
    measured, translated = _placed(_counts(), _translated(_counts()))
    translated.obs_names = ["cell0", *translated.obs_names[:-1]]
    del measured.obs["cell_type"]
    with pytest.raises(ValueError, match="'cell0' appears twice"):
        pl.translation_umap(measured, translated, color="cell_type")


def test_panels_keep_their_size_beside_a_large_legend():
    measured, translated = _placed(_counts(60), _translated(_counts(60)))
    measured.obs["type"] = [f"a cell type of a long name, number {i}" for i in range(60)]
    axes = pl.translation_umap(measured, translated, color="type")
    figure = axes[0].figure
    figure.draw_without_rendering()
    for ax in axes:
        assert ax.get_window_extent().width / figure.dpi > 3.5
    legend = axes[1].get_legend().get_window_extent()
    assert legend.x1 <= figure.bbox.x1 + 1
    assert not axes[0].title.get_window_extent().overlaps(axes[1].title.get_window_extent())


def test_points_shrink_and_are_rasterized():
    sizes = []
    for n_cells in (30, 2000, 100_000):
        measured, translated = _placed(_counts(n_cells, 1), _translated(_counts(n_cells, 1)))
        axes = pl.translation_umap(measured, translated, color="cell_type")
        (points,) = axes[0].collections
        assert points.get_rasterized()
        sizes.append(points.get_sizes().item())
    assert sizes[0] > sizes[1] > sizes[2] > 0


@pytest.mark.parametrize("kind", ["rna", "atac", "protein"])
def test_umap_is_computed_from_counts_without_changing_them(kind):
    cells = _counts(40)
    translated = _translated(cells, kind=kind, source="rna")
    mdata = MuData({"other": _counts(40), kind: cells})
    before = cells.X.toarray()
    axes = pl.translation_umap(mdata, translated, color="cell_type")
    for ax in axes:
        xy = np.asarray(ax.collections[0].get_offsets())
        assert xy.shape == (40, 2)
        assert np.isfinite(xy).all()
    np.testing.assert_array_equal(mdata[kind].X.toarray(), before)
    assert not mdata[kind].obsm
    assert not translated.obsm


@pytest.mark.parametrize("shape", [(40, 12), (5, 1), (6, 2)])
def test_tsne_pairs(shape):
    cells = _counts(*shape)
    translated = _translated(cells)
    axes = pl.translation_umap(cells, translated, color="cell_type", basis="tsne")
    for ax in axes:
        assert np.isfinite(np.asarray(ax.collections[0].get_offsets())).all()
        assert ax.get_xlabel() == "t-SNE 1"
    cells.obsm["X_tsne"] = np.ones((shape[0], 2))
    axes = pl.translation_umap(cells, translated, color="cell_type", basis="tsne")
    assert (np.asarray(axes[0].collections[0].get_offsets()) == 1).all()
    with pytest.raises(ValueError, match="basis='pca' is unknown"):
        pl.translation_umap(cells, translated, color="cell_type", basis="pca")


@pytest.mark.parametrize("kind", ["rna", "atac"])
def test_drawn_counts_are_laid_out_as_measured_ones(kind):
    measured = _counts(n_features=20)
    drawn = measured.copy()
    record = {"source": "other", "target": kind, "target_kind": kind, "options": {"drawn": True}}
    drawn.uns["scvi_xmodal"] = record
    axes = pl.translation_umap(measured, drawn, color="cell_type")
    one, two = (np.asarray(ax.collections[0].get_offsets()) for ax in axes)
    np.testing.assert_allclose(one, two)


def test_counts_are_read_from_a_layer():
    cells = _counts(40)
    axes = pl.translation_umap(cells, _translated(cells), color="cell_type")
    expected = np.asarray(axes[0].collections[0].get_offsets())
    cells.layers["counts"] = cells.X
    cells.X = cells.X.log1p()
    axes = pl.translation_umap(cells, _translated(cells), color="cell_type", layer="counts")
    np.testing.assert_array_equal(np.asarray(axes[0].collections[0].get_offsets()), expected)


def test_counts_are_read_from_a_file(tmp_path):
    cells = _counts(40)
    axes = pl.translation_umap(cells, _translated(cells), color="cell_type")
    expected = np.asarray(axes[0].collections[0].get_offsets())
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = read_h5ad(tmp_path / "cells.h5ad", backed="r")
    axes = pl.translation_umap(backed, _translated(cells), color="cell_type")
    np.testing.assert_array_equal(np.asarray(axes[0].collections[0].get_offsets()), expected)


@pytest.mark.parametrize(("n_cells", "n_features"), [(5, 1), (6, 2), (40, 1)])
@pytest.mark.parametrize("kind", ["rna", "atac"])
def test_few_cells_features_and_constant_profiles_are_drawn(kind, n_cells, n_features):
    cells = _counts(n_cells, n_features)
    cells.X[0] = 0  # a cell without counts
    translated = _translated(cells, kind=kind)
    translated.X[:] = 1.0
    axes = pl.translation_umap(cells, translated, color="cell_type")
    for ax in axes:
        assert np.isfinite(np.asarray(ax.collections[0].get_offsets())).all()


def test_groups_in_counts_are_groups_in_the_figure():
    rng = np.random.default_rng(0)
    label = np.repeat(["B", "T"], 40)
    rate = np.where((label == "B")[:, None], [4.0] * 10 + [0.2] * 10, [0.2] * 10 + [4.0] * 10)
    obs = pd.DataFrame({"cell_type": label}, index=[f"c{i}" for i in range(80)])
    for kind in ("rna", "atac"):
        cells = AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)), obs=obs.copy())
        axes = pl.translation_umap(cells, _translated(cells, kind=kind), color="cell_type")
        (points,) = axes[0].collections
        xy = np.asarray(points.get_offsets())
        is_first = np.array([to_hex(c) == to_hex("#0072B2") for c in points.get_facecolors()])
        distance = np.linalg.norm(xy[:, None] - xy[None], axis=-1)
        np.fill_diagonal(distance, np.inf)
        assert (is_first[distance.argmin(1)] == is_first).mean() > 0.95


def test_palette_and_mistakes():
    measured, translated = _placed(_counts(), _translated(_counts()))
    palette = {"B": "red", "T": "green", "NK": "blue", "unused": "black"}
    axes = pl.translation_umap(measured, translated, color="cell_type", palette=palette)
    colors = _color_of_labels(axes[0], measured, measured.obs["cell_type"])
    assert colors == {label: to_hex(palette[label]) for label in TYPES}
    del palette["NK"]
    with pytest.raises(ValueError, match="no colour for \\['NK'\\]"):
        pl.translation_umap(measured, translated, color="cell_type", palette=palette)
    with pytest.raises(ValueError, match="color='leiden' is no column"):
        pl.translation_umap(measured, translated, color="leiden")
    measured.obs["depth"] = 1.5
    with pytest.raises(ValueError, match="holds numbers.*pd.cut"):
        pl.translation_umap(measured, translated, color="depth")
    with pytest.raises(ValueError, match="uns\\['scvi_xmodal'\\]"):
        pl.translation_umap(measured, measured, color="cell_type")
    with pytest.raises(ValueError, match="no rna modality"):
        pl.translation_umap(MuData({"atac": measured}), translated, color="cell_type")
    few = _counts(3)
    with pytest.raises(ValueError, match="3 cells.*at least 5"):
        pl.translation_umap(few, _translated(few), color="cell_type")
    with pytest.raises(ValueError, match="measured has no layer 'counts'"):
        pl.translation_umap(_counts(), translated, color="cell_type", layer="counts")
    logged = _counts()
    logged.X = logged.X.log1p()
    with pytest.raises(ValueError, match="measured.X holds .* not a whole number"):
        pl.translation_umap(logged, translated, color="cell_type")


def test_the_package_and_its_figures_are_imported_without_plotting():
    code = (
        "import sys, scvi_xmodal, scvi_xmodal.pl; "
        "loaded = {'matplotlib.pyplot', 'scanpy'} & set(sys.modules); "
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
