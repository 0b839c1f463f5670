"""What a saved model says of itself, beside scvi-tools' own file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import scvi_xmodal
from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._aside import check_folder, disk_errors
from scvi_xmodal._constants import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MANIFEST = "scvi_xmodal.json"
MODEL_FILE = "model.pt"


def write_manifest(
    directory: Path,
    *,
    model: str,
    prefix: str | None,
    features: Mapping[str, Iterable[str]] | None = None,
    cells: Mapping[str, Any] | None = None,
) -> None:
    """Write format version, packages, digests of features, training cells and the model's file."""
    packages = ("scvi-tools", "torch", "anndata", "mudata")
    manifest = {
        "format_version": FORMAT_VERSION,
        "model": model,
        "versions": {
            "scvi-xmodal": scvi_xmodal.__version__,
            **{name: version(name) for name in packages},
        },
        "features": {key: names_digest(names) for key, names in (features or {}).items()},
        "cells": None if cells is None else dict(cells),
        "files": {
            path.name: file_digest(path) for path in directory.glob(f"{prefix or ''}{MODEL_FILE}")
        },
    }
    path = directory / f"{prefix or ''}{MANIFEST}"
    path.write_text(json.dumps(manifest, indent=2) + "\n")


def read_manifest(dir_path: str | Path, *, prefix: str | None = None) -> dict[str, Any]:
    """Read what a saved model says of itself: its class, format version and packages.

    Parameters
    ----------
    dir_path
        Directory of a saved model.
    prefix
        Prefix of the file names.

    Raises
    ------
    ValueError
        If there is no saved model or a newer package wrote it.
    """
    check_arguments(locals())
    path = Path(dir_path) / f"{prefix or ''}{MANIFEST}"
    if not path.exists():
        raise ValueError(
            f"{str(dir_path)!r} holds no model saved by scvi_xmodal: {path.name} is missing."
        )
    try:
        manifest = json.loads(path.read_text())
        found, _ = int(manifest["format_version"]), manifest["model"]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read ({error}); save the model again."
        ) from error
    if found > FORMAT_VERSION:
        written_by = manifest.get("versions", {}).get("scvi-xmodal", "of a later version")
        raise ValueError(
            f"{str(dir_path)!r} has format version {found}, written by scvi-xmodal "
            f"{written_by}; this is {scvi_xmodal.__version__}, which reads up to "
            f"{FORMAT_VERSION}. Upgrade: pip install -U scvi-xmodal."
        )
    return manifest


def features_digest(names: Iterable[str]) -> str:
    """Return the SHA-256 of features' names in their order, a line each.

    Examples
    --------
    >>> from scvi_xmodal.model._files import features_digest
    >>> features_digest(["Actb", "Gapdh"])[:8]
    'f786182f'
    """
    return hashlib.sha256("\n".join(map(str, names)).encode()).hexdigest()


def names_digest(names: Iterable[str]) -> dict[str, Any]:
    """Return the number of names and their digest."""
    names = list(names)
    return {"n": len(names), "sha256": features_digest(names)}


def check_saved_data(dir_path: str | Path, prefix: str | None, cells: Iterable[str]) -> None:
    """Raise a ``ValueError`` if the data in a model's folder are another model's.

    Saving again over a folder keeps the data that were there, as in scvi-tools.
    """
    saved, found = saved_cells(dir_path, prefix), names_digest(cells)
    if saved is not None and saved != found:
        raise ValueError(
            f"The data in {str(dir_path)!r} are not this model's: it was trained on {saved['n']} "
            f"cells, there are {found['n']}, others or in another order, saved with the model "
            "that was there before. Pass the training data as adata=, or adata=False."
        )


def saved_cells(dir_path: str | Path, prefix: str | None) -> dict[str, Any] | None:
    """Return the number and digest of the cells that a model was saved with, if it says so."""
    return read_manifest(dir_path, prefix=prefix).get("cells")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_manifest(dir_path: str | Path, *, model: str, prefix: str | None) -> None:
    """Raise unless a directory holds a whole model of the given class that can be loaded."""
    manifest = read_manifest(dir_path, prefix=prefix)
    if manifest["model"] != model:
        raise ValueError(
            f"{str(dir_path)!r} holds a {manifest['model']}, not a {model}: load it with "
            f"scvi_xmodal.model.{manifest['model']}.load."
        )
    for name, digest in manifest.get("files", {}).items():
        path = Path(dir_path) / name
        if path.exists() and file_digest(path) != digest:
            raise ValueError(
                f"{str(path)!r} is not the file that was saved: it is truncated, or was changed "
                "or replaced since. Copy the whole folder of the model again."
            )


@contextmanager
def written_aside(dir_path: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a directory beside the final one; move its files there once all are written.

    Raises
    ------
    ValueError
        If the final directory exists and may not be overwritten.
    OSError
        If the disk is full or the folder cannot be written to.
    """
    final = Path(dir_path)
    if final.exists() and not overwrite:
        raise ValueError(f"{str(final)!r} already exists. Choose another, or set overwrite=True.")
    if final.exists() and not final.is_dir():
        raise ValueError(f"{str(final)!r} is a file. Choose the name of a folder.")
    check_folder(final.parent, "dir_path")
    with disk_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{final.name}.", dir=final.parent))
        try:
            yield aside
            final.mkdir(exist_ok=True)
            for path in sorted(aside.iterdir()):
                os.replace(path, final / path.name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
