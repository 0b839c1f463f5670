"""A translation and measured cells, brought to the same features and scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal.metrics._blocks import slices
from scvi_xmodal.metrics._inputs import find_kind, read_counts, read_prediction
from scvi_xmodal.metrics._scales import Scale

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.metrics._matching import Measured, Prediction


@dataclass(frozen=True, eq=False)
class Translated:
    """A translation that measured cells are compared with.

    Parameters
    ----------
    kind
        What was predicted.
    prediction
        Its values and names.
    expected
        Expected counts of shape (n_cells, n_features), for RNA.
    target
        Key of the predicted modality, where the translation recorded it.
    """

    kind: Kind
    prediction: Prediction
    expected: Any
    target: str | None

    @classmethod
    def read(cls, adata: AnnData, *, kind: str | None = None) -> Translated:
        """Read a translation.

        Raises
        ------
        ValueError
            If values are missing, or nothing says what they are of.
        """
        found = find_kind({"prediction": adata}, kind)
        prediction = read_prediction(adata, name="prediction")
        target = adata.uns.get(UNS_KEY, {}).get("target")
        return cls(found, prediction, adata.layers.get("mean"), target)

    def values(self, features: pd.Index) -> Any:
        """Return the predicted values of some features, of shape (n_cells, n_features)."""
        return _columns(self.prediction.matrix, self.prediction.var_names, features)

    def library(self, features: pd.Index) -> float:
        """Return the median over cells of the expected total of some genes."""
        given = self.prediction.matrix if self.expected is None else self.expected
        values = _columns(given, self.prediction.var_names, features)
        totals = np.empty(values.shape[0])
        for rows in slices(*values.shape):
            block = values[rows].toarray() if sparse.issparse(values) else values[rows]
            block = np.expm1(block) if self.expected is None else block
            totals[rows] = np.asarray(block, dtype=np.float64).sum(axis=1)
        return max(float(np.median(totals)), 1e-12)

    def scaled(self, measured: Measured, features: pd.Index) -> Any:
        """Return measured counts of some features on the translation's scale."""
        counts = _columns(measured.matrix, measured.var_names, features)
        library = self.library(features) if self.kind == "rna" else 1.0
        return Scale(self.kind, library).apply(counts)

    def shared_features(self, others: pd.Index, *, least: int, name: str) -> pd.Index:
        """Return the features that the translation shares with others, in its order.

        Raises
        ------
        ValueError
            If they are fewer than ``least``.
        """
        own = self.prediction.var_names
        shared = own[own.isin(others)]
        if shared.size < least:
            raise ValueError(
                f"The prediction and {name} share {shared.size} features, of {own.size} and "
                f"{others.size}; at least {least} are needed. The one's are named "
                f"{list(own[:3])}, the other's {list(others[:3])}."
            )
        return shared

    def read_measured(self, data: AnnData | MuData, layer: str | None, *, name: str) -> Measured:
        """Read measured counts of what was predicted.

        Raises
        ------
        ValueError
            If they are missing, no counts, or there are no cells.
        """
        measured = read_counts(data, kind=self.kind, target=self.target, layer=layer, name=name)
        if measured.matrix.shape[0] == 0:
            raise ValueError(f"{name} has no cells.")
        return measured


def _columns(matrix: Any, names: pd.Index, wanted: pd.Index) -> Any:
    return matrix if names.equals(wanted) else matrix[:, names.get_indexer(wanted)]


def mean_profile(matrix: Any) -> NDArray[np.float64]:
    """Return the mean over cells, of shape (n_features,)."""
    return np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()
