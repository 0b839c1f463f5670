"""A translation and measured cells, brought to the same features and scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal.metrics._inputs import find_kind, read_counts, read_prediction, refuse_counts
from scvi_xmodal.metrics._scales import Scale

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray
    from scipy import sparse

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.metrics._matching import Measured, Prediction

_LIBRARIES = (1e-2, 1e8)


@dataclass(frozen=True, eq=False)
class Translated:
    """A translation that measured cells are compared with.

    Parameters
    ----------
    kind
        What was predicted.
    prediction
        Its values and names.
    target
        Key of the predicted modality, where the translation recorded it.
    """

    kind: Kind
    prediction: Prediction
    target: str | None

    @classmethod
    def read(cls, adata: AnnData, *, kind: str | None = None) -> Translated:
        """Read a translation.

        Raises
        ------
        ValueError
            If values are missing or raw counts, or nothing says what they are of.
        """
        found = find_kind({"prediction": adata}, kind)
        prediction = read_prediction(adata, name="prediction")
        refuse_counts(prediction.matrix, found, name="prediction.X")
        target = adata.uns.get(UNS_KEY, {}).get("target")
        return cls(found, prediction, target)

    def values(self, features: pd.Index) -> Any:
        """Return the predicted values of some features, of shape (n_cells, n_features)."""
        return _columns(self.prediction.matrix, self.prediction.var_names, features)

    def scaled(self, measured: Measured, features: pd.Index) -> Any:
        """Return measured counts of some features on the translation's scale.

        Expression is size-normalised to the total at which both sides have the same mean over
        cells and genes. The translation's own total would not do: that of expected log1p values
        is lower than that of the cells they stand for.
        """
        counts = _columns(measured.matrix, measured.var_names, features)
        return self.scale(counts, features).apply(counts)

    def scale(self, counts: sparse.csr_matrix, features: pd.Index) -> Scale:
        """Return the scale that :meth:`scaled` brings counts of some features to."""
        if self.kind != "rna":
            return Scale(self.kind, 1.0)
        return Scale("rna", _library_with_mean(counts, float(self.values(features).mean())))

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


def _library_with_mean(counts: sparse.csr_matrix, mean: float) -> float:
    """Return the total to normalise cells to for a mean of log1p values, within reason."""
    from scipy.optimize import brentq

    def excess(log_library: float) -> float:
        values = Scale("rna", float(np.exp(log_library))).apply(counts)
        return float(values.mean(dtype=np.float64)) - mean

    low, high = np.log(_LIBRARIES)
    if excess(low) >= 0 or excess(high) <= 0:
        return float(_LIBRARIES[0] if excess(low) >= 0 else _LIBRARIES[1])
    return float(np.exp(brentq(excess, low, high, xtol=1e-6)))


def _columns(matrix: Any, names: pd.Index, wanted: pd.Index) -> Any:
    return matrix if names.equals(wanted) else matrix[:, names.get_indexer(wanted)]


def mean_profile(matrix: Any) -> NDArray[np.float64]:
    """Return the mean over cells, of shape (n_features,)."""
    return np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()
