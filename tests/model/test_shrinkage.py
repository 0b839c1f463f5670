"""What share of the deviations from base rates a trained model keeps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit

import scvi_xmodal as xm


@pytest.fixture(scope="module")
def overfitted():
    """Return a model that knows its few training cells by heart, and its data."""
    mdata = xm.datasets.synthetic(n_cells=200, n_genes=40, n_peaks=60, atac_density=0.2, seed=1)
    split = xm.pp.split(mdata, by="cell", seed=0)
    xm.model.Butterfly.setup_mudata(mdata)
    model = xm.model.Butterfly(
        mdata, n_latent=8, n_components=0, dropout_rate=0.0, mask_rate={"rna": 0, "atac": 0}
    )
    options = {"pretrain_epochs": 20, "early_stopping": False, "enable_progress_bar": False}
    model.train(40, split=split, plan_kwargs={"lr": 1e-2}, **options)
    return model, mdata, split


def _loss(model, mdata, rows):
    measured = mdata["atac"].X[rows].toarray() > 0
    found = model.translate(
        mdata, source="rna", target="atac", indices=rows, depth=measured.sum(1)
    ).X.astype(float)
    found = np.clip(found, 1e-7, 1 - 1e-7)
    return -(np.log(found) * measured + np.log1p(-found) * ~measured).sum(1).mean()


def test_it_makes_held_out_cells_likelier(overfitted):
    model, mdata, split = overfitted
    share = model.module.shrinkages["rna_to_atac"].share
    fitted = share.item()
    assert 0.2 <= fitted < 0.9
    with_share = {
        part: _loss(model, mdata, getattr(split, part)) for part in ("validation", "test")
    }
    share.fill_(1.0)
    try:
        without = {part: _loss(model, mdata, getattr(split, part)) for part in with_share}
    finally:
        share.fill_(fitted)
    assert with_share["validation"] < without["validation"]
    assert with_share["test"] < without["test"]


def test_quantiles_are_of_what_is_predicted(overfitted):
    model, mdata, split = overfitted
    found = model.translate(
        mdata, source="rna", target="atac", indices=split.test, quantiles=(0.05, 0.95)
    )
    inside = (found.layers["q05"] <= found.X + 1e-3) & (found.X <= found.layers["q95"] + 1e-3)
    assert inside.mean() > 0.9


def test_it_is_saved(overfitted, tmp_path):
    model, mdata, split = overfitted
    model.save(tmp_path / "model")
    again = xm.model.Butterfly.load(tmp_path / "model", adata=False)
    own = [m.module.shrinkages["atac_to_atac"].share.item() for m in (model, again)]
    assert own[0] == own[1] != 1
    options = {"source": "rna", "target": "atac", "indices": split.test}
    np.testing.assert_allclose(
        logit(again.translate(mdata, **options).X), logit(model.translate(mdata, **options).X)
    )


def test_without_validation_cells_all_is_kept(overfitted):
    mdata = overfitted[1]
    model = xm.model.Butterfly(mdata, n_latent=8)
    cells = np.arange(200)
    split = xm.data.Split(cells[:80], cells[80:85], cells[85:90])
    model.train(1, pretrain_epochs=1, split=split, enable_progress_bar=False)
    assert {own.share.item() for own in model.module.shrinkages.values()} == {1.0}


def test_published_losses_are_left_alone(overfitted):
    model = xm.model.Butterfly(overfitted[1], preset="scbutterfly")
    assert not len(model.module.shrinkages)
