"""Models that released versions saved still load, and translate as they did."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import scvi_xmodal as xm
from scvi_xmodal.model import Butterfly, read_manifest

FOLDER = Path(__file__).parents[1] / "fixtures" / "models"
CASES = sorted(FOLDER.glob("*/*"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_a_saved_model_translates_as_it_did(case):
    manifest = read_manifest(case / "model")
    assert manifest["versions"]["scvi-xmodal"] == case.parent.name
    model = Butterfly.load(case / "model", adata=False, accelerator="cpu")
    expected = np.load(case / "expected.npz")
    keys = tuple(model.specs)
    obs = pd.DataFrame({"batch": expected["batch"]}, index=[f"cell{i}" for i in range(6)])
    for source, target in (keys, keys[::-1]):
        var = pd.DataFrame(index=expected[f"{source}_names"].astype(object))
        query = ad.AnnData(expected[source].astype(np.float32), obs=obs, var=var)
        translated = model.translate(query, source=source, target=target)
        np.testing.assert_allclose(translated.X, expected[f"{source}_to_{target}"], rtol=1e-4)
    assert len(model.history["integrative_train_loss"]) == 3


def test_this_version_has_fixtures():
    assert {case.name for case in CASES if case.parent.name == xm.__version__} == {
        "rna_atac",
        "rna_protein",
    }
    for path in FOLDER.rglob("*"):
        assert path.stat().st_size < 200_000
