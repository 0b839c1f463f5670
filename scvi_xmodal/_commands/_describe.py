"""What a saved model is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scvi_xmodal._commands._cells import read_cells
from scvi_xmodal._commands._common import load_model, quiet


def describe_model(model_dir: Path) -> dict[str, Any]:
    """Return what a saved model is: class, versions, modalities, batches, epochs, cells.

    Raises
    ------
    ValueError
        If the folder holds no model that can be read.
    """
    import scvi_xmodal as xm

    manifest = xm.model.read_manifest(model_dir)
    with quiet():
        model: Any = load_model(model_dir)
    history = model.history or {}
    named = read_cells(model_dir, model) or {}
    return {
        "path": str(model_dir),
        "model": manifest["model"],
        "format_version": manifest["format_version"],
        "versions": manifest.get("versions", {}),
        "modalities": {
            key: {
                "kind": spec.kind,
                "n_features": int(spec.n_features),
                "n_blocks": len(spec.blocks),
            }
            for key, spec in model.specs.items()
        },
        "batches": [str(name) for name in model._batch_names if len(model._batch_names) > 1],
        "epochs": {
            name.removesuffix("_train_loss"): len(values)
            for name, values in history.items()
            if name.endswith("_train_loss")
        },
        "cells": {name: len(cells) for name, cells in named.items()},
        "bytes": sum(path.stat().st_size for path in Path(model_dir).iterdir() if path.is_file()),
    }
