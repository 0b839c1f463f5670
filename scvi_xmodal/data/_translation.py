"""What every translation returns: one contract for models and baselines."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData

import scvi_xmodal
from scvi_xmodal._arguments import shown
from scvi_xmodal._constants import UNS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from scvi_xmodal.module import ModalitySpec

SCALES: dict[str, str] = {"rna": "log1p", "atac": "probability", "protein": "clr"}
"""What a kind's predictions are, where a model does not say otherwise."""


def translation(
    layers: Mapping[str, NDArray[Any]],
    *,
    obs: pd.DataFrame,
    var: pd.DataFrame,
    record: Mapping[str, Any],
) -> AnnData:
    """Wrap predicted values in an AnnData.

    Parameters
    ----------
    layers
        ``"X"`` and any further layers, of shape (n_cells, n_features).
    obs
        The query's annotation of cells; copied.
    var
        The training features; copied.
    record
        What :func:`translation_record` returns.

    Returns
    -------
    AnnData of shape (n_cells, n_features), with the ``uns`` of :func:`translation_uns`.
    """
    further = {name: values for name, values in layers.items() if name != "X"}
    return AnnData(
        X=layers["X"],
        obs=obs.copy(),
        var=var.copy(),
        layers=further,
        uns=translation_uns(record),
    )


def translation_uns(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a translation's ``uns``: its record and, of RNA, what scanpy notes of logarithms.

    ``uns["log1p"]`` makes :func:`scanpy.pp.log1p` warn before it takes logarithms again, and tells
    :func:`scanpy.tl.rank_genes_groups` the base, here e. Drawn RNA is counts, so it has none.
    """
    is_log1p = record.get("scale") == SCALES["rna"]
    return {UNS_KEY: dict(record), **({"log1p": {"base": math.e}} if is_log1p else {})}


def translation_record(
    *,
    source: str,
    target: str,
    target_kind: str,
    model: str,
    options: Mapping[str, Any],
    scale: str | None = None,
    n_features: int | None = None,
) -> dict[str, Any]:
    """Return where a translation comes from: modalities, model, versions and options.

    ``scale`` is that of ``X``: by default its kind's of ``SCALES``, otherwise ``"tfidf"`` or, of
    draws, ``"counts"``. ``n_features``, of who says so, are the target's features that the model
    knows, which values are relative to, however few of them are kept.
    """
    packages = ("scvi-tools", "torch", "anndata", "mudata")
    versions = {name: version(name) for name in packages}
    return {
        "source": source,
        "target": target,
        "target_kind": target_kind,
        "scale": scale or SCALES[target_kind],
        **({} if n_features is None else {"n_features": n_features}),
        "model": model,
        "versions": {"scvi-xmodal": scvi_xmodal.__version__, **versions},
        # h5ad cannot hold None
        "options": {key: "None" if value is None else value for key, value in options.items()},
    }


def stacked(
    blocks: Iterator[dict[str, NDArray[np.float32]]], n_rows: int
) -> dict[str, NDArray[np.float32]]:
    """Stack blocks of rows into arrays made once, so that no row is held twice."""
    whole: dict[str, NDArray[np.float32]] = {}
    start = 0
    for block in blocks:
        for name, values in block.items():
            if name not in whole:
                whole[name] = np.empty((n_rows, *values.shape[1:]), dtype=values.dtype)
            whole[name][start : start + len(values)] = values
        start += len(values)
    return whole


def chosen_columns(spec: ModalitySpec, features: Sequence[str] | None) -> NDArray[np.int64]:
    """Return the columns of the features that were asked for by name, in that order."""
    if features is None:
        return np.arange(spec.n_features)
    names = [features] if isinstance(features, str) else list(features)
    if not names:
        raise ValueError(
            f"features is empty: name some of the model's {spec.key!r} features, or None for all."
        )
    twice = {shown(name) for name in names if not isinstance(name, str) or names.count(name) > 1}
    if twice:
        raise ValueError(f"features must be names, each once; got {sorted(twice)[:3]}.")
    columns = pd.Index(spec.feature_names).get_indexer(pd.Index(names, dtype=object))
    if (columns < 0).any():
        unknown = [name for name, column in zip(names, columns, strict=True) if column < 0]
        raise ValueError(
            f"{len(unknown)} of the features asked for are not among the model's {spec.key!r} "
            f"features, such as {unknown[:3]}."
        )
    return columns
