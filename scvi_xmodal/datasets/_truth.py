"""The noise-free profile behind simulated counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from scvi_xmodal._arguments import check_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    Truth = Mapping[str, NDArray[np.float64]]


def true_mean(
    mdata: MuData,
    modality: str,
    *,
    rows: ArrayLike | None = None,
    batch: str | None = None,
) -> NDArray[np.float64]:
    r"""Return the noise-free profile of simulated cells at the median sequencing depth.

    With :math:`\eta_c` the linear predictor of cell :math:`c`, its batch included,

    .. math::

        \text{rna: } L\,\mathrm{softmax}(\eta_c), \qquad
        \text{atac: } \sigma(\eta_c), \qquad
        \text{protein: } b + \exp(\eta_c)

    where :math:`L` is the median library size (``rna_depth``) and :math:`b` the proteins'
    background. These are the scales of ``translate``: expected counts at the median depth for
    RNA (its ``layers["mean"]``) and protein, the probability that a peak is open for ATAC.

    Parameters
    ----------
    mdata
        What :func:`~scvi_xmodal.datasets.synthetic` returned, or a subset of its cells.
    modality
        ``"rna"``, ``"atac"`` or ``"protein"``.
    rows
        Rows to compute; all by default. The answer is dense: ask for some rows of large data.
    batch
        Compute every cell as if it had been measured in this batch; by default in its own.

    Returns
    -------
    numpy.ndarray
        Of shape (n_rows, n_features), in the feature order of the simulation.

    Raises
    ------
    ValueError
        If ``mdata`` carries no truth, or the modality or batch is unknown.

    Examples
    --------
    >>> from scvi_xmodal.datasets import synthetic, true_mean
    >>> mdata = synthetic(n_cells=20, rna_depth=1000)
    >>> true_mean(mdata, "rna").sum(axis=1).round(6)[:3]
    array([1000., 1000., 1000.])
    """
    check_arguments(locals())
    truth = _find_truth(mdata, modality)
    chosen = np.arange(mdata.n_obs) if rows is None else np.atleast_1d(np.asarray(rows))
    latent = np.asarray(mdata.obsm["truth_latent"])[chosen]
    codes = batch_codes(mdata, batch)[chosen]
    return mean_profile(truth, modality, linear_predictor(truth, latent, codes))


def mean_profile(
    truth: Truth, modality: str, predictor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn the linear predictor of shape (n_cells, n_features) into the mean at median depth."""
    if modality == "rna":
        return truth["depth"] * softmax(predictor, axis=1)
    if modality == "atac":
        return expit(predictor)
    return truth["background"] + np.exp(predictor)


def linear_predictor(
    truth: Truth, latent: NDArray[np.float64], batch: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return bias + features(z) loadings + batch shift, of shape (n_cells, n_features)."""
    signal = latent_features(latent, truth["projection"]) @ truth["loadings"]
    return truth["bias"] + signal + truth["batch_shift"][batch]


def latent_features(
    latent: NDArray[np.float64], projection: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what loadings act on: z, tanh(2 zA) and tanh((zB)(zC)), for projection [A, B, C].

    The products are squashed so that no cell lies far from all others: without it, a few cells
    would open most peaks and many none.

    Parameters
    ----------
    latent
        Latent states z of shape (n_cells, n_latent).
    projection
        The matrices A, B and C side by side, of shape (n_latent, 3 n_latent).

    Returns
    -------
    numpy.ndarray
        Of shape (n_cells, 3 n_latent).
    """
    squashed, left, right = np.split(latent @ projection, 3, axis=1)
    return np.hstack([latent, np.tanh(2 * squashed), np.tanh(left * right)])


def batch_codes(mdata: MuData, batch: str | None) -> NDArray[np.int64]:
    """Return each cell's row in ``batch_shift``: its own batch's, or that of ``batch``."""
    names = pd.Index(np.asarray(mdata.uns["truth"]["batches"]).astype(str))
    if batch is None:
        return names.get_indexer(mdata.obs["batch"].astype(str))
    if batch not in names:
        raise ValueError(f"Unknown batch {batch!r}; the simulated batches are {list(names)}.")
    return np.full(mdata.n_obs, names.get_loc(batch))


def _find_truth(mdata: MuData, modality: str) -> Truth:
    if "truth" not in mdata.uns or "truth_latent" not in mdata.obsm:
        raise ValueError(
            "The MuData carries no truth (uns['truth'], obsm['truth_latent']). Only "
            "scvi_xmodal.datasets.synthetic() writes it; a single modality does not have it."
        )
    known = [key for key in mdata.uns["truth"] if key != "batches"]
    if modality not in known:
        raise ValueError(f"Unknown modality {modality!r}; the simulated ones are {known}.")
    return mdata.uns["truth"][modality]
