"""Draw the parameters of a simulation: what links the latent state to each modality."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from scvi_xmodal.datasets._truth import linear_predictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal.datasets._cells import Cells
    from scvi_xmodal.datasets._truth import Truth


class Design(NamedTuple):
    """How strongly a modality's features depend on the latent state."""

    weights: tuple[float, float, float]
    """Relative weight of the linear, the squashed and the product part."""
    scale: float
    """Expected norm of a feature's loadings."""
    bias_sd: float
    """Standard deviation over features of their base level."""


# Products dominate, so that neither modality is a linear function of the other; enough of the
# latent state enters linearly that it can be read off either.
DESIGNS = {
    "rna": Design(weights=(0.4, 1.0, 2.0), scale=2.5, bias_sd=1.0),
    "atac": Design(weights=(0.8, 1.0, 1.5), scale=4.0, bias_sd=0.7),
    "protein": Design(weights=(0.8, 1.0, 1.5), scale=1.5, bias_sd=0.8),
}

TYPICAL_DISPERSION = 5.0
TYPICAL_BACKGROUND = 5.0
TYPICAL_PROTEIN = 30.0
"""Count of an average protein above its background, at depth 1."""

CALIBRATION_SIZE = (500, 2000)
"""Cells and peaks, at most, on which the density of ATAC is calibrated."""


class Link(NamedTuple):
    """What decides the link between the latent state and a modality."""

    n_latent: int
    n_features: int
    n_batches: int
    batch_effect: float


def rna_truth(link: Link, depth: float, rng: np.random.Generator) -> Truth:
    """Draw the parameters of RNA with median library size ``depth``."""
    dispersion = TYPICAL_DISPERSION * rng.lognormal(sigma=0.3, size=link.n_features)
    return draw_link("rna", link, rng) | {
        "dispersion": dispersion,
        "depth": np.asarray(depth, float),
    }


def atac_truth(link: Link, cells: Cells, density: float, rng: np.random.Generator) -> Truth:
    """Draw the parameters of ATAC and shift the biases until ``density`` peaks are open."""
    drawn = draw_link("atac", link, rng)
    return drawn | {"bias": drawn["bias"] + density_shift(drawn, cells, density)}


def protein_truth(link: Link, rng: np.random.Generator) -> Truth:
    """Draw the parameters of protein, each with a background of its own."""
    size = link.n_features
    drawn = draw_link("protein", link, rng)
    return drawn | {
        "bias": drawn["bias"] + np.log(TYPICAL_PROTEIN),
        "dispersion": TYPICAL_DISPERSION * rng.lognormal(sigma=0.3, size=size),
        "background": TYPICAL_BACKGROUND * rng.lognormal(sigma=0.5, size=size),
    }


def draw_link(
    modality: str, link: Link, rng: np.random.Generator
) -> dict[str, NDArray[np.float64]]:
    """Draw projection, loadings, bias and batch shifts of a modality.

    Parameters
    ----------
    modality
        A key of ``DESIGNS``.
    link
        Numbers of latent dimensions, features and batches, and the batches' effect.
    rng
        Source of randomness.

    Returns
    -------
    dict
        ``projection`` of shape (n_latent, 3 n_latent), ``loadings`` of shape (3 n_latent,
        n_features), ``bias`` of shape (n_features,), ``batch_shift`` of shape (n_batches,
        n_features).
    """
    design = DESIGNS[modality]
    weights = np.repeat(design.weights, link.n_latent)
    weights *= design.scale / np.linalg.norm(weights)
    shape = (link.n_batches, link.n_features)
    return {
        "projection": rng.normal(size=(link.n_latent, 3 * link.n_latent)) / link.n_latent**0.5,
        "loadings": weights[:, None] * rng.normal(size=(weights.size, link.n_features)),
        "bias": design.bias_sd * rng.normal(size=link.n_features),
        "batch_shift": link.batch_effect * rng.normal(size=shape),
    }


def density_shift(truth: Truth, cells: Cells, density: float) -> float:
    """Find the number that, added to all biases, opens the wanted fraction of peaks.

    Solved on the first cells and on peaks spread over the genome, so that the cost doesn't
    grow with the data.
    """
    n_cells, n_peaks = CALIBRATION_SIZE
    step = -(-truth["bias"].size // n_peaks)
    part = {k: v if k == "projection" else v[..., ::step] for k, v in truth.items()}
    predictor = linear_predictor(part, cells.latent[:n_cells], cells.batch[:n_cells])
    predictor = predictor + cells.log_depth[:n_cells, 1:2]
    reach = np.abs(predictor).max() + abs(logit(density)) + 1
    return brentq(lambda shift: expit(predictor + shift).mean() - density, -reach, reach)
