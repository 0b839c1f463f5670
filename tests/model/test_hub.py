"""A saved model with a card opens as a model of scvi-tools' hub, offline."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import scvi_xmodal as xm
from scvi_xmodal.model import _hub

huggingface_hub = pytest.importorskip("huggingface_hub")

CARD = {"license_info": "cc-by-4.0", "description": "Simulated cells."}


@pytest.fixture(scope="module")
def mdata():
    return xm.datasets.synthetic(n_cells=60, n_genes=15, n_peaks=24, atac_density=0.3)


@pytest.fixture(scope="module")
def model(mdata):
    xm.model.Butterfly.setup_mudata(mdata)
    model = xm.model.Butterfly(mdata, n_latent=4)
    model.train(1, pretrain_epochs=0, enable_progress_bar=False)
    return model


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_it_opens_without_data_or_network(model, saved, mdata, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from scvi.hub import HubModel

    xm.model.to_hub(saved, **CARD)
    opened = HubModel(str(saved))
    opened.load_model(adata=False)
    way = {"source": "atac", "target": "rna"}
    translated = opened.model.translate(mdata["atac"], **way)
    np.testing.assert_array_equal(translated.X, model.translate(mdata["atac"], **way).X)
    assert opened.metadata.model_cls_name == "Butterfly"
    assert xm.model.read_manifest(saved)["model"] == "Butterfly"


def test_the_card_says_what_the_model_is(saved):
    xm.model.to_hub(saved, **CARD, tissues=["bone marrow"], references="A paper.")
    card = huggingface_hub.ModelCard((saved / "README.md").read_text())
    assert card.data.license == "cc-by-4.0"
    assert card.data.library_name == "scvi-tools"
    assert {"model_cls_name:Butterfly", "modality:atac", "tissue:bone marrow"} <= set(
        card.data.tags
    )
    for part in ("Simulated cells.", "A paper.", "| rna | rna | 15 |", '"n_latent": 4'):
        assert part in card.text
    metadata = json.loads((saved / "_scvi_required_metadata.json").read_text())
    assert metadata["model_parent_module"] == "scvi_xmodal.model"


def test_one_tissue_may_be_given_as_text(saved):
    hub_model = xm.model.to_hub(saved, **CARD, tissues="brain")
    tissues = [tag for tag in hub_model.model_card.data.tags if tag.startswith("tissue:")]
    assert tissues == ["tissue:brain"]


class _Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_in_a_model_is_run(saved, tmp_path):
    torch.save({"trap": _Trap(tmp_path / "sprung")}, saved / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt"):
        xm.model.to_hub(saved, **CARD)
    assert not (tmp_path / "sprung").exists()
    assert not (saved / "README.md").exists()


def test_what_is_there_is_not_replaced_unasked(saved):
    xm.model.to_hub(saved, **CARD)
    with pytest.raises(ValueError, match=r"README\.md.*overwrite=True"):
        xm.model.to_hub(saved, **CARD)
    xm.model.to_hub(saved, license_info="mit", description="Again.", overwrite=True)
    assert "Again." in (saved / "README.md").read_text()


def test_mistakes_are_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="holds no model"):
        xm.model.to_hub(tmp_path, **CARD)
    monkeypatch.setattr(_hub.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"scvi-xmodal\[hub\]"):
        xm.model.to_hub(tmp_path, **CARD)
