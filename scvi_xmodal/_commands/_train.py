"""Train a model on a file."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, get_args

from scvi_xmodal._commands._cells import write_cells
from scvi_xmodal._commands._common import (
    check_writable,
    find_model,
    layers_of,
    paired,
    quiet,
    say,
)
from scvi_xmodal._commands._describe import describe_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mudata import MuData

    from scvi_xmodal.data import Split


def train_model(
    data: Path,
    out: Path,
    *,
    model: str = "Butterfly",
    hold_out: str = "cell",
    features: tuple[int, float] = (3000, 0.005),
    layer: str | None = None,
    keys: Mapping[str, str | None] | None = None,
    model_kwargs: Mapping[str, Any] | None = None,
    train_kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Train a model on a file of paired cells and save it.

    Parameters
    ----------
    data
        File of paired cells: 10x ``.h5``, ``.h5mu``, ``.h5ad`` with feature types, ``.zarr``.
    out
        Folder of the model. ``cells.json`` in it names the cells of each part of the split.
    model
        Class of the model.
    hold_out
        ``by`` of :func:`scvi_xmodal.pp.split`, or ``"none"`` to test on no cell.
    features
        Number of genes to keep, 0 for all, and the least fraction of cells in which a peak is
        open.
    layer
        Layer of the counts, in the modalities that have it; else ``X``.
    keys
        ``batch_key`` and ``labels_key`` of setup.
    model_kwargs, train_kwargs
        Keywords of the model and of its ``train``.
    seed
        Seed of the split and of the model.
    overwrite
        Whether to replace a model in ``out``.

    Returns
    -------
    What was made: class, modalities, numbers of cells and epochs, folder.

    Raises
    ------
    ValueError
        If the file, the folder or the options are wrong.
    """
    import scvi

    import scvi_xmodal as xm
    from scvi_xmodal.data import Split
    from scvi_xmodal.pp._split import By

    model_class = find_model(model)
    if hold_out not in (known := (*get_args(By), "none")):
        raise ValueError(f"hold_out={hold_out!r}; known are {list(known)}.")
    _check_options(model_class, {**(model_kwargs or {}), **(train_kwargs or {}), **(keys or {})})
    if out.exists() and not overwrite:
        raise ValueError(f"{str(out)!r} already exists. Choose another, or pass --overwrite.")
    check_writable(out)
    with quiet():
        mdata = paired(xm.datasets.read(data))
        layers = layers_of(mdata, layer)
        split = _split(mdata, hold_out, seed, layers)
        n_genes, min_fraction = features
        mdata = xm.pp.select_features(
            mdata,
            n_top_genes=n_genes or None,
            min_peak_fraction=min_fraction,
            indices=split.train,
            layers=layers or None,
        )
        say(
            f"{split.train.size} cells to train, {split.validation.size} to validate, "
            f"{split.test.size} held out; "
            + ", ".join(f"{key}: {adata.n_vars} features" for key, adata in mdata.mod.items())
        )
        scvi.settings.seed = seed
        setup: dict[str, Any] = {**_setup_layers(mdata, layers), **(keys or {})}
        model_class.setup_mudata(mdata, **setup)
        trained: Any = model_class(mdata, **(model_kwargs or {}))
        trained.train(split=split, **(train_kwargs or {}))
        trained.save(out, overwrite=overwrite)
        # as they were trained: after a refit no cell validates
        parts = (trained.train_indices, trained.validation_indices, trained.test_indices)
    write_cells(out, mdata.obs_names, Split(*parts), model=trained)
    return describe_model(out)


def _check_options(model_class: type[Any], given: Mapping[str, Any]) -> None:
    """Raise if a model knows no presets or batches, or has no pretraining or refit."""
    if given.get("batch_key") is not None and not model_class._knows_batches:
        raise ValueError(f"{model_class.__name__} knows no batches: leave --batch-key out.")
    known = {*signature(model_class).parameters, *signature(model_class.train).parameters}
    for name in ("preset", "pretrain_epochs", "refit"):
        if name in given and name not in known:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{model_class.__name__} has no {option}: leave it out.")


def _setup_layers(mdata: MuData, layers: Mapping[str, str]) -> dict[str, str]:
    """Return setup's arguments for the layers."""
    from scvi_xmodal.data import find_modalities

    kinds = find_modalities(mdata.mod).items()
    return {f"{kind}_layer": layers[key] for kind, key in kinds if key in layers}


def _split(mdata: MuData, hold_out: str, seed: int, layers: Mapping[str, str]) -> Split:
    import scvi_xmodal as xm

    if hold_out != "none":
        by: Any = hold_out
        read = _setup_layers(mdata, layers).get("rna_layer") if by == "cluster" else None
        return xm.pp.split(mdata, by=by, seed=seed, layer=read)
    tenths = xm.pp.split(mdata, by="cell", n_folds=10, seed=seed, validation_fraction=0)
    return xm.data.Split(tenths.train, tenths.test)
