from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from anndata import AnnData
from scipy import sparse

from scvi_xmodal import pl


def _pair(kind="rna", n_cells=40, n_features=15, seed=0):
    rng = np.random.default_rng(seed)
    rate = rng.gamma(2, size=(n_cells, n_features))
    rate = np.clip(rate / 10, 0, 1) if kind == "atac" else rate
    draw = rng.binomial(1, rate) if kind == "atac" else rng.poisson(rate)
    truth = AnnData(sparse.csr_matrix(draw.astype(np.float32)))
    values = rate if kind == "atac" else np.log1p(rate)
    prediction = AnnData(values.astype(np.float32))
    prediction.uns["scvi_xmodal"] = {"target": kind, "target_kind": kind}
    return prediction, truth


def _n_drawn(ax):
    return int(ax.collections[0].get_array().sum())


def test_every_entry_is_counted_and_r_is_written():
    prediction, truth = _pair()
    (ax,) = pl.prediction_density(prediction, truth)
    assert _n_drawn(ax) == 40 * 15
    counts = truth.X.toarray().astype(float)
    library = counts.sum(axis=1, keepdims=True)
    x = np.log1p(counts / library * np.median(library))
    r = np.corrcoef(x.ravel(), prediction.X.ravel())[0, 1]
    assert ax.texts[0].get_text() == f"r = {r:.2f}"
    assert ax.collections[0].get_rasterized()
    assert ax.get_xlim() == ax.get_ylim()


def test_levels():
    prediction, truth = _pair()
    assert _n_drawn(pl.prediction_density(prediction, truth, level="features")[0]) == 15
    assert _n_drawn(pl.prediction_density(prediction, truth, level="cells")[0]) == 40
    atac, counts = _pair("atac")
    (ax,) = pl.prediction_density(atac, counts)
    assert _n_drawn(ax) == 15
    assert ax.get_xlabel() == "measured open fraction"
    with pytest.raises(ValueError, match="level='genes'"):
        pl.prediction_density(prediction, truth, level="genes")


def test_panels_axes_and_thinning():
    prediction, truth = _pair()
    _, axes = plt.subplots(1, 2)
    drawn = pl.prediction_density({"a": prediction, "b": prediction}, truth, axes=axes)
    assert list(drawn) == list(axes)
    assert [ax.get_title() for ax in drawn] == ["a", "b"]
    (ax,) = pl.prediction_density(prediction, truth, max_entries=300)
    assert _n_drawn(ax) == 20 * 15


def test_constant_and_single_values_are_drawn():
    prediction, truth = _pair(n_cells=1, n_features=1)
    prediction.X[:] = 0
    truth.X = np.zeros((1, 1), dtype=np.float32)
    (ax,) = pl.prediction_density(prediction, truth)
    assert ax.texts[0].get_text() == "r = nan"
