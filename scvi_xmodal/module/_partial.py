"""Minibatches whose cells were measured in some of the modalities only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from scvi.module.base import LossOutput
from torch.distributions import Normal

from scvi_xmodal.module._linear_path import Blend

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from scvi_xmodal.module._butterfly import ButterflyVAE
    from scvi_xmodal.module._spec import Path
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import Presence, SparseRows

PRESENCE = "presence"
"""Where a minibatch keeps its :class:`~scvi_xmodal.nn.Presence`, if some cells lack some."""


def partly_decoded(
    module: ButterflyVAE,
    translated: Mapping[Path, torch.Tensor],
    batch: Mapping[str, torch.Tensor | None],
    presence: Presence,
) -> dict[Path, torch.Tensor]:
    """Return each path's hidden units, of the cells that its source and target both measured.

    Sources share a pass of the decoder, and so its batch statistics, as where all cells were
    measured in all modalities. Paths without a cell are left out.

    Parameters
    ----------
    module
        The network.
    translated
        Embeddings of each path, of all cells that its source measured.
    batch
        Batches of the cells that each modality measured.
    presence
        Which cells these are.
    """
    hidden: dict[Path, torch.Tensor] = {}
    for target in dict.fromkeys(t for _, t in translated):
        rows = {s: presence.shared(s, t) for s, t in translated if t == target}
        sources = [s for s, (ours, _) in rows.items() if ours.shape[0]]
        stacked = module.architecture.stack_sources
        for group in [sources] if stacked else [[s] for s in sources]:
            sizes = [rows[s][0].shape[0] for s in group]
            if sum(sizes) < (2 if module.training else 1):
                continue  # batch norm cannot be computed over one cell
            embedding = torch.cat([translated[s, target][rows[s][0]] for s in group])
            labels = batch[target]
            if labels is not None:
                labels = torch.cat([labels.view(-1)[rows[s][1]] for s in group])
            decoded = module.decoders[target](embedding, labels).split(sizes)
            hidden.update({(s, target): own for s, own in zip(group, decoded, strict=True)})
    return hidden


def of_cells(
    measured: tuple[SparseRows, SparseRows | torch.Tensor | None], rows: torch.Tensor
) -> tuple[SparseRows, SparseRows | torch.Tensor | None]:
    """Return some rows of a modality's counts and of the encoder's inputs."""
    counts, x = measured
    if x is not None:
        x = x[rows] if isinstance(x, torch.Tensor) else x.select(rows)
    return counts.select(rows), x


def fit_depth(
    module: ButterflyVAE,
    statistics: Mapping[str, FeatureStatistics],
    pairs: Mapping[str, NDArray[np.int64]] | None,
) -> None:
    """Fit each path's depth predictor on the cells that have both of its ends.

    Parameters
    ----------
    module
        The network.
    statistics
        Statistics of each modality over its training cells.
    pairs
        Number of each pair's cell among each modality's, -1 where it was not measured; by default
        all modalities' cells are the same, in the same order.
    """
    for source, target in module.paths:
        theirs, ours = statistics[source], statistics[target]
        if pairs is not None:
            both = (pairs[source] >= 0) & (pairs[target] >= 0)
            theirs, ours = (
                own.of_cells(pairs[key][both]) for key, own in ((source, theirs), (target, ours))
            )
        likelihood = module.decoders[target].likelihood
        totals = likelihood.totals_of(ours)
        predictor = module.depth_predictors[f"{source}_to_{target}"]
        if totals.size:
            predictor.fit(theirs, totals)
        else:
            predictor.fit_constant(float(likelihood.median_total))


def partial_output(
    loss: torch.Tensor,
    reconstruction: Mapping[str, torch.Tensor],
    kl: Mapping[str, torch.Tensor],
    presence: Presence,
) -> LossOutput:
    """Return the losses of cells of which some lack some of the terms.

    scvi-tools adds terms up cell by cell, so that all must be of shape (n_cells,): what a cell
    lacks is 0, and ``extra_metrics`` has the number of cells that have each term.
    """
    terms = [
        {name: F.pad(own, (0, presence.n_cells - own.shape[0])) for name, own in part.items()}
        for part in (reconstruction, kl)
    ]
    sizes = {name: own.shape[0] for part in (reconstruction, kl) for name, own in part.items()}
    return LossOutput(
        loss=loss,
        reconstruction_loss=terms[0] or loss.new_zeros(presence.n_cells),
        kl_local=terms[1],
        extra_metrics={f"n_{name}": torch.tensor(size) for name, size in sizes.items()},
        n_obs_minibatch=presence.n_cells,
    )


def mean_of_posteriors(
    posteriors: Mapping[str, Normal], presence: Presence | None = None
) -> Normal:
    r"""Average what several modalities say of the same cells' latents.

    .. math:: \bar z = \tfrac{1}{k} \sum_s z_s \sim N\left(\tfrac{1}{k} \sum_s \mu_s,
        \tfrac{1}{k^2} \sum_s \sigma_s^2\right)

    Each of a cell's k modalities counts the same. Weights by precision (a product of experts; Wu &
    Goodman, NeurIPS 2018) would suit variances that say how much a modality knows. Here they do
    not: the posterior of a cell with a hundredth of the reads may be the narrowest, and weighing
    by it costs accuracy (``benchmarks.mosaic``).

    Parameters
    ----------
    posteriors
        Each modality's q(z), of the cells that it measured.
    presence
        Which cells these are; by default all.
    """
    mean = mean_over_sources({key: q.mean for key, q in posteriors.items()}, presence)
    # the mean of the variances, once more divided by the number of modalities
    variance = mean_over_sources({key: q.variance for key, q in posteriors.items()}, presence)
    ones = {key: torch.ones_like(q.mean) for key, q in posteriors.items()}
    number = _sum_over_sources(ones, presence)
    return Normal(mean, (variance / number).sqrt(), validate_args=False)


def mean_of_blends(blends: Mapping[str, Blend], presence: Presence | None = None) -> Blend:
    """Average how several modalities' predictions of the same cells are blended.

    Parameters
    ----------
    blends
        Each modality's, of the cells that it measured.
    presence
        Which cells these are; by default all.
    """
    shares = {key: own.share.expand(own.scores.shape[0], 1) for key, own in blends.items()}
    n_sources = _sum_over_sources(
        {key: own.scores.new_ones(own.scores.shape[0], 1) for key, own in blends.items()}, presence
    )
    # side by side, scores of all sources give the sum over sources of their products
    scores = [_sum_over_sources({key: own.scores}, presence) for key, own in blends.items()]
    coefficients = torch.cat([own.coefficients for own in blends.values()])
    share = mean_over_sources(shares, presence)
    return Blend(share, torch.cat(scores, dim=1) / n_sources, coefficients)


def mean_over_sources(
    values: Mapping[str, torch.Tensor], presence: Presence | None = None
) -> torch.Tensor:
    """Return each cell's mean over the modalities that it has."""
    ones = {key: torch.ones_like(own) for key, own in values.items()}
    return _sum_over_sources(values, presence) / _sum_over_sources(ones, presence)


def _sum_over_sources(
    values: Mapping[str, torch.Tensor], presence: Presence | None
) -> torch.Tensor:
    if presence is None:
        return torch.stack(list(values.values())).sum(0)
    example = next(iter(values.values()))
    total = example.new_zeros(presence.n_cells, *example.shape[1:])
    for key, own in values.items():
        total = total.index_add(0, presence.cells[key].to(own.device), own)
    return total
