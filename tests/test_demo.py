import anndata
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import rankdata

import scvi_xmodal as xm
from scvi_xmodal import _demo

MODELS = ["Butterfly", "Ridge", "KNN", "DepthOnly", "Mean"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "new" / "demo"
    return out, _demo.run_demo(out, quick=True, seed=1)


@pytest.fixture(scope="module")
def held_out():
    mdata = xm.datasets.cortex_snareseq()
    return mdata[xm.pp.split(mdata, by="cell", n_folds=5, fold=0, seed=1).test].copy()


def test_scores_have_all_models_in_both_directions(demo):
    out, scores = demo
    assert scores.index.names == ["direction", "prediction"]
    for direction in ("ATAC -> RNA", "RNA -> ATAC"):
        assert list(scores.loc[direction].index) == [*MODELS, "measured"]
    rna, atac = scores.loc["ATAC -> RNA"], scores.loc["RNA -> ATAC"]
    assert rna.loc[MODELS, ["pearson_gene", "rmse", "ami"]].notna().all(axis=None)
    assert atac.loc[MODELS, ["auroc_peak", "ap_peak", "ami"]].notna().all(axis=None)
    assert (scores["n_cells"] == 400).all()
    saved = pd.read_csv(out / "scores.csv", index_col=[0, 1])
    pd.testing.assert_frame_equal(saved, scores)


def test_model_learns_something_in_a_few_epochs(demo):
    _, scores = demo
    assert scores.loc[("ATAC -> RNA", "Butterfly"), "pearson_gene"] > 0.02
    assert scores.loc[("RNA -> ATAC", "Butterfly"), "auroc_peak"] > 0.55


def test_translations_are_of_all_held_out_cells_and_readable(demo, held_out):
    out, _ = demo
    for target, source in (("rna", "atac"), ("atac", "rna")):
        translated = anndata.read_h5ad(out / f"{target}_from_{source}.h5ad")
        assert list(translated.obs_names) == list(held_out.obs_names)
        assert np.isfinite(translated.X).all()
        assert translated.uns["scvi_xmodal"]["target_kind"] == target
        labels = held_out.obs["cell_type"].astype(str)
        assert (labels == "Mis").any()
        # unassigned cells stay, without a label
        assert (translated.obs["cell_type"].isna().to_numpy() == (labels == "Mis")).all()


def test_scores_follow_from_the_files(demo, held_out):
    out, scores = demo
    translated = anndata.read_h5ad(out / "atac_from_rna.h5ad")
    is_open = held_out["atac"][:, translated.var_names].X.toarray() > 0
    n_open, n_cells = is_open.sum(0), len(is_open)
    varies = (n_open > 0) & (n_open < n_cells)
    ranks = rankdata(translated.layers["at_predicted_depth"], axis=0)
    n_pairs = (n_open * (n_cells - n_open))[varies]
    above = (ranks * is_open).sum(0) - n_open * (n_open + 1) / 2
    expected = np.mean(above[varies] / n_pairs)
    found = scores.loc[("RNA -> ATAC", "Butterfly"), "auroc_peak"]
    assert found == pytest.approx(expected, abs=1e-6)
    assert (translated.obs["predicted_depth"] > 0).all()


def test_figures_and_nothing_else_lie_in_the_folder(demo):
    out, _ = demo
    assert sorted(path.name for path in out.iterdir()) == sorted(_demo.FILES)
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    for name in ("umap.png", "training.png"):
        with Image.open(out / name) as image:
            assert min(image.size) > 300
            # drawn in many colours, not blank
            assert len(image.convert("RGB").getcolors(maxcolors=1 << 24)) > 50


def test_failure_leaves_an_earlier_demo_alone(tmp_path, monkeypatch):
    out = tmp_path / "demo"
    out.mkdir()
    (out / "scores.csv").write_text("earlier")
    (out / "notes.txt").write_text("mine")

    def fail(seed):
        raise RuntimeError("interrupted")

    monkeypatch.setattr(_demo, "_data", fail)
    with pytest.raises(RuntimeError, match="interrupted"):
        _demo.run_demo(out)
    assert (out / "scores.csv").read_text() == "earlier"
    assert (out / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_file_or_an_impossible_folder_is_refused_before_work(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ValueError, match="taken' is a file; name a folder"):
        _demo.run_demo(tmp_path / "taken")
    with pytest.raises(ValueError, match="out=.*taken/demo': .*taken' is a file"):
        _demo.run_demo(tmp_path / "taken" / "demo")
