"""Sequencing depth alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scvi_xmodal.baselines._base import Baseline
from scvi_xmodal.baselines._linear import fit_linear
from scvi_xmodal.baselines._profiles import depths

if TYPE_CHECKING:
    from scvi_xmodal.baselines._linear import Linear
    from scvi_xmodal.baselines._prediction import Encoder
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.baselines._training import Training


@dataclass(eq=False)
class DepthOnly(Baseline):
    """Regress each target feature on how deeply the source was sequenced, and nothing else.

    Least squares on log1p of the source's total count and of its number of detected features.
    Deep cells show more open peaks, so this alone explains much of a per-peak AUROC; a model
    that does not beat it has learned no biology.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30)
    >>> depth = xm.baselines.DepthOnly().fit(mdata, indices=range(40))
    >>> depth.translate(mdata["rna"], source="rna", target="atac").shape
    (60, 30)
    """

    def _fit_source(self, training: Training) -> tuple[Encoder, Values]:
        return depths, depths(training.counts)

    def _fit_pair(self, x: Values, target: Training) -> Linear:
        return fit_linear(x, target.profile, alpha=0.0)
