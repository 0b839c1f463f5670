"""A translation and measured cells, brought to the same features and scale."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._callers import level_of_user
from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal.metrics._inputs import find_kind, read_counts, read_prediction, refuse_counts
from scvi_xmodal.metrics._scales import Scale, row_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    n_features
        Number of features that the values are relative to, where the translation recorded it.
    """

    kind: Kind
    prediction: Prediction
    target: str | None
    n_features: int = 0

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
        record = adata.uns.get(UNS_KEY, {})
        return cls(found, prediction, record.get("target"), int(record.get("n_features", 0)))

    def values(self, features: pd.Index) -> Any:
        """Return the predicted values of some features, of shape (n_cells, n_features)."""
        return _columns(self.prediction.matrix, self.prediction.var_names, features)

    def scaled(self, measured: Measured, features: pd.Index) -> Any:
        """Return measured counts of some features on the translation's scale.

        Expression is size-normalised to the total at which both sides have the same mean over
        cells and genes. The translation's own total would not do: that of expected log1p values
        is lower than that of the cells they stand for.
        """
        return self.all_scaled([measured], features)[0]

    def all_scaled(self, several: Sequence[Measured], features: pd.Index) -> list[Any]:
        """Return :meth:`scaled` of several, all at the total of the first.

        Where only some features were translated, measured cells are taken relative to all that
        the model knows, as the translation is, if they hold those; else a warning says so.

        Raises
        ------
        ValueError
            If one of them lacks a feature.
        """
        chosen = [part.with_features(features) for part in several]
        relative = all(self._is_relative_to(part) for part in several)
        wholes = list(several) if relative else chosen
        if self.kind != "rna":
            scaled = Scale(self.kind, 1.0).apply
            return [
                replace(part, matrix=scaled(part.matrix)).with_features(features).matrix
                for part in wholes
            ]
        counts = [part.matrix for part in chosen]
        libraries = [row_sums(part.matrix) for part in wholes]
        mean = float(self.values(features).mean())
        scale = Scale("rna", _library_with_mean(counts[0], libraries[0], mean))
        return [scale.apply(*own) for own in zip(counts, libraries, strict=True)]

    def _is_relative_to(self, measured: Measured) -> bool:
        """Return whether values are relative to more than was translated, which is measured."""
        own = self.prediction.var_names.size
        if self.kind == "atac" or self.n_features <= own:
            return False
        if measured.var_names.size == self.n_features:
            return True
        warn_of_few(own, self.n_features)
        return False

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


def warn_of_few(n_predicted: int, n_features: int) -> None:
    """Warn that measured cells are taken relative to the few features that were predicted."""
    warnings.warn(
        f"The predictions hold {n_predicted} of {n_features} features that their values are "
        "relative to, and measured cells are taken relative to these alone: scores of few are "
        "wrong. Give the measured cells with the features that the model was trained on, or "
        "translate all of them; metrics.evaluate_features scores one by one.",
        UserWarning,
        stacklevel=level_of_user(),
    )


def _library_with_mean(
    counts: sparse.csr_matrix, library: NDArray[np.float64], mean: float
) -> float:
    """Return the total to normalise cells to for a mean of some log1p values, within reason."""
    from scipy.optimize import brentq

    def excess(log_library: float) -> float:
        values = Scale("rna", float(np.exp(log_library))).apply(counts, library)
        return float(mean_profile(values).mean()) - mean

    low, high = np.log(_LIBRARIES)
    if excess(low) >= 0 or excess(high) <= 0:
        return float(_LIBRARIES[0] if excess(low) >= 0 else _LIBRARIES[1])
    return float(np.exp(brentq(excess, low, high, xtol=1e-6)))


def _columns(matrix: Any, names: pd.Index, wanted: pd.Index) -> Any:
    return matrix if names.equals(wanted) else matrix[:, names.get_indexer(wanted)]


def mean_profile(matrix: Any) -> NDArray[np.float64]:
    """Return the mean over cells, of shape (n_features,)."""
    return np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()
