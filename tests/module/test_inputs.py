"""Inputs of encoders and components are computed once, and only where they are needed."""

from __future__ import annotations

import pytest
import torch

from scvi_xmodal.module import ButterflyVAE
from scvi_xmodal.module._inputs import Inputs
from scvi_xmodal.nn import Presence


@pytest.fixture
def module(make_spec):
    """Return a module whose path from RNA to ATAC is in use."""
    module = ButterflyVAE([make_spec(key) for key in ("rna", "atac")]).double().eval()
    n_genes, n_peaks = (module.specs[key].n_features for key in ("rna", "atac"))
    module.projections["rna"].fit(torch.ones(n_genes, 2, dtype=torch.float64))
    path = module.linear_paths["rna_to_atac"]
    path.fit(torch.zeros(2), torch.ones(n_peaks), torch.ones(2, n_peaks))
    path.weigh(0.5)
    return module


def test_a_translation_transforms_its_source_once(module, counts, rows, monkeypatch):
    calls = []
    forward = module.transforms["rna"].forward
    monkeypatch.setattr(
        module.transforms["rna"], "forward", lambda own: calls.append(own) or forward(own)
    )
    alone = module.latent("rna", rows(counts["rna"])).mean
    assert len(calls) == 1
    both = module.translate(rows(counts["rna"]), "rna", "atac")
    assert len(calls) == 2
    again = module.translate(rows(counts["rna"]), "rna", "atac", z=alone)
    torch.testing.assert_close(both["X"], again["X"])


def test_nothing_is_transformed_that_is_not_asked_for(module, counts, rows):
    inputs = Inputs({}, "rna", rows(counts["rna"]))
    with pytest.raises(KeyError):
        inputs["rna"]
    assert Inputs({}, ("rna", "atac"), None).counts == {}
    assert set(Inputs({}, ("rna", "atac"), {"rna": 0, "protein": 1}).counts) == {"rna"}


def test_inputs_of_partly_measured_cells_know_who_was_measured():
    present = Presence(3, {"rna": torch.tensor([0, 2])})
    minibatch = {"rna": "rows", "presence": present}
    inputs = Inputs({}, ("rna", "atac"), minibatch)
    assert inputs.presence is present
    assert set(inputs.counts) == {"rna"}
