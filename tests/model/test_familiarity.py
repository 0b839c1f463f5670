"""Familiarity: a rank among validation cells that strange cells fall below."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist

import scvi_xmodal as xm
from scvi_xmodal.data import Split
from scvi_xmodal.model import Babel, Butterfly
from scvi_xmodal.model._familiarity import MISFIT_WEIGHT, CellFit, FamiliarityReference

OLD = Path(__file__).parents[1] / "fixtures" / "models" / "0.1.0" / "rna_atac" / "model"


def _cells(rng, n, *, shift=0.0, slope=0.0):
    depth = rng.uniform(100, 1000, n).astype(np.float32)
    misfit = np.exp(0.1 * rng.normal(size=n) + slope * np.log1p(depth)).astype(np.float32)
    return CellFit(rng.normal(shift, size=(n, 3)).astype(np.float32), misfit, depth)


class TestReference:
    def test_formula(self, rng):
        train, validation, query = _cells(rng, 40).latent, _cells(rng, 25), _cells(rng, 9)
        found = FamiliarityReference.fit(train, validation).score(query)

        def distance(cells):
            return np.log(np.sort(cdist(cells.latent, train), axis=1)[:, :30].mean(1))

        fit = np.polyfit(np.log1p(validation.total), np.log(validation.misfit), 1)

        def residual(cells):
            lowest, highest = np.log1p(validation.total.min()), np.log1p(validation.total.max())
            depth = np.log1p(cells.total).clip(lowest, highest)
            return np.log(cells.misfit) - np.polyval(fit, depth)

        def strange(cells):
            parts = []
            for part in (distance, residual):
                low, middle, high = np.percentile(part(validation), [25, 50, 75])
                parts.append((part(cells) - middle) / (high - low))
            return parts[0] + MISFIT_WEIGHT * parts[1]

        np.testing.assert_allclose(found["strangeness"], strange(query), rtol=1e-3, atol=1e-3)
        n_stranger = (strange(validation)[None] >= strange(query)[:, None]).sum(1)
        np.testing.assert_allclose(found["familiarity"], (1 + n_stranger) / 26, atol=1e-9)

    def test_cells_like_the_validation_cells_are_spread_evenly(self, rng):
        reference = FamiliarityReference.fit(_cells(rng, 500).latent, _cells(rng, 500))
        found = reference.score(_cells(rng, 2000))["familiarity"]
        for level in (0.05, 0.2, 0.5, 0.8):
            assert (found <= level).mean() == pytest.approx(level, abs=0.05)

    def test_cells_elsewhere_in_the_latent_are_strange(self, rng):
        reference = FamiliarityReference.fit(_cells(rng, 200).latent, _cells(rng, 99))
        found = reference.score(_cells(rng, 50, shift=10.0))
        assert (found["familiarity"] == 0.01).all()

    def test_depth_alone_is_not_strange(self, rng):
        train, validation = _cells(rng, 200).latent, _cells(rng, 500, slope=1.5)
        reference = FamiliarityReference.fit(train, validation)
        cells = _cells(rng, 1000, slope=1.5)
        found = reference.score(cells)["familiarity_reconstruction"]
        deep = cells.total > 550
        assert abs(found[deep].mean() - found[~deep].mean()) < 0.05

    def test_few_validation_cells_are_not_enough(self, rng):
        assert FamiliarityReference.fit(_cells(rng, 50).latent, _cells(rng, 4)) is None
        assert FamiliarityReference.fit(_cells(rng, 3).latent, _cells(rng, 5)) is not None

    def test_one_depth_and_one_latent_are_possible(self, rng):
        same = CellFit(
            np.zeros((9, 2), np.float32), np.ones(9, np.float32), np.ones(9, np.float32)
        )
        found = FamiliarityReference.fit(same.latent, same).score(same)
        assert all(np.isfinite(values).all() for values in found.values())
        assert (found["familiarity"] == 1).all()


def test_one_row_for_each_cell(with_protein):
    query = with_protein.original
    for source in ("rna", "atac", "protein"):
        found = with_protein.model.familiarity(query, source=source, indices=[7, 3])
        assert list(found.index) == list(query.obs_names[[7, 3]])
        assert found["familiarity"].between(1 / 11, 1).all()
        assert found.shape == (2, 4)


def test_cells_without_a_count_are_familiar_to_none(trained):
    empty = trained.original["rna"].copy()
    empty.X = empty.X * 0
    found = trained.model.familiarity(empty, source="rna", indices=[0, 1])
    n_validation = len(trained.split.validation)
    assert (found["familiarity"] == 1 / (n_validation + 1)).all()
    assert np.isfinite(found["strangeness"]).all()


def test_foreign_cells_rank_below_the_test_cells(trained, rng):
    known = trained.original["rna"]
    foreign = known.copy()
    # genes shuffled within each cell: same depths and sparsity, no structure
    foreign.X = rng.permuted(known.X.toarray(), axis=1)
    model = trained.model
    strange = model.familiarity(foreign, source="rna")["strangeness"]
    usual = model.familiarity(known, source="rna", indices=trained.split.test)["strangeness"]
    assert strange.median() > usual.median() + 1


def test_blocks_and_company_change_nothing(batched):
    model, query = batched.model, batched.original["atac"]
    whole = model.familiarity(query, source="atac")
    pd.testing.assert_frame_equal(
        model.familiarity(query, source="atac", batch_size=7), whole, atol=1e-4
    )
    pd.testing.assert_frame_equal(
        model.familiarity(query[[5]].copy(), source="atac"), whole.iloc[[5]], atol=1e-4
    )


def test_it_is_saved(batched, tmp_path):
    batched.model.save(tmp_path / "model")
    loaded = Butterfly.load(tmp_path / "model", adata=False)
    query = batched.original["rna"]
    found = loaded.familiarity(query, source="rna")
    pd.testing.assert_frame_equal(found, batched.model.familiarity(query, source="rna"))


def test_batches_that_the_model_does_not_know_need_one_named(batched):
    query = batched.original["rna"].copy()
    query.obs["batch"] = "new"
    with pytest.raises(ValueError, match="transform_batch"):
        batched.model.familiarity(query, source="rna")
    found = batched.model.familiarity(query, source="rna", transform_batch="batch_0")
    assert np.isfinite(found.to_numpy()).all()


@pytest.mark.parametrize("preset", ["scbutterfly", None])
def test_the_preset_and_babel(mdata, preset):
    model_class, options = (Butterfly, {"preset": preset}) if preset else (Babel, {})
    model_class.setup_mudata(mdata)
    model = model_class(mdata, **options)
    kwargs = {"pretrain_epochs": 1} if preset else {}
    model.train(2, batch_size=20, enable_progress_bar=False, validation_size=0.1, **kwargs)
    for source in ("rna", "atac"):
        found = model.familiarity(source=source)
        assert np.isfinite(found.to_numpy()).all()
        assert found["familiarity"].between(0, 1).all()


def test_conditions_are_compared_with_their_own_cells():
    kang = xm.datasets.kang_pbmc()[::8, ::20].copy()
    Butterfly.setup_anndata(
        kang, "condition", control="ctrl", perturbed="stim", labels_key="cell_type"
    )
    model = Butterfly(kang, n_latent=4, n_embedding=8)
    model.train(1, pretrain_epochs=1, enable_progress_bar=False)
    found = model.familiarity(source="control")
    assert len(found) == (kang.obs["condition"] == "ctrl").sum()


def test_models_without_validation_cells_say_so(mdata, quick):
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=4, n_embedding=8)
    with pytest.raises(ValueError, match="not trained yet"):
        model.familiarity(source="rna")
    model.train(split=Split(range(60)), **quick)
    with pytest.raises(ValueError, match="fewer than 5"):
        model.familiarity(source="rna")
    old = Butterfly.load(OLD, adata=False)
    query = xm.datasets.synthetic(n_cells=60, n_genes=10, n_peaks=16)["rna"]
    with pytest.raises(ValueError, match="older version"):
        old.familiarity(query, source="rna")
