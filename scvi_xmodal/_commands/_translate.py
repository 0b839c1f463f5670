"""Translate a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scvi_xmodal._commands._common import check_parent, load_model, quiet

if TYPE_CHECKING:
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData


def translate_file(
    model_dir: Path,
    query: Path,
    out: Path,
    *,
    target: str,
    source: str | None = None,
    progress: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Translate the cells of a file into another file.

    Parameters
    ----------
    model_dir
        Folder of a saved model.
    query
        File with the cells.
    out
        ``.h5ad`` or ``.zarr``, written as rows are translated; or ``.h5mu``, written at the end,
        which holds the query's modality too. Must not exist.
    target, source
        Modalities; the source may be left out where the model has one other.
    progress
        Whether to show a bar.
    **options
        Further keywords of ``translate``.

    Returns
    -------
    What was made: file, direction, numbers of cells and features.

    Raises
    ------
    ValueError
        If the model, the file or the options are wrong.
    """
    import scvi_xmodal as xm

    with quiet():
        model: Any = load_model(model_dir)
        source = source or _other(model, target)
        kinds = _kind(model, source, "source"), _kind(model, target, "target")
        if out.suffix == ".h5mu":
            _check_joined(out, source, target, kinds)
        cells = xm.datasets.read(query)
        options |= {"source": source, "target": target, "enable_progress_bar": progress}
        if out.suffix == ".h5mu":
            shape = _write_joined(model, cells, out, options)
        else:
            shape = xm.data.open_backed(model.translate(cells, out=out, **options)).shape
    return {
        "out": str(out),
        "source": source,
        "target": target,
        "n_cells": int(shape[0]),
        "n_features": int(shape[1]),
    }


def _write_joined(
    model: Any, cells: AnnData | MuData, out: Path, options: dict[str, Any]
) -> tuple[int, int]:
    """Write the measured cells and their translation; return the translation's shape."""
    import scvi_xmodal as xm
    from scvi_xmodal._aside import written_aside
    from scvi_xmodal._layers import chosen_layer
    from scvi_xmodal.data._modalities import may_be_of_kind

    spec = model.specs[options["source"]]
    modality, setup_layer = model._location(options["source"])
    measured = xm.data.pick_modality(cells, spec, modality=modality)
    if not measured.obs_names.is_unique:
        twice = measured.obs_names[measured.obs_names.duplicated()][0]
        raise ValueError(
            f"Cell {twice!r} appears twice in the query: an .h5mu joins cells by name. Make the "
            "names unique, or write .h5ad or .zarr."
        )
    translated = model.translate(cells, **options)
    # of one table of all features, the others are no part of this modality
    own = may_be_of_kind(measured, spec.kind)
    measured = measured if own.all() else measured[:, own]
    measured = measured.to_memory() if measured.isbacked else measured
    layer = chosen_layer(measured, options.get("layer"), setup_layer)
    joint = xm.tl.integrate(
        measured[translated.obs_names], translated, kind=spec.kind, layer=layer
    )
    joint.obs = translated.obs.copy()
    with written_aside(out) as aside:
        joint.write(aside)
    return translated.shape


def _check_joined(out: Path, source: str, target: str, kinds: tuple[str, str]) -> None:
    """Raise, before any work, unless a modality and its translation can go into this file."""
    if kinds[0] == kinds[1]:
        raise ValueError(
            f"out={str(out)!r} would join what was measured and its translation, but "
            f"source={source!r} and target={target!r} are both {kinds[0]}: write .h5ad or .zarr."
        )
    if out.exists():
        raise ValueError(f"out={str(out)!r} already exists. Choose another path.")
    check_parent(out)


def _kind(model: Any, key: str, argument: str) -> str:
    return model._check_key(key, argument).kind


def _other(model: Any, target: str) -> str:
    _kind(model, target, "target")
    others = [key for key in model.specs if key != target]
    if len(others) != 1:
        raise ValueError(f"Say what to translate from: --from, one of {others}.")
    return others[0]
