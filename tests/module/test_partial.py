"""Cells that lack modalities: every path by the cells that have both of its ends."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from scvi_xmodal.module import PRESENCE, PUBLISHED, Architecture
from scvi_xmodal.nn import Presence

KEYS = ["rna", "atac", "protein"]
# of nine cells: RNA of eight, ATAC of five, protein of five; two have all
CELLS = {"rna": [0, 1, 2, 3, 4, 5, 6, 7], "atac": [0, 1, 2, 3, 8], "protein": [2, 3, 4, 5, 6]}


def _partial(module, tensors, counts, cells=CELLS, n_cells=9, batch=None):
    own = {key: counts[key][cells.get(key, [])] for key in KEYS}
    codes = None if batch is None else {key: batch[key][rows] for key, rows in cells.items()}
    minibatch = tensors(module, own, codes)
    minibatch = {key: own for key, own in minibatch.items() if key.split("_")[0] in cells}
    where = {key: torch.tensor(rows) for key, rows in cells.items()}
    return {**minibatch, PRESENCE: Presence(n_cells, where)}


def _run(module, minibatch):
    paths = module.paths
    inference = module.inference(
        **module._get_inference_input(minibatch, paths=paths), paths=paths
    )
    generative = module.generative(
        **module._get_generative_input(minibatch, inference), paths=paths
    )
    return inference, generative, module.loss(minibatch, inference, generative, kl_weight=0.3)


@pytest.mark.parametrize("architecture", [Architecture(), PUBLISHED], ids=["default", "published"])
@pytest.mark.parametrize("n_batch", [0, 2])
def test_each_path_is_that_of_the_cells_with_both(
    make_module, tensors, counts, architecture, n_batch
):
    """Without batch statistics a path's losses are those of its cells alone."""
    module = make_module(KEYS, architecture, n_batch=n_batch).eval()
    batch = {key: np.arange(9) % 2 for key in KEYS} if n_batch else None
    *_, output = _run(module, _partial(module, tensors, counts, batch=batch))
    expected = 0.0
    for source, target in module.paths:
        both = sorted(set(CELLS[source]) & set(CELLS[target]))
        own = None if batch is None else {key: codes[both] for key, codes in batch.items()}
        alone = tensors(module, {key: counts[key][both] for key in KEYS}, own)
        name = f"{source}_to_{target}"
        whole = _run(module, alone)[-1].reconstruction_loss[name]
        assert int(output.extra_metrics[f"n_{name}"]) == len(both)
        torch.testing.assert_close(output.reconstruction_loss[name][: len(both)], whole)
        assert not output.reconstruction_loss[name][len(both) :].any()
        expected += module.specs[target].settings.weight * float(whole.detach().mean())
    for key in KEYS:
        alone = tensors(module, {k: counts[k][CELLS[key]] for k in KEYS})
        if batch is not None:
            alone |= {f"{k}_batch": torch.from_numpy(batch[k][CELLS[key]]) for k in KEYS}
        kl = _run(module, alone)[-1].kl_local[f"kl_{key}"]
        expected += 0.3 * float(kl.detach().mean())
    assert float(output.loss.detach()) == pytest.approx(expected)


@pytest.mark.parametrize("architecture", [Architecture(), PUBLISHED], ids=["default", "published"])
def test_where_nothing_is_missing_it_is_the_same_step(make_module, tensors, counts, architecture):
    module = make_module(KEYS, architecture).train()
    other = copy.deepcopy(module)
    everything = {key: list(range(9)) for key in KEYS}
    losses = []
    for network, minibatch in (
        (module, tensors(module, counts)),
        (other, _partial(module, tensors, counts, everything)),
    ):
        torch.manual_seed(3)
        inference, generative, output = _run(network, minibatch)
        adversarial = network.discriminator_loss(
            inference["embedding"], generative["translated"], minibatch.get(PRESENCE)
        )
        (output.loss - adversarial).backward()
        losses.append((float(output.loss.detach()), float(adversarial.detach())))
    assert losses[0] == pytest.approx(losses[1])
    for (name, own), theirs in zip(module.named_parameters(), other.parameters(), strict=True):
        if own.grad is not None:
            torch.testing.assert_close(own.grad, theirs.grad, msg=name)


def test_paths_that_no_cell_has_are_left_out(make_module, tensors, counts):
    module = make_module(KEYS).train()
    cells = {"rna": list(range(9)), "atac": [0, 1, 2, 3], "protein": [4, 5, 6, 7, 8]}
    inference, generative, output = _run(module, _partial(module, tensors, counts, cells))
    assert "atac_to_protein" not in output.reconstruction_loss
    assert {"rna_to_protein", "atac_to_rna"} <= set(output.reconstruction_loss)
    assert ("atac", "protein") in generative["translated"]
    assert torch.isfinite(output.loss)
    presence = Presence(9, {key: torch.tensor(rows) for key, rows in cells.items()})
    for _ in range(5):  # whichever modality the fakes are drawn from
        loss = module.discriminator_loss(
            inference["embedding"], generative["translated"], presence
        )
        assert torch.isfinite(loss)


@pytest.mark.parametrize("only", [["rna"], ["rna", "atac"]])
def test_single_cells_of_a_modality_wait_for_another_minibatch(make_module, tensors, counts, only):
    """Batch norm has no statistics of one cell."""
    module = make_module(KEYS).train()
    cells = {"rna": [0, 1, 2], "atac": [1, 2], "protein": [3]}
    cells = {key: cells[key] if key in only else cells[key][:1] for key in KEYS}
    inference, generative, output = _run(module, _partial(module, tensors, counts, cells, 4))
    assert list(inference["z"]) == only
    presence = Presence(4, {key: torch.tensor(rows) for key, rows in cells.items()})
    adversarial = module.discriminator_loss(
        inference["embedding"], generative["translated"], presence
    )
    (output.loss + adversarial).backward()
    assert (float(adversarial.detach()) != 0) == (len(only) > 1)
    module.eval()
    assert len(_run(module, _partial(module, tensors, counts, cells, 4))[0]["z"]) == 3


def test_a_minibatch_of_strangers_teaches_nothing(make_module, tensors, counts):
    """The last minibatch of an epoch may hold one cell of each modality."""
    module = make_module(KEYS).train()
    minibatch = _partial(module, tensors, counts, {"rna": [0], "protein": [1]}, 2)
    inference, generative, output = _run(module, minibatch)
    loss = output.loss - module.discriminator_loss(
        inference["embedding"], generative["translated"], minibatch[PRESENCE]
    )
    loss.backward()
    assert float(loss.detach()) == 0
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert gradients
    assert not any(g.any() for g in gradients)


def test_depth_between_modalities_never_measured_together(make_module, statistics, make_spec):
    module = make_module(KEYS)
    own = {key: statistics(make_spec(key)) for key in KEYS}
    left, right = np.arange(30), np.arange(30)
    left, right = np.where(left < 15, left, -1), np.where(right >= 15, right, -1)
    assert ((left >= 0) & (right >= 0)).sum() == 0
    pairs = {"rna": np.arange(30), "atac": left, "protein": right}
    module.fit_statistics(own, pairs=pairs)
    constant = module.depth_predictors["protein_to_atac"].coefficients
    assert constant[1:].tolist() == [0, 0]
    assert float(constant[0].exp()) == pytest.approx(own["atac"].median_depth)
    predictor = copy.deepcopy(module.depth_predictors["rna_to_atac"])
    rna, atac = (own[key].of_cells(np.arange(15)) for key in ("rna", "atac"))
    predictor.fit(rna, atac.depth)
    torch.testing.assert_close(
        predictor.coefficients, module.depth_predictors["rna_to_atac"].coefficients
    )
