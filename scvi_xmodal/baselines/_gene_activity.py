"""Accessibility around a gene, without any training."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData
from scipy import sparse

from scvi_xmodal.baselines._activity import ActivityRule, activity_weights
from scvi_xmodal.baselines._base import Baseline
from scvi_xmodal.baselines._profiles import feature_means, log_normalize
from scvi_xmodal.data import read_genes

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.baselines._prediction import Encoder, Predictor
    from scvi_xmodal.baselines._profiles import Values
    from scvi_xmodal.baselines._training import Training


@dataclass(eq=False)
class GeneActivity(Baseline):
    r"""Add up the open peaks around each gene; ATAC to RNA only, and nothing is trained.

    ArchR's gene score (Granja et al., *Nature Genetics* 53, 2021), the baseline of BABEL's paper
    (Wu et al. 2021, Methods): peaks count by :math:`e^{-d/5000} + e^{-1}` with their distance d
    in bp from the gene body (extended 5,000 bp upstream), up to 100,000 bp and not beyond
    neighbouring genes; short genes weigh up to five times as much as long ones; counts of a peak
    are cut at 4. Each cell's scores are scaled to one total.

    Three things differ from ArchR. It counts fragments in tiles of 500 bp, here peaks are
    counted, as BABEL did. It scales totals to 10,000, here to the training cells' median library
    size, so that the output is on every translation's scale. Genes without a place in the table
    get their training mean, as :class:`Mean` gives; their number is warned of.

    Parameters
    ----------
    genes
        Where genes lie: ``chrom``, ``start``, ``end`` (bp, half-open) and ``strand``, indexed by
        gene or with a column ``name``; :func:`~scvi_xmodal.datasets.gene_table` for hg38 and
        mm10, or an RNA modality's ``var`` with such columns. Its genes bound each other's
        windows, so give all of a genome.
    rule
        Distances and weights, if others than ArchR's.
    ceiling
        Largest count of a peak in a cell.

    Raises
    ------
    ValueError
        If the table or a number is invalid; in :meth:`fit`, if there is no RNA or no ATAC, peaks
        have no coordinates, no peak is near a gene, or over half of the genes have no place.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.cortex_snareseq()
    >>> mdata.mod["rna"] = mdata["rna"][:, ["Gad1", "Slc17a7"]].copy()
    >>> activity = xm.baselines.GeneActivity(xm.datasets.gene_table("mm10"))
    >>> activity = activity.fit(mdata, indices=range(100))
    >>> activity.translate(mdata["atac"], source="atac", target="rna").shape
    (2000, 2)
    """

    genes: pd.DataFrame = field(repr=False)
    rule: ActivityRule = field(default_factory=ActivityRule)
    ceiling: float = 4.0

    def __post_init__(self) -> None:
        self.genes = read_genes(self.genes)
        for name, value in {**asdict(self.rule), "ceiling": self.ceiling}.items():
            if not value > 0:
                raise ValueError(f"{name}={value} must be above 0.")

    def _knows(self, source: Kind, target: Kind) -> bool:
        return (source, target) == ("atac", "rna")

    def _fit_source(self, training: Training) -> tuple[Encoder, Values]:
        from scvi_xmodal.pp import annotate_peaks

        peaks = annotate_peaks(AnnData(var=training.modality.var)).var
        weights = activity_weights(peaks, self.genes, self.rule)
        if weights.nnz == 0:
            raise ValueError(
                f"No peak is near a gene: peaks are on {list(peaks['chrom'].unique()[:3])}, genes "
                f"on {list(self.genes['chrom'].unique()[:3])}. Are chromosomes named alike, and "
                "is it the same assembly?"
            )
        return Activity(weights, self.ceiling), training.counts[:0]  # no input is learned from

    def _fit_pair(self, x: Values, target: Training) -> Predictor:
        place = self.genes.index.get_indexer(target.modality.spec.feature_names)
        known = place >= 0
        if known.sum() * 2 < known.size:
            raise ValueError(
                f"Only {known.sum()} of {known.size} genes are in the gene table; the data name "
                f"them {list(target.modality.spec.feature_names[:3])}, the table "
                f"{list(self.genes.index[:3])}."
            )
        if not known.all():
            warnings.warn(
                f"{(~known).sum()} of {known.size} genes are not in the gene table; they get "
                "their training mean.",
                stacklevel=3,
            )
        library = target.modality.statistics.median_library
        return Scores(place, feature_means(target.profile), library)

    def _options(self) -> dict[str, Any]:
        return asdict(self.rule) | {"ceiling": self.ceiling, "n_genes": len(self.genes)}


@dataclass(frozen=True, eq=False)
class Activity:
    """Adds up the peaks around each gene of the table.

    Parameters
    ----------
    weights
        Weights of shape (n_peaks, n_table_genes).
    ceiling
        Largest count of a peak in a cell.
    """

    weights: sparse.csc_matrix
    ceiling: float

    def __call__(self, counts: sparse.csr_matrix) -> sparse.csr_matrix:
        """Map counts of shape (n_cells, n_peaks) to scores of shape (n_cells, n_table_genes)."""
        parts = (np.minimum(counts.data, self.ceiling), counts.indices, counts.indptr)
        return sparse.csr_matrix(parts, shape=counts.shape) @ self.weights


@dataclass(frozen=True, eq=False)
class Scores:
    """Takes the scores of some genes, scales each cell and takes logs.

    Parameters
    ----------
    place
        Number of each gene in the table, -1 without one, of shape (n_genes,).
    mean
        Mean log1p expression in training, of shape (n_genes,).
    library
        Total to scale each cell to.
    """

    place: NDArray[np.int64]
    mean: NDArray[np.float64]
    library: float

    def __call__(self, x: sparse.csr_matrix) -> NDArray[np.float64]:
        """Return log1p expression of shape (n_cells, n_genes)."""
        known = self.place >= 0
        values = np.tile(self.mean, (x.shape[0], 1))
        scores = sparse.csr_matrix(x)[:, self.place[known]]
        values[:, known] = log_normalize(scores, self.library).toarray()
        return values
