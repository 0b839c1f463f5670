from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from scvi_xmodal.datasets._cells import draw_cells
from scvi_xmodal.datasets._parameters import (
    DESIGNS,
    TYPICAL_PROTEIN,
    Link,
    atac_truth,
    draw_link,
    protein_truth,
    rna_truth,
)
from scvi_xmodal.datasets._truth import latent_features


@pytest.mark.parametrize("modality", DESIGNS)
def test_link_has_the_shapes_and_the_spread_of_its_design(modality, rng):
    link = Link(n_latent=4, n_features=3000, n_batches=2, batch_effect=0.5)
    drawn = draw_link(modality, link, rng)
    assert drawn["projection"].shape == (4, 12)
    assert drawn["loadings"].shape == (12, 3000)
    norms = np.linalg.norm(drawn["loadings"], axis=0)
    assert np.sqrt(np.mean(norms**2)) == pytest.approx(DESIGNS[modality].scale, rel=0.05)
    assert drawn["bias"].std() == pytest.approx(DESIGNS[modality].bias_sd, rel=0.05)
    assert drawn["batch_shift"].std() == pytest.approx(0.5, rel=0.05)


def test_loadings_of_the_three_parts_follow_their_weights(rng):
    link = Link(n_latent=5, n_features=20_000, n_batches=1, batch_effect=0.0)
    parts = draw_link("rna", link, rng)["loadings"].reshape(3, -1).std(axis=1)
    np.testing.assert_allclose(parts / parts[1], [0.4, 1.0, 2.0], rtol=0.03)


@pytest.mark.parametrize("density", [0.003, 0.05, 0.6])
@pytest.mark.parametrize("n_peaks", [1, 300, 5001])
def test_biases_open_the_wanted_fraction_of_peaks(density, n_peaks, rng):
    cells = draw_cells(400, 3, 4, 1, rng)
    link = Link(n_latent=3, n_features=n_peaks, n_batches=1, batch_effect=0.0)
    truth = atac_truth(link, cells, density, rng)
    signal = latent_features(cells.latent, truth["projection"]) @ truth["loadings"]
    probability = expit(truth["bias"] + signal + cells.log_depth[:, [1]])
    # Beyond 2,000 peaks only some of them are calibrated on.
    assert probability.mean() == pytest.approx(density, rel=1e-6 if n_peaks < 2000 else 0.1)


def test_rna_and_protein_carry_what_their_counts_need(rng):
    link = Link(n_latent=2, n_features=2000, n_batches=1, batch_effect=0.0)
    rna = rna_truth(link, 1500, rng)
    assert rna["depth"] == 1500
    protein = protein_truth(link, rng)
    assert protein["bias"].mean() == pytest.approx(np.log(TYPICAL_PROTEIN), abs=0.1)
    for values in (rna["dispersion"], protein["dispersion"], protein["background"]):
        assert values.shape == (2000,)
        assert values.min() > 0
        assert np.median(values) == pytest.approx(5, rel=0.1)
