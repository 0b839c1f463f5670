"""Figures look as they did when a person looked at them.

``SCVI_XMODAL_DRAW=1 pytest tests/pl/test_reference.py`` draws the references anew: look at each
before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.testing.compare import compare_images

from scvi_xmodal import metrics, pl
from scvi_xmodal.tl import PseudobulkConcordance

REFERENCE = Path(__file__).parent / "reference"
DRAW = "SCVI_XMODAL_DRAW"
# Root mean square difference of grey values, 0 to 255. Another version of FreeType moves letters
# by a fraction of a pixel, a curve in another colour makes above 7.
TOLERANCE = 5
DPI = 60
LABELS = ("B", "Mono", "NK", "T")


def _cells(n_cells=160):
    rng = np.random.default_rng(1)
    labels = np.arange(n_cells) % len(LABELS)
    values = rng.gamma(1.0, size=(n_cells, 2))
    values[:, 0] += 2 * (labels == 0)
    cells = AnnData(values.astype(np.float32))
    cells.obs["cell_type"] = pd.Categorical([LABELS[label] for label in labels])
    cells.var_names = ["CD19", "LYZ"]
    angle = labels * np.pi / 2
    centres = 3 * np.column_stack([np.cos(angle), np.sin(angle)])
    cells.obsm["X_umap"] = centres + rng.normal(scale=0.6, size=(n_cells, 2))
    cells.uns["scvi_xmodal"] = {"source": "atac", "target": "rna", "target_kind": "rna"}
    return cells


def _history():
    epochs = np.arange(12)
    table = {}
    for phase, start in (("pretrain_rna", 9.0), ("integrative", 20.0)):
        for part, ends in (("train", 0.0), ("validation", 0.06)):
            name = f"{phase}_reconstruction_loss_{part}"
            losses = start * (0.7 + 0.3 * np.exp(-epochs / 3)) + start * ends * (epochs / 11) ** 2
            table[name] = pd.DataFrame({name: losses}, index=pd.RangeIndex(12, name="epoch"))
    return table


def draw_history():
    pl.history(_history())


def draw_translation_umap():
    measured, translated = _cells(), _cells()
    translated.obsm["X_umap"] = translated.obsm["X_umap"][:, ::-1]
    measured.obs.loc[measured.obs_names[:8], "cell_type"] = np.nan
    pl.translation_umap(measured, translated, color="cell_type")


def draw_marker():
    pl.marker(_cells(), ["CD19", "LYZ"])


def draw_feature_scores():
    rng = np.random.default_rng(2)
    index = pd.MultiIndex.from_product([["Butterfly", "Ridge"], [f"peak{j}" for j in range(300)]])
    values = np.concatenate([rng.normal(0.62, 0.08, 300), rng.normal(0.56, 0.06, 300)])
    pl.feature_scores(pd.DataFrame({"auroc": values, "mean_measured": 0.1}, index=index))


def _curves():
    rng = np.random.default_rng(3)
    predicted = rng.uniform(0.005, 0.4, (200, 60))
    is_open = rng.random((200, 60)) < predicted
    overconfident = np.clip(1.6 * predicted, 0, 1)
    pairs = {"Butterfly": predicted, "Ridge": overconfident}
    return {name: metrics.calibration(is_open, values) for name, values in pairs.items()}


def draw_calibration():
    pl.calibration(_curves())


def draw_confusion():
    rng = np.random.default_rng(4)
    truth = rng.choice(LABELS, 200)
    given = np.where(rng.random(200) < 0.7, truth, rng.choice([*LABELS, "unsure"], 200))
    pl.confusion(truth, given)


def draw_prediction_density():
    rng = np.random.default_rng(5)
    rate = rng.gamma(2.0, size=(80, 30))
    prediction = AnnData(np.log1p(rate).astype(np.float32))
    prediction.uns["scvi_xmodal"] = {"target": "rna", "target_kind": "rna"}
    pl.prediction_density(prediction, AnnData(rng.poisson(rate).astype(np.float32)))


def draw_pseudobulk():
    rng = np.random.default_rng(6)
    index = pd.MultiIndex.from_product([["all cells", "B"], [f"gene{j}" for j in range(80)]])
    measured = rng.gamma(1.0, size=len(index))
    predicted = measured + rng.normal(scale=0.3, size=len(index))
    profiles = pd.DataFrame({"predicted": predicted, "reference": measured}, index=index)
    profiles.index.names = ["group", "feature"]
    table = pd.DataFrame({"pearson": [0.96, 0.95]}, index=["all cells", "B"])
    pl.pseudobulk(PseudobulkConcordance(table, profiles, ""), label=["gene3", "gene7"])


FIGURES = {name.removeprefix("draw_"): f for name, f in globals().items() if name[:5] == "draw_"}


def _draw(name, path):
    with mpl.rc_context({**mpl.rcParamsDefault, "backend": "Agg"}):
        FIGURES[name]()
        plt.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close("all")


def _is_like_reference(name, tmp_path):
    _draw(name, tmp_path / f"{name}.png")
    expected, actual = REFERENCE / f"{name}.png", tmp_path / f"{name}.png"
    return compare_images(expected, actual, TOLERANCE, in_decorator=True) is None


@pytest.mark.skipif(mpl.__version_info__ < (3, 11), reason="drawn by matplotlib 3.11")
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_looks_like_its_reference(name, tmp_path):
    if os.environ.get(DRAW):
        _draw(name, REFERENCE / f"{name}.png")
    assert _is_like_reference(name, tmp_path)


def test_every_figure_of_pl_has_a_reference():
    assert set(FIGURES) == set(pl.__all__) - {"label_colors"}
    assert {path.stem for path in REFERENCE.glob("*.png")} == set(FIGURES)


@pytest.mark.parametrize(
    ("name", "what", "value"),
    [
        ("history", "_history._COLORS", {"train": "#009E73", "validation": "#CC79A7"}),
        ("translation_umap", "_umap.label_colors", lambda names: dict.fromkeys(names, "#555555")),
        ("marker", "_marker._CLIPPED", 60),
    ],
)
def test_another_figure_is_not_taken_for_it(name, what, value, tmp_path, monkeypatch):
    monkeypatch.setattr(f"scvi_xmodal.pl.{what}", value)
    assert not _is_like_reference(name, tmp_path)
