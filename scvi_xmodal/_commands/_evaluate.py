"""Score a model on a file of paired cells."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._commands._cells import read_cells
from scvi_xmodal._commands._common import layers_of, load_model, paired, quiet, say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray


def evaluate_file(
    model_dir: Path,
    data: Path,
    *,
    labels_key: str | None = None,
    layer: str | None = None,
    baselines: bool = True,
) -> pd.DataFrame:
    """Score a model's translations of paired cells that it was not trained on.

    Parameters
    ----------
    model_dir
        Folder of a saved model. Where :func:`train_model` wrote it, training and validation
        cells in the file are not scored; the training ones serve as reference and teach the
        baselines.
    data
        File of paired cells.
    labels_key
        Column of ``obs`` with cell types, for the clustering scores.
    layer
        Layer of the counts, in the modalities that have it, else ``X``; by default as in training.
    baselines
        Whether to fit ridge regression and nearest neighbours, if training cells are there.

    Returns
    -------
    Scores by direction and model.

    Raises
    ------
    ValueError
        If files are wrong, or all cells of the file were trained on.
    """
    import pandas as pd

    import scvi_xmodal as xm

    with quiet():
        model: Any = load_model(model_dir)
        _refuse_conditions(model)
        mdata = _model_features(model, paired(xm.datasets.read(data)), layer)
        train, test = _rows(mdata, read_cells(model_dir, model), str(data))
        if labels_key is not None:
            _check_labels(mdata, test, labels_key)
        layers = _layers(model)
        rivals = _fitted(mdata, train, layers) if baselines and train.size else []
        tables = {}
        for source, target in permutations(model.specs, 2):
            shallow, deep = _translations(model, rivals, mdata, test, source, target)
            measured = mdata[target]
            tables[f"{source} -> {target}"] = xm.metrics.evaluate_translation(
                deep,
                measured[test].copy(),
                reference=measured[train].copy() if train.size else None,
                labels_key=labels_key,
                clustering=shallow,
                layer=layers[target],
            )
    return pd.concat(tables, names=["direction"])


def _refuse_conditions(model: Any) -> None:
    """Raise if the model answers to a perturbation: no cell was measured in both conditions."""
    if model.registry_.get("setup_method_name") == "setup_anndata":
        raise ValueError(
            f"This {type(model).__name__} predicts the response to a perturbation, of which no "
            "cells are paired: score it in Python, xm.metrics.evaluate_perturbation."
        )


def _check_labels(mdata: MuData, test: NDArray[np.int64], labels_key: str) -> None:
    """Raise, before any work, unless one end of each direction has labels."""
    lacking = [key for key, adata in mdata.mod.items() if labels_key not in adata.obs]
    if len(lacking) > 1:
        columns = {key: list(mdata[key].obs.columns) for key in lacking}
        raise ValueError(f"labels_key={labels_key!r} is no column of obs; there are {columns}.")
    for key, adata in mdata.mod.items():
        if key not in lacking and adata.obs[labels_key].iloc[test].isna().all():
            raise ValueError(f"labels_key={labels_key!r}: not one cell to score has a label.")


def _rows(
    mdata: MuData, cells: dict[str, list[str]] | None, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows that the model was trained on, and those that may be scored."""
    if cells is None:
        say(
            "The model does not say which cells it was trained on (scvi-xmodal train writes it): "
            "all are scored. Scores of training cells flatter."
        )
        return np.empty(0, dtype=np.int64), np.arange(mdata.n_obs)
    seen = mdata.obs_names.isin([*cells["train"], *cells["validation"]])
    if seen.all():
        raise ValueError(
            f"All {mdata.n_obs} cells of {name!r} were trained on or validated with: scores of "
            "them would flatter. Give a file with other cells."
        )
    if not seen.any():
        say(
            f"None of the cells that the model was trained on, such as {cells['train'][0]!r}, is "
            f"in {name!r} by name. If they are there under other names, such as "
            f"{mdata.obs_names[0]!r}, their scores flatter."
        )
    train = np.flatnonzero(mdata.obs_names.isin(cells["train"]))
    test = np.flatnonzero(~seen)
    if 0 < train.size < len(cells["train"]):
        say(
            f"Only {train.size} of {len(cells['train'])} training cells are in {name!r} by name. "
            "If it is another experiment that shares some barcodes, these cells are taken for "
            "training cells: give its cells names of their own."
        )
    say(f"{test.size} cells are scored, {train.size} training cells serve as reference")
    return train, test


def _model_features(model: Any, mdata: MuData, layer: str | None) -> MuData:
    """Return the modalities that the model knows, by its keys, with its features and layers."""
    from mudata import MuData

    from scvi_xmodal.data import match_features, pick_modality
    from scvi_xmodal.datasets._mudata import own_columns_only

    layers_of(mdata, layer)  # refuses one that no modality has
    parts = {}
    for key, spec in model.specs.items():
        modality, setup_layer = model._location(key)
        adata = pick_modality(mdata, spec, modality=modality)
        position = match_features(
            adata.var_names, spec.feature_names, modality=key, kind=spec.kind, reference=modality
        )
        own = np.flatnonzero(position >= 0)
        parts[key] = adata[:, own[np.argsort(position[own])]].to_memory(copy=True)
        parts[key].var_names = list(spec.feature_names)
        _place_counts(parts[key], key, layer, setup_layer)
        parts[key].obs = mdata.obs.combine_first(adata.obs).loc[adata.obs_names]
    with own_columns_only():
        return MuData(_in_one_order(parts))


def _in_one_order(parts: Mapping[str, AnnData]) -> dict[str, AnnData]:
    """Return the modalities with the cells of the first one's order.

    Raises
    ------
    ValueError
        If they hold different cells.
    """
    first, *others = parts
    names = parts[first].obs_names
    for key in others:
        own = parts[key].obs_names
        if len(own) != len(names) or not own.isin(names).all():
            raise ValueError(
                f"The modalities hold different cells: {first!r} {len(names)}, {key!r} "
                f"{len(own)}, of which {int(own.isin(names).sum())} are in both. Scores need the "
                "same in all."
            )
    return {
        key: adata if adata.obs_names.equals(names) else adata[names].copy()
        for key, adata in parts.items()
    }


def _place_counts(adata: AnnData, key: str, layer: str | None, setup_layer: str | None) -> None:
    """Put the counts that were asked for where the model was set up with them."""
    from scvi_xmodal.data._query import refuse_layer

    if layer is None:
        if setup_layer is not None and setup_layer not in adata.layers:
            refuse_layer(adata, setup_layer, setup_layer, place=key)
        return
    counts = adata.layers[layer] if layer in adata.layers else adata.X
    if setup_layer is None:
        adata.X = counts
    else:
        adata.layers[setup_layer] = counts


def _layers(model: Any) -> dict[str, str | None]:
    return {key: model._location(key)[1] for key in model.specs}


def _fitted(mdata: MuData, train: NDArray[np.int64], layers: dict[str, str | None]) -> list[Any]:
    from scvi_xmodal import baselines

    arguments = {f"{key}_layer": layer for key, layer in layers.items()}
    return [
        baseline.fit(mdata, indices=train, **arguments)
        for baseline in (baselines.Ridge(), baselines.KNN())
    ]


def _translations(
    model: Any, rivals: list[Any], mdata: MuData, test: NDArray[np.int64], source: str, target: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return translations at the median depth, which cluster best, and at the predicted one."""
    way = {"source": source, "target": target}
    query = mdata[source][test].copy()
    name = type(model).__name__
    shallow = {name: model.translate(query, **way)}
    shallow |= {type(rival).__name__: rival.translate(query, **way) for rival in rivals}
    deep = dict(shallow)
    if model.specs[target].kind == "atac" and model._predicts_depth:
        deep[name] = model.translate(query, **way, depth="predicted")
    return shallow, deep
