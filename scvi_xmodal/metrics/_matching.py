"""Predictions and measured values whose cells and features are matched by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal.data._matching import match_places

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Prediction:
    """A translation, read and checked.

    Parameters
    ----------
    name
        How the table calls it.
    matrix
        Predicted values of shape (n_cells, n_features), dense or sparse, not copied.
    obs
        Annotation of the cells; its index names them.
    var_names
        Names of the features.
    scale
        What the values are, where the translation recorded it.
    """

    name: str
    matrix: Any
    obs: pd.DataFrame
    var_names: pd.Index
    scale: str | None = None


@dataclass(frozen=True, eq=False)
class Measured:
    """Measured values of one modality: counts, or counts brought to the prediction's scale.

    Parameters
    ----------
    name
        How messages call them, such as ``truth``.
    matrix
        Values of shape (n_cells, n_features): CSR, or dense for scaled protein.
    obs
        Annotation of the cells; its index names them.
    var_names
        Names of the features.
    """

    name: str
    matrix: Any
    obs: pd.DataFrame
    var_names: pd.Index

    def aligned_to(self, prediction: Prediction) -> Any:
        """Return the values in the prediction's order of cells and features.

        Raises
        ------
        ValueError
            If the cells are not the same, or a feature is missing.
        """
        return self.with_features(prediction.var_names).with_cells(prediction).matrix

    def with_cells(self, prediction: Prediction) -> Measured:
        """Return the prediction's cells in its order, all features.

        Raises
        ------
        ValueError
            If the cells are not the same.
        """
        rows, obs = _match_cells(self, prediction), self.obs.loc[prediction.obs.index]
        return Measured(self.name, self.matrix[rows], obs, self.var_names)

    def with_features(self, var_names: pd.Index) -> Measured:
        """Return the values of some features, in their order.

        Raises
        ------
        ValueError
            If one is missing.
        """
        if self.var_names.equals(var_names):
            return self
        columns = match_places(
            var_names, self.var_names, self.var_names.get_indexer(var_names).astype(np.int64)
        )
        missing = var_names[columns < 0]
        if missing.size:
            raise ValueError(
                f"{self.name} lacks {missing.size} of the prediction's {var_names.size} "
                f"features, such as {list(missing[:3])}; its own are named "
                f"{list(self.var_names[:3])}. Give the modality that was predicted, with its "
                "features named as in training."
            )
        return Measured(self.name, self.matrix[:, columns], self.obs, var_names)


def _match_cells(measured: Measured, prediction: Prediction) -> Any:
    """Return the row of each of the prediction's cells."""
    cells, own = prediction.obs.index, measured.obs.index
    if own.equals(cells):
        return slice(None)
    rows = own.get_indexer(cells)
    n_shared = int((rows >= 0).sum())
    if n_shared == 0:
        raise ValueError(
            f"Prediction {prediction.name!r} and {measured.name} share no cells: the one's are "
            f"named {list(cells[:3])}, the other's {list(own[:3])}."
        )
    if n_shared < cells.size or own.size != cells.size:
        raise ValueError(
            f"Prediction {prediction.name!r} has {cells.size} cells and {measured.name} "
            f"{own.size}, of which {n_shared} are the same. Take the same cells of both, such as "
            f"{measured.name}[prediction.obs_names]."
        )
    return rows.astype(np.int64)
