"""Predictions and measured counts, brought to the same cells, features and scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._constants import CONDITIONS, UNS_KEY
from scvi_xmodal.metrics._inputs import (
    find_kind,
    read_counts,
    read_prediction,
    read_predictions,
    refuse_counts,
)
from scvi_xmodal.metrics._scales import Scale
from scvi_xmodal.metrics._translated import mean_profile, warn_of_few

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.metrics._matching import Measured, Prediction


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is compared, on one scale.

    Parameters
    ----------
    kind
        What was predicted.
    predictions
        The predictions by name, all of the same cells and features in any order.
    truth
        The measured values on the prediction's scale, in the order of the first prediction.
    mean
        Mean of the reference on that scale, of shape (n_features,), in the order of the first
        prediction; ``None`` without a reference.
    """

    kind: Kind
    predictions: dict[str, Prediction]
    truth: Measured
    mean: NDArray[np.float64] | None

    @property
    def first(self) -> Prediction:
        """The first prediction, which the order of cells and features is taken from."""
        return next(iter(self.predictions.values()))

    @property
    def mean_prediction(self) -> NDArray[np.float64] | None:
        """The mean as a prediction of shape (n_cells, n_features); takes no memory."""
        if self.mean is None:
            return None
        return np.broadcast_to(self.mean, (len(self.truth.obs), self.mean.size))


def compare(
    prediction: AnnData | Mapping[str, AnnData],
    truth: AnnData | MuData,
    *,
    reference: AnnData | MuData | None,
    kind: str | None,
    layer: str | None,
) -> Comparison:
    """Read and match everything.

    Raises
    ------
    ValueError
        If anything is missing or does not match, before a score is computed.
    """
    named = read_predictions(prediction)
    _refuse_responses(named)
    found = find_kind(named, kind)
    predictions = {name: read_prediction(adata, name=name) for name, adata in named.items()}
    if found != "atac":  # ranks of peaks may be by counts
        for name, one in predictions.items():
            refuse_counts(one.matrix, found, name=f"X of prediction {name!r}")
    first, *others = predictions.values()
    for other in others:
        _check_same(first, other)
    target = next(iter(named.values())).uns.get(UNS_KEY, {}).get("target")
    parts = {"truth": _read(truth, found, target, layer, "truth").with_cells(first)}
    if reference is not None:
        parts["reference"] = _read(reference, found, target, layer, "reference")
    if found == "atac" or not _holds_whole(parts, named, first):
        parts = {name: part.with_features(first.var_names) for name, part in parts.items()}
    scale = Scale.fitted(found, parts.get("reference", parts["truth"]).matrix)
    scaled = {
        name: replace(part, matrix=scale.apply(part.matrix)).with_features(first.var_names)
        for name, part in parts.items()
    }
    training = scaled.get("reference")
    return Comparison(
        kind=found,
        predictions=predictions,
        truth=scaled["truth"],
        mean=None if training is None else mean_profile(training.matrix),
    )


def _holds_whole(
    parts: Mapping[str, Measured], named: Mapping[str, AnnData], first: Prediction
) -> bool:
    """Return whether predictions are of some features and measured counts of all of the model's.

    Expression and log-ratios are relative to all features of a cell: the truth's own of the
    same genes, relative to these alone, would be other values.
    """
    sizes = {adata.uns.get(UNS_KEY, {}).get("n_features", 0) for adata in named.values()} - {0}
    most, own = max(sizes, default=0), first.var_names.size
    if most <= own:
        return False
    if len(sizes) == 1 and all(part.var_names.size == most for part in parts.values()):
        return True
    warn_of_few(own, most)
    return False


def _refuse_responses(named: Mapping[str, AnnData]) -> None:
    """Raise at responses to a perturbation: their cells were measured in the other condition."""
    for name, adata in named.items():
        record = adata.uns.get(UNS_KEY, {})
        if {record.get("source"), record.get("target")} == set(CONDITIONS):
            raise ValueError(
                f"Prediction {name!r} is of {record['target']!r} cells that were measured as "
                f"{record['source']!r}, so that no truth is of these cells: "
                "metrics.evaluate_perturbation compares them with other cells."
            )


def _read(data: Any, kind: Kind, target: str | None, layer: str | None, name: str) -> Measured:
    measured = read_counts(data, kind=kind, target=target, layer=layer, name=name)
    if measured.matrix.shape[0] == 0:
        raise ValueError(f"{name} has no cells.")
    return measured


def _check_same(first: Prediction, other: Prediction) -> None:
    """Raise unless two predictions have the same cells and features, in any order."""
    for what, one, two in (
        ("cells", first.obs.index, other.obs.index),
        ("features", first.var_names, other.var_names),
    ):
        n_shared = int((one.get_indexer(two) >= 0).sum())
        if not n_shared == one.size == two.size:
            raise ValueError(
                f"Predictions {first.name!r} and {other.name!r} stand in one table only with the "
                f"same {what}: they have {one.size} and {two.size}, of which {n_shared} are the "
                "same."
            )
