"""Means over the cells of an epoch, whatever the sizes of its minibatches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scvi.module.base import LossOutput

from scvi_xmodal.train import LossSums


def test_means_weigh_every_cell_alike(rng):
    sums = LossSums()
    rna, atac, kl = (rng.normal(size=21) for _ in range(3))
    parts = np.split(np.arange(21), [8, 16])  # 8, 8 and 5 cells
    losses, others = rng.normal(size=3), rng.normal(size=3)
    for rows, loss, other in zip(parts, losses, others, strict=True):
        output = LossOutput(
            loss=torch.tensor(loss),
            reconstruction_loss={
                "rna_to_rna": torch.from_numpy(rna[rows]),
                "rna_to_atac": torch.from_numpy(atac[rows]),
            },
            kl_local={"kl_rna": torch.from_numpy(kl[rows])},
            n_obs_minibatch=len(rows),
        )
        sums.add(output, output.loss, discriminator_loss=torch.tensor(other))
    sizes = np.array([8, 8, 5])
    assert sums.mean("loss") == pytest.approx((losses * sizes).sum() / 21)
    means = {name: float(value) for name, value in sums.means("train").items()}
    assert means == pytest.approx(
        {
            "train_loss": (losses * sizes).sum() / 21,
            "elbo_train": (rna + atac + kl).mean(),
            "reconstruction_loss_train": (rna + atac).mean(),
            "kl_local_train": kl.mean(),
            "rna_to_rna_train": rna.mean(),
            "rna_to_atac_train": atac.mean(),
            "discriminator_loss_train": (others * sizes).sum() / 21,
        }
    )


def test_means_restart():
    sums = LossSums()
    for value in (1.0, 5.0):
        sums.add(
            LossOutput(torch.tensor(value), {"a": torch.full((4,), value)}, n_obs_minibatch=4),
            torch.tensor(value),
        )
        assert float(sums.means("validation")["validation_loss"]) == value
    assert sums.means("validation") == {}
    assert np.isnan(sums.mean("loss"))


def test_no_graph_is_kept():
    sums = LossSums()
    loss = torch.ones(3, requires_grad=True)
    sums.add(LossOutput(loss.sum(), {"a": loss * 2}, n_obs_minibatch=3), loss.sum())
    assert not any(value.requires_grad for value in sums.means("train").values())


def test_means_are_over_the_cells_that_have_a_term():
    """Of five cells, three have the first term: the others' zeros do not count."""
    sums = LossSums()
    for values in ([1.0, 2.0, 6.0, 0, 0], [3.0, 0, 0, 0, 0]):
        n_own = sum(value > 0 for value in values)
        output = LossOutput(
            torch.tensor(0.0),
            {"rna_to_atac": torch.tensor(values), "rna_to_rna": torch.full((5,), 2.0)},
            {"kl_atac": torch.tensor(values)},
            extra_metrics={"n_rna_to_atac": torch.tensor(n_own), "n_kl_atac": torch.tensor(n_own)},
            n_obs_minibatch=5,
        )
        sums.add(output, output.loss)
    means = {name: float(value) for name, value in sums.means("train").items()}
    assert means["rna_to_atac_train"] == means["kl_local_train"] == 3.0
    assert means["reconstruction_loss_train"] == 5.0
    assert means["elbo_train"] == 8.0
