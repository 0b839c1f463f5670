"""From measured counts to the scale that predictions are on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind


@dataclass(frozen=True)
class Scale:
    r"""The scale of a kind of modality.

    RNA is :math:`\ln(1 + y_{ij} L / l_i)` with library size l of these features and target
    size L, ATAC is 1 where a peak has counts, protein is the centred log-ratio
    :math:`\ln(1 + y_{ij}) - \frac{1}{J} \sum_k \ln(1 + y_{ik})`.

    Parameters
    ----------
    kind
        What the counts are of.
    library
        Target library size, for RNA.
    """

    kind: Kind
    library: float

    @classmethod
    def fitted(cls, kind: Kind, counts: sparse.csr_matrix) -> Scale:
        """Take the median library size of the cells that have any count."""
        library = row_sums(counts)
        library = library[library > 0]
        return cls(kind, float(np.median(library)) if library.size else 1.0)

    def apply(self, counts: sparse.csr_matrix, library: NDArray[np.float64] | None = None) -> Any:
        """Return counts of shape (n_cells, n_features) on the scale; dense for protein only.

        ``library`` are the cells' RNA sizes, where these are not all features.
        """
        if self.kind == "protein":
            logged = np.log1p(counts.toarray().astype(np.float64))
            return logged - logged.mean(axis=1, keepdims=True)
        if self.kind == "atac":
            return (counts > 0).astype(np.float32)
        # Divided first: 1 of 3 and 3 of 9 counts are then the same number, a tie of ranks.
        # Zeros may be stored, also of a cell that has nothing else.
        sums = row_sums(counts) if library is None else library
        sums = np.maximum(sums, np.finfo(np.float64).tiny)
        share = counts.data / np.repeat(sums, np.diff(counts.indptr))
        values = np.log1p(share * self.library)
        return sparse.csr_matrix((values, counts.indices, counts.indptr), counts.shape)

    def mean(self, counts: sparse.csr_matrix) -> NDArray[np.float64]:
        """Return the mean over cells on the scale, of shape (n_features,)."""
        return np.asarray(self.apply(counts).mean(axis=0, dtype=np.float64)).ravel()


def row_sums(counts: sparse.csr_matrix) -> NDArray[np.float64]:
    """Return the total of each cell, of shape (n_cells,)."""
    return np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
