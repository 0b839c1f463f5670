"""The litmus test: whether translated cells, taken together, look like measured ones."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics import pearson_per_feature, spearman_per_feature
from scvi_xmodal.metrics._groups import group_labels, group_means
from scvi_xmodal.metrics._translated import Translated, mean_profile

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

GOOD, POOR = 0.70, 0.27
"""Wu et al. 2021, Fig. 4: BABEL on tumours, called good; gene-activity scores there."""

_ALL = "all cells"
_FEWEST_FEATURES = 3


@dataclass(frozen=True, eq=False)
class PseudobulkConcordance:
    """How well mean profiles of translated cells agree with those of measured ones.

    Parameters
    ----------
    table
        One row for all cells and one for each group: ``pearson`` and ``spearman`` over the
        features, ``pearson_specific`` between what sets the group apart from the mean of all
        groups on either side, ``pearson_training``, that of the training cells' mean, and the
        numbers of cells.
    profiles
        Mean profiles, ``predicted`` and ``reference``, by group and feature.
    verdict
        What to make of it, in a line.
    """

    table: pd.DataFrame
    profiles: pd.DataFrame
    verdict: str


def pseudobulk_concordance(
    prediction: AnnData,
    reference: AnnData | MuData,
    *,
    groupby: str | None = None,
    training: AnnData | MuData | None = None,
    kind: str | None = None,
    layer: str | None = None,
) -> PseudobulkConcordance:
    r"""Compare mean profiles of translated cells with those of measured ones.

    The test that BABEL's paper proposes for any new sample (Wu et al. 2021, "pseudobulk"): the
    reference is any measured experiment of like tissue, of other cells. Pearson's r of

    .. math:: \bar x_j = \frac{1}{n} \sum_i x_{ij} \quad \text{and} \quad
        \bar y_j = \frac{1}{m} \sum_i \ln\left(1 + \frac{y_{ij}}{l_i} L\right)

    over shared genes j, with translated profiles x, counts y, library size l and the total L
    that gives both sides the same mean over genes. Peaks are compared by their open fraction,
    proteins by centred log-ratios.

    It is a test that a poor translation can fail, not one that a good one must pass: genes that
    are high in all cells alone give a high r. Read it beside ``pearson_training`` and, with
    groups, ``pearson_specific``, of which the paper has neither.

    Parameters
    ----------
    prediction
        What ``translate`` returned.
    reference
        Raw counts of the same modality in measured cells, or a MuData that holds it. Where only
        some of a model's genes were translated, give all that it knows: values are relative to
        those.
    groupby
        Column of both ``obs``, such as cell types, for a row each; groups that only one side
        has are left out with a warning.
    training
        Raw counts of the training cells, whose mean is the profile to beat.
    kind
        ``"rna"``, ``"atac"`` or ``"protein"``, for predictions that do not record it.
    layer
        Layer of the counts; ``None`` for ``X``.

    Returns
    -------
    :class:`PseudobulkConcordance`; :func:`scvi_xmodal.pl.pseudobulk` draws it.

    Raises
    ------
    ValueError
        If fewer than three features, or no groups, are shared, a group is called as the row of
        all cells is, or values are no counts.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=120, n_genes=40, n_peaks=60)
    >>> ridge = xm.baselines.Ridge(n_components=8).fit(mdata, indices=range(80))
    >>> rna = ridge.translate(mdata["atac"][80:], source="atac", target="rna")
    >>> print(xm.tl.pseudobulk_concordance(rna, mdata["rna"][:80]).verdict)
    Pearson r = 0.9... over 40 features: at least 0.70, ...
    """
    check_arguments(locals())
    translated = Translated.read(prediction, kind=kind)
    measured = translated.read_measured(reference, layer, name="reference")
    features = translated.shared_features(
        measured.var_names, least=_FEWEST_FEATURES, name="reference"
    )
    sides = _Sides(
        translated.values(features), translated.scaled(measured, features), prediction, measured
    )
    base = None
    if training is not None:
        trained = translated.read_measured(training, layer, name="training")
        base = mean_profile(translated.scaled(trained, features))
    found = {_ALL: sides.means()}
    cells = {_ALL: (prediction.n_obs, len(measured.obs))}
    if groupby is not None:
        groups, cells_of = _grouped(sides, groupby)
        found, cells = found | groups, cells | cells_of
    table = _table(found, cells, base)
    profiles = pd.concat(
        {
            name: pd.DataFrame(dict(zip(("predicted", "reference"), pair, strict=True)), features)
            for name, pair in found.items()
        },
        names=["group", "feature"],
    )
    return PseudobulkConcordance(table, profiles, _verdict(table, features.size))


@dataclass(frozen=True, eq=False)
class _Sides:
    """Both matrices on one scale, of shape (n_cells, n_features), and who the cells are."""

    predicted: Any
    reference: Any
    predicted_cells: Any
    reference_cells: Any

    def means(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return mean_profile(self.predicted), mean_profile(self.reference)


_Pair = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


def _grouped(sides: _Sides, groupby: str) -> tuple[dict[str, _Pair], dict[str, tuple[int, int]]]:
    """Return mean profiles and numbers of cells of the groups that both sides have."""
    one = group_labels(sides.predicted_cells, groupby, name="prediction")
    two = group_labels(sides.reference_cells, groupby, name="reference")
    shared = one.cat.categories[one.cat.categories.isin(two.cat.categories)]
    if not shared.size:
        raise ValueError(
            f"Prediction and reference share no group of obs[{groupby!r}]: the one has "
            f"{list(one.cat.categories[:5])}, the other {list(two.cat.categories[:5])}."
        )
    if _ALL in shared:
        raise ValueError(
            f"A group of obs[{groupby!r}] is called {_ALL!r}, as the row of all cells is: rename "
            "it."
        )
    alone = one.cat.categories.symmetric_difference(two.cat.categories)
    if alone.size:
        warnings.warn(
            f"{alone.size} groups are on one side only and left out: {list(alone[:5])}.",
            stacklevel=3,
        )
    one, two = (labels.cat.set_categories(shared) for labels in (one, two))
    means = group_means(sides.predicted, one), group_means(sides.reference, two)
    sizes = (labels.value_counts().reindex(shared) for labels in (one, two))
    pairs = dict(zip(shared, zip(*means, strict=True), strict=True))
    return pairs, dict(zip(shared, zip(*sizes, strict=True), strict=True))


def _table(
    found: dict[str, _Pair],
    cells: dict[str, tuple[int, int]],
    base: NDArray[np.float64] | None,
) -> pd.DataFrame:
    predicted, reference = (np.column_stack(side) for side in zip(*found.values(), strict=True))
    scores = {
        "pearson": pearson_per_feature(reference, predicted),
        "spearman": spearman_per_feature(reference, predicted),
    }
    if len(found) > 2:  # all cells and at least two groups
        specific = [
            side - side[:, 1:].mean(axis=1, keepdims=True) for side in (reference, predicted)
        ]
        scores["pearson_specific"] = np.r_[np.nan, pearson_per_feature(*specific)[1:]]
    if base is not None:
        constant = np.repeat(base[:, None], reference.shape[1], axis=1)
        scores["pearson_training"] = pearson_per_feature(reference, constant)
    table = pd.DataFrame(scores, index=pd.Index(found, name="group"))
    numbers = pd.DataFrame(cells, index=["n_cells_predicted", "n_cells_reference"]).T
    return table.join(numbers.astype(int))


def _verdict(table: pd.DataFrame, n_features: int) -> str:
    first, groups = table.iloc[0], table.iloc[1:]
    r = first["pearson"]
    line = f"Pearson r = {r:.2f} over {n_features:,} features: "
    if np.isnan(r):
        return line + "undefined, because one of the mean profiles is constant."
    if r >= GOOD:
        line += f"at least {GOOD:.2f}, which BABEL's paper called good agreement."
    elif r > POOR:
        line += f"below BABEL's {GOOD:.2f} on tumours; look at single genes before trusting it."
    else:
        line += f"at most {POOR:.2f}, that of gene-activity scores in BABEL's paper: don't use it."
    if first.get("pearson_training", -1.0) >= r:
        line += f" The mean of the training cells alone reaches {first['pearson_training']:.2f}."
    if len(groups) and groups["pearson"].notna().any():
        worst = groups["pearson"].idxmin()
        line += f" Worst group: {worst} ({groups['pearson'].min():.2f})."
    return line
