"""A seeded simulator of paired modalities whose truth is known."""

from __future__ import annotations

import numbers
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData
from mudata import MuData

from scvi_xmodal._arguments import NUMBER, check_arguments
from scvi_xmodal.datasets._cells import MODALITIES, cell_table, draw_cells
from scvi_xmodal.datasets._features import named_table, peak_table
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.datasets._parameters import Link, atac_truth, protein_truth, rna_truth
from scvi_xmodal.datasets._sampling import sample_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from scvi_xmodal.datasets._cells import Cells
    from scvi_xmodal.datasets._truth import Truth


def synthetic(
    *,
    n_cells: int = 400,
    n_genes: int = 200,
    n_peaks: int = 600,
    n_proteins: int = 0,
    n_chromosomes: int = 4,
    n_latent: int = 5,
    n_cell_types: int = 4,
    n_batches: int = 1,
    batch_effect: float = 0.0,
    rna_depth: float = 2000,
    atac_density: float = 0.05,
    seed: int = 0,
) -> MuData:
    r"""Simulate cells measured in RNA, ATAC and, if wanted, protein, with known truth.

    A cell's latent state :math:`z` is the centre of its cell type plus continuous variation
    within the type. Each modality sees it through features of its own,
    :math:`\phi(z) = [z, \tanh(2zA), \tanh((zB)(zC))]`, so that neither modality is a linear
    function of the other, and has the linear predictor
    :math:`\eta = \mathrm{bias} + \phi(z)W + \mathrm{shift}_\mathrm{batch}`:

    - RNA: negative binomial with mean :math:`\mu = d L\,\mathrm{softmax}(\eta)` and variance
      :math:`\mu + \mu^2/\theta`;
    - ATAC: a peak is open with probability :math:`\sigma(\eta + \log d)` and then counts
      :math:`1 + \mathrm{Poisson}(0.25)`;
    - protein: negative binomial with :math:`\mu = d\,(\mathrm{background} + e^\eta)`.

    The depth :math:`d` of a cell is log-normal with median 1 and correlates between the
    modalities.

    Parameters
    ----------
    n_cells
        Number of cells.
    n_genes
        Number of genes.
    n_peaks
        Number of peaks, spread evenly over the chromosomes and sorted by position.
    n_proteins
        Number of proteins; 0 leaves the modality out.
    n_chromosomes
        Number of chromosomes, named ``chr1``, ``chr2``, ...
    n_latent
        Dimension of the latent state.
    n_cell_types
        Number of cell types, of equal size.
    n_batches
        Number of batches, of equal size and independent of the cell type.
    batch_effect
        Standard deviation of the shift that a batch gives a feature's linear predictor.
    rna_depth
        Median library size :math:`L`.
    atac_density
        Expected fraction of open peaks.
    seed
        Equal seeds give equal data. RNA and ATAC don't depend on ``n_proteins``.

    Returns
    -------
    MuData
        Modalities ``rna``, ``atac`` and perhaps ``protein`` with CSR float32 counts.
        ``obs["cell_type"]`` and ``obs["batch"]`` stand at the top and in each modality, which
        also has ``obs["true_depth"]``, the :math:`d` above; ``atac.var`` has ``chrom``,
        ``start`` and ``end``. The truth stands at the top level alone:
        ``obsm["truth_latent"]`` is :math:`z` of shape (n_cells, n_latent), and
        ``uns["truth"]`` holds for each modality ``projection`` [A, B, C], ``loadings`` W,
        ``bias``, ``batch_shift`` (rows in the order of ``uns["truth"]["batches"]``) and, where
        they exist, ``dispersion`` :math:`\theta`, ``background`` and ``depth`` L.
        :func:`~scvi_xmodal.datasets.true_mean` turns them into the noise-free profile.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> from scvi_xmodal.datasets import synthetic
    >>> mdata = synthetic(n_cells=50, n_proteins=10)
    >>> {name: adata.shape for name, adata in mdata.mod.items()}
    {'rna': (50, 200), 'atac': (50, 600), 'protein': (50, 10)}
    """
    check_arguments(locals())
    sizes = {"n_cells": n_cells, "n_genes": n_genes, "n_peaks": n_peaks, "n_latent": n_latent}
    groups = {"n_chromosomes": n_chromosomes, "n_cell_types": n_cell_types, "n_batches": n_batches}
    _check_integers(sizes | groups, at_least=1)
    _check_integers({"n_proteins": n_proteins, "seed": seed}, at_least=0)
    _check_rates(batch_effect, rna_depth, atac_density)

    rng, rna, atac, protein = (np.random.default_rng([seed, stream]) for stream in range(4))
    cells = draw_cells(n_cells, n_latent, n_cell_types, n_batches, rng)
    link = partial(Link, n_latent=n_latent, n_batches=n_batches, batch_effect=batch_effect)
    truth = {
        "rna": rna_truth(link(n_features=n_genes), rna_depth, rna),
        "atac": atac_truth(link(n_features=n_peaks), cells, atac_density, atac),
    }
    var = {
        "rna": named_table("gene", n_genes),
        "atac": peak_table(n_peaks, n_chromosomes, rng),
    }
    if n_proteins:
        truth["protein"] = protein_truth(link(n_features=n_proteins), protein)
        var["protein"] = named_table("protein", n_proteins)
    counts = {
        name: sample_counts(truth[name], name, cells, stream)
        for name, stream in zip(truth, (rna, atac, protein), strict=False)
    }
    return _assemble(counts, cell_table(cells, n_cell_types, n_batches), var, truth, cells)


def _assemble(
    counts: Mapping[str, object],
    obs: pd.DataFrame,
    var: Mapping[str, pd.DataFrame],
    truth: Mapping[str, Truth],
    cells: Cells,
) -> MuData:
    depth = dict(zip(MODALITIES, np.exp(cells.log_depth).T, strict=True))
    modalities = {
        name: AnnData(x, obs=obs.assign(true_depth=depth[name]), var=var[name])
        for name, x in counts.items()
    }
    with own_columns_only():
        mdata = MuData(modalities)
    for column in obs:
        mdata.obs[column] = obs[column]
    mdata.obsm["truth_latent"] = cells.latent
    batches = obs["batch"].cat.categories.to_numpy(dtype=object)
    mdata.uns["truth"] = {"batches": batches, **truth}
    return mdata


def _check_integers(values: Mapping[str, object], *, at_least: int) -> None:
    for name, value in values.items():
        if not isinstance(value, numbers.Integral) or value < at_least:
            raise ValueError(f"{name} must be an integer of at least {at_least}, got {value!r}.")


def _check_rates(batch_effect: float, rna_depth: float, atac_density: float) -> None:
    rates = {"batch_effect": batch_effect, "rna_depth": rna_depth, "atac_density": atac_density}
    check_arguments(rates, **dict.fromkeys(rates, NUMBER))
    if not 0 <= batch_effect < np.inf:
        raise ValueError(f"batch_effect must be a number of at least 0, got {batch_effect!r}.")
    if not 0 < rna_depth < np.inf:
        raise ValueError(f"rna_depth must be a number above 0, got {rna_depth!r}.")
    if not 0 < atac_density < 1:
        raise ValueError(f"atac_density must lie between 0 and 1, got {atac_density!r}.")
