"""Linear regression on the leading components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.extmath import randomized_svd

from scvi_xmodal._arguments import NUMBER, check_arguments
from scvi_xmodal.baselines._base import Baseline
from scvi_xmodal.baselines._linear import fit_linear
from scvi_xmodal.baselines._profiles import LogTfIdf, clr

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from scvi_xmodal.baselines._linear import Linear
    from scvi_xmodal.baselines._prediction import Encoder
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.baselines._training import Training


@dataclass(eq=False)
class Ridge(Baseline):
    """Regress the target on the leading singular vectors of the source.

    The source is log1p size-normalised (RNA), weighted by the logarithm of TF-IDF (ATAC) or
    standardised centred log-ratios (protein); truncated singular value decomposition, then
    ridge regression of all target features at once. The targets stay sparse.

    Parameters
    ----------
    n_components
        Number of components; at most one less than training cells and than source features.
    alpha
        Penalty, as in :class:`sklearn.linear_model.Ridge` on the components as they are; by
        default each direction's own, by generalised cross-validation on the training cells.
    seed
        Seed of the randomised decomposition.

    Raises
    ------
    ValueError
        If ``n_components`` is below 1 or ``alpha`` is negative.

    Notes
    -----
    Chosen by five-fold cross-validation on the cortex and BMMC sets: the logarithm of TF-IDF
    predicted genes better than TF-IDF or binarised peaks on both, and the chosen penalty peaks
    better than none, which there falls below sequencing depth alone.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30)
    >>> ridge = xm.baselines.Ridge(n_components=8).fit(mdata, indices=range(40))
    >>> ridge.translate(mdata["atac"], source="atac", target="rna").shape
    (60, 20)
    """

    n_components: int = 50
    alpha: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_arguments(self._options(), alpha=NUMBER.or_none())
        if self.n_components < 1:
            raise ValueError(f"n_components={self.n_components}: at least 1 is needed.")
        if self.alpha is not None and self.alpha < 0:
            raise ValueError(f"alpha={self.alpha} is negative; 0 means no penalty.")

    def _fit_source(self, training: Training) -> tuple[Encoder, Values]:
        weigh = _fit_weights(training)
        x = weigh(training.counts)
        encoder = Projection(weigh, _components(x, self.n_components, seed=self.seed))
        return encoder, x @ encoder.components

    def _fit_pair(self, x: Values, target: Training) -> Linear:
        return fit_linear(x, target.profile, alpha=self.alpha)


@dataclass(frozen=True, eq=False)
class Projection:
    """Projects weighted counts on components.

    Parameters
    ----------
    weigh
        What turns counts into weighted values.
    components
        Right singular vectors of shape (n_features, n_components).
    """

    weigh: Encoder
    components: NDArray[np.float64]

    def __call__(self, counts: sparse.csr_matrix) -> NDArray[np.float64]:
        """Return scores of shape (n_cells, n_components)."""
        return self.weigh(counts) @ self.components


@dataclass(frozen=True, eq=False)
class StandardizedClr:
    """Centred log-ratios in units of the training cells' standard deviation.

    Parameters
    ----------
    mean, scale
        Mean and standard deviation of each protein, of shape (n_proteins,).
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __call__(self, counts: sparse.csr_matrix) -> NDArray[np.float64]:
        """Map counts of shape (n_cells, n_proteins) to values of the same shape."""
        return (clr(counts) - self.mean) / self.scale


def _fit_weights(training: Training) -> Encoder:
    kind = training.modality.spec.kind
    if kind == "atac":
        return LogTfIdf(training.modality.statistics.idf)
    if kind == "protein":
        spread = training.profile.std(axis=0)
        return StandardizedClr(training.profile.mean(axis=0), np.where(spread > 0, spread, 1.0))
    return training.modality.profile


def _components(x: Values, n_components: int, *, seed: int) -> NDArray[np.float64]:
    """Return leading right singular vectors of shape (n_features, n_components)."""
    n_components = min(n_components, min(x.shape) - 1)
    if n_components < 1:  # a single cell or feature: nothing varies that could be regressed on
        return np.zeros((x.shape[1], 0))
    return randomized_svd(x, n_components, n_iter=5, random_state=seed)[2].T
