"""Translate a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scvi_xmodal._commands._common import load_model, quiet

if TYPE_CHECKING:
    from pathlib import Path


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
        ``.h5ad`` or ``.zarr``, written as rows are translated; must not exist.
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
        model = load_model(model_dir)
        source = source or _other(model, target)
        cells = xm.datasets.read(query)
        path = model.translate(
            cells,
            source=source,
            target=target,
            out=out,
            enable_progress_bar=progress,
            **options,
        )
        made = xm.data.open_backed(path)
    return {
        "out": str(path),
        "source": source,
        "target": target,
        "n_cells": int(made.n_obs),
        "n_features": int(made.n_vars),
    }


def _other(model: Any, target: str) -> str:
    others = [key for key in model.specs if key != target]
    if target not in model.specs:
        raise ValueError(f"--to {target!r} is unknown; the model has {list(model.specs)}.")
    if len(others) != 1:
        raise ValueError(f"Say what to translate from: --from, one of {others}.")
    return others[0]
