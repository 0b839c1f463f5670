"""Scores of predicted responses to a perturbation, whose cells nobody can measure twice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._inputs import read_predictions
from scvi_xmodal.metrics._pearson import pearson_per_feature
from scvi_xmodal.metrics._translated import Translated, mean_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from scvi_xmodal.metrics._matching import Measured

_FEWEST_CELLS = 2


@dataclass(frozen=True)
class _Resampling:
    n: int
    fraction: float
    replace: bool
    seed: int


def evaluate_perturbation(
    prediction: AnnData | Mapping[str, AnnData],
    truth: AnnData,
    control: AnnData,
    *,
    n_top: int = 100,
    n_resamples: int = 100,
    fraction: float = 0.8,
    replace: bool = True,
    layer: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Score predicted perturbed cells against other cells that were measured perturbed.

    The two scores of scButterfly's paper (Cao et al. 2024, Methods), for the cells of one type:
    how many genes are among the ``n_top`` differentially expressed both of predicted against
    control cells and of measured perturbed against control cells; and

    .. math:: R^2 = r^2\left(\bar p_D, \bar y_D\right)

    the squared Pearson correlation of mean expression over the measured top genes D, of
    resampled cells. Genes are ranked by scanpy's t-test, most increased first. The paper samples
    80 % of the cells with replacement, the published code without: ``replace``.

    Both scores are high for who predicts nothing: means of unchanged genes correlate too. Read
    them against the row ``"control"``, and ``pearson_change``, the correlation of what changed.

    Parameters
    ----------
    prediction
        Predicted perturbed cells, log1p expression as ``translate`` returns it, or a dict of
        several by name.
    truth
        Raw counts of measured perturbed cells.
    control
        Raw counts of measured control cells.
    n_top
        Number of genes.
    n_resamples
        Number of resamples.
    fraction
        Fraction of the cells of each side in a resample.
    replace
        Whether a resample may hold a cell twice.
    layer
        Layer of the counts; ``None`` for ``X``.
    seed
        Seeds the resampling.

    Returns
    -------
    One row for each prediction and one for the control cells, with the columns ``common_degs``,
    ``common_degs_by_chance`` (n_top squared over the number of genes), ``r2_mean`` and ``r2_sd``
    over the resamples, ``r2`` of all cells, ``pearson_change`` over the measured top genes,
    and the numbers of cells. The control cells change nothing, so they have no common genes. A
    prediction of that name takes their row's place.

    Raises
    ------
    ValueError
        If genes are fewer than twice ``n_top``, a side has fewer than two cells or holds the
        other's, or values are no counts.

    Notes
    -----
    Counts are size-normalised to the total at which measured perturbed cells have the mean
    expression of the first prediction, control cells to the same.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> from scvi_xmodal.metrics import evaluate_perturbation
    >>> rng = np.random.default_rng(0)
    >>> base = rng.gamma(2.0, size=60)
    >>> changed = base * np.where(np.arange(60) < 10, 4, 1)
    >>> control, truth = (AnnData(rng.poisson(rate, (40, 60))) for rate in (base, changed))
    >>> prediction = AnnData(np.log1p(rng.normal(changed, 0.1, (40, 60)).clip(0)))
    >>> evaluate_perturbation(prediction, truth, control, n_top=10)["common_degs"].to_dict()
    {'prediction': 10, 'control': 0}
    """
    check_arguments(locals(), prediction=None, truth=None, control=None)
    if n_top < 2 or n_resamples < 1 or not 0 < fraction <= 1:
        raise ValueError(
            f"n_top={n_top} must be above 1, n_resamples={n_resamples} above 0, and "
            f"fraction={fraction} between 0 and 1."
        )
    named = read_predictions(prediction)
    sides = _read(named, truth, control, layer, n_top)
    resampling = _Resampling(n_resamples, fraction, replace, seed)
    top = _top_genes(sides.truth, sides.control, n_top)
    rows = {}
    named_values = {**sides.predictions}
    named_values.setdefault("control", sides.control)
    for name, values in named_values.items():
        same = values is sides.control
        own = set() if same else set(_top_genes(values, sides.control, n_top))
        chance = n_top**2 / values.shape[1]
        rows[name] = {
            "common_degs": len(own & set(top)),
            "common_degs_by_chance": chance,
            **_agreement(values, sides, top, resampling),
            "n_cells_predicted": values.shape[0],
            "n_cells_measured": sides.truth.shape[0],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("prediction")


@dataclass(frozen=True, eq=False)
class _Sides:
    """Log1p expression of shape (n_cells, n_genes), same genes and scale."""

    predictions: dict[str, Any]
    truth: Any
    control: Any


def _read(
    named: dict[str, AnnData], truth: AnnData, control: AnnData, layer: str | None, n_top: int
) -> _Sides:
    translated = {name: Translated.read(adata, kind="rna") for name, adata in named.items()}
    first = next(iter(translated.values()))
    measured, untreated = (
        first.read_measured(adata, layer, name=name)
        for name, adata in (("truth", truth), ("control", control))
    )
    genes = first.shared_features(measured.var_names, least=1, name="truth")
    for name, names in [("control", untreated.var_names)] + [
        (f"prediction {name!r}", one.prediction.var_names) for name, one in translated.items()
    ]:
        genes = genes[genes.isin(names)]
        if len(genes) < 2 * n_top:
            raise ValueError(
                f"With {name}, {len(genes)} genes are shared by all: at least {2 * n_top} are "
                f"needed for n_top={n_top}."
            )
    both = [side.with_features(genes) for side in (measured, untreated)]
    values = {name: one.values(genes) for name, one in translated.items()}
    sides = _Sides(values, *first.all_scaled([measured, untreated], genes))
    # as pairs: predictions may have any name
    for name, matrix in [("truth", sides.truth), ("control", sides.control), *values.items()]:
        if matrix.shape[0] < _FEWEST_CELLS:
            raise ValueError(f"{name} has {matrix.shape[0]} cells: at least 2 are needed.")
    for whole, part in permutations(both):
        _refuse_part(whole, part)
    return sides


def _refuse_part(whole: Measured, part: Measured) -> None:
    """Raise if one side holds all cells of the other: the two conditions were not parted."""
    rows = whole.obs.index.get_indexer(part.obs.index)
    # names alone do not tell: those of two files may be the same numbers
    if (rows >= 0).all() and not (whole.matrix[rows] != part.matrix).nnz:
        raise ValueError(
            f"{whole.name} holds all {rows.size} cells of {part.name}, such as "
            f"{part.obs.index[0]!r}: give the cells of its condition alone, such as "
            f"{whole.name}[{whole.name}.obs['condition'] == 'stim']."
        )


def _top_genes(perturbed: Any, control: Any, n_top: int) -> NDArray[np.int64]:
    """Return the columns of the genes most increased by Welch's t-test, best first."""
    from anndata import AnnData

    from scvi_xmodal.metrics._differential import rank_features

    # predicted expression is nowhere 0: dense takes less than sparse
    parts = [s.toarray() if sparse.issparse(s) else np.asarray(s) for s in (perturbed, control)]
    cells = AnnData(np.concatenate(parts).astype(np.float32, copy=False))
    cells.obs["condition"] = np.repeat(
        ["perturbed", "control"], [perturbed.shape[0], control.shape[0]]
    )
    table = rank_features(cells, "condition", feature="gene", method="t-test")
    best = table[table["group"] == "perturbed"]["gene"].iloc[:n_top]
    return best.astype(np.int64).to_numpy()


def _agreement(
    values: Any, sides: _Sides, top: NDArray[np.int64], resampling: _Resampling
) -> dict[str, float]:
    predicted, measured, control = (side[:, top] for side in (values, sides.truth, sides.control))
    rng = np.random.default_rng(resampling.seed)
    means = [_resampled_means(side, resampling, rng) for side in (predicted, measured)]
    r2 = pearson_per_feature(means[1].T, means[0].T) ** 2
    center = mean_profile(control)
    p, y = mean_profile(predicted), mean_profile(measured)
    return {
        "r2_mean": float(r2.mean()),
        "r2_sd": float(r2.std(ddof=1)) if r2.size > 1 else float("nan"),
        "r2": float(pearson_per_feature(y[:, None], p[:, None])[0] ** 2),
        "pearson_change": float(
            pearson_per_feature((y - center)[:, None], (p - center)[:, None])[0]
        ),
    }


def _resampled_means(
    values: Any, resampling: _Resampling, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return mean expression of resampled cells, of shape (n_resamples, n_genes)."""
    n_cells = values.shape[0]
    n_drawn = max(round(resampling.fraction * n_cells), 1)
    if resampling.replace:
        drawn = rng.multinomial(n_drawn, np.full(n_cells, 1 / n_cells), size=resampling.n)
    else:
        first = np.arange(n_cells) < n_drawn
        drawn = rng.permuted(np.tile(first, (resampling.n, 1)), axis=1)
    return np.asarray(drawn.astype(np.float64) @ values) / n_drawn
