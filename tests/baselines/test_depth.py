from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from scvi_xmodal.baselines import DepthOnly


@pytest.mark.parametrize(
    ("source", "target"), [("rna", "atac"), ("atac", "rna"), ("rna", "protein")]
)
def test_equals_linear_regression_on_log_depths(
    mdata, train, held_out, dense_profile, source, target
):
    counts = mdata[source].X.toarray()
    x = np.log1p(np.c_[counts.sum(1), (counts > 0).sum(1)])
    y = dense_profile(mdata, target, train)
    expected = LinearRegression().fit(x[train], y[train]).predict(x[held_out])
    if target != "protein":
        expected = np.clip(expected, 0, 1 if target == "atac" else None)
    ours = DepthOnly().fit(mdata, indices=train)
    translated = ours.translate(mdata[source][held_out], source=source, target=target)
    np.testing.assert_allclose(translated.X, expected, atol=1e-5)


def test_knows_nothing_but_depth(mdata, train):
    shuffled = mdata["rna"].copy()
    shuffled.X = shuffled.X[:, ::-1].copy()  # other genes, equal depths
    ours = DepthOnly().fit(mdata, indices=train)
    for source_of_cells in (mdata["rna"], shuffled):
        translated = ours.translate(source_of_cells, source="rna", target="atac")
        np.testing.assert_allclose(
            translated.X, ours.translate(mdata, source="rna", target="atac").X, atol=1e-6
        )


def test_probabilities_stay_in_range_at_absurd_depths(mdata, train):
    deep = mdata["rna"][:3].copy()
    deep.X = deep.X * 10_000
    translated = DepthOnly().fit(mdata, indices=train).translate(deep, source="rna", target="atac")
    assert translated.X.min() >= 0
    assert translated.X.max() <= 1
