"""The mean of the training cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scvi_xmodal.baselines._base import Baseline
from scvi_xmodal.baselines._profiles import feature_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal.baselines._prediction import Encoder
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.baselines._training import Training


@dataclass(eq=False)
class Mean(Baseline):
    """Give every cell the mean profile of the training cells.

    Knows nothing of the cell: whatever it scores is what a score gives away for free.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30)
    >>> mean = xm.baselines.Mean().fit(mdata, indices=range(40))
    >>> rna = mean.translate(mdata["atac"], source="atac", target="rna")
    >>> rna.shape, bool((rna.X == rna.X[0]).all())
    ((60, 20), True)
    """

    def _fit_source(self, training: Training) -> tuple[Encoder, Values]:
        return training.modality.profile, training.profile

    def _fit_pair(self, x: Values, target: Training) -> Constant:
        return Constant(feature_means(target.profile))


@dataclass(frozen=True, eq=False)
class Constant:
    """Predicts the same for every cell.

    Parameters
    ----------
    value
        The prediction, of shape (n_features,).
    """

    value: NDArray[np.float64]

    def __call__(self, x: Values) -> NDArray[np.float64]:
        """Return predictions of shape (n_cells, n_features)."""
        return np.broadcast_to(self.value, (x.shape[0], self.value.size))
