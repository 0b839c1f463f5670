"""What several commands need: models by name, paired cells, silence."""

from __future__ import annotations

import logging
import pickle
import sys
import tempfile
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scvi_xmodal._aside import check_folder
from scvi_xmodal._commands._show import with_options
from scvi_xmodal._layers import layer_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mudata import MuData

    from scvi_xmodal.model._base import CrossModalModel

_TALKATIVE = ("lightning.fabric.utilities.seed", "lightning.pytorch.utilities.rank_zero")


def load_model(model_dir: Path) -> CrossModalModel:
    """Load a saved model of any class, without its data.

    Raises
    ------
    ValueError
        If the folder holds no model that can be read.
    """
    import scvi_xmodal as xm

    model_class = find_model(str(xm.model.read_manifest(model_dir)["model"]))
    try:
        return model_class.load(model_dir, adata=False)
    # what a model.pt that is cut short raises depends on where it is cut
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        raise ValueError(f"{str(model_dir)!r}: model.pt cannot be loaded: {error}") from error


def find_model(name: str) -> type[CrossModalModel]:
    """Return a model's class by its name, however that is capitalised.

    Raises
    ------
    ValueError
        If there is no such model.
    """
    import scvi_xmodal as xm
    from scvi_xmodal.model._base import CrossModalModel

    known = {
        public.lower(): getattr(xm.model, public)
        for public in xm.model.__all__
        if isinstance(getattr(xm.model, public), type)
        and issubclass(getattr(xm.model, public), CrossModalModel)
    }
    if name.lower() not in known:
        names = [found.__name__ for found in known.values()]
        raise ValueError(f"Model {name!r} is unknown; there are {names}.")
    return known[name.lower()]


def paired(data: Any) -> MuData:
    """Return a MuData, made from one AnnData with feature types if need be."""
    import scvi_xmodal as xm

    return data if hasattr(data, "mod") else xm.pp.to_mudata(data)


def layers_of(mdata: MuData, layer: str | None) -> dict[str, str]:
    """Return the modalities that have a layer, with it; the counts of others stand in ``X``.

    Raises
    ------
    ValueError
        If none has it; but ``"X"`` is always there.
    """
    if layer is None:
        return {}
    found = {key: layer for key, adata in mdata.mod.items() if layer in adata.layers}
    if not found and layer != "X":
        there = sorted({name for adata in mdata.mod.values() for name in layer_names(adata)})
        raise ValueError(f"No modality has the layer {layer!r}; there are {there}.")
    return found


def check_writable(folder: Path) -> None:
    """Raise, before any work, unless a folder can be made where it shall be.

    Raises
    ------
    ValueError
        If what there is of its path is no folder, or nothing can be written there.
    """
    check_folder(folder, "out")
    parent = next(place for place in folder.absolute().parents if place.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=parent):
            pass
    except OSError as error:
        raise ValueError(
            f"out={str(folder)!r} cannot be written to: {str(parent)!r}: {error.strerror}."
        ) from error


def check_parent(out: Path) -> None:
    """Raise, before any work, unless a file's folder is there.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not out.absolute().parent.is_dir():
        raise ValueError(f"out={str(out)!r}: there is no folder {str(out.parent)!r}.")


def check_table(out: Path) -> None:
    """Raise, before any work, unless a table can be written where no other file would be lost.

    Raises
    ------
    ValueError
        If the name does not end in .csv, is that of a folder, or its folder is not there.
    """
    if out.suffix != ".csv":
        raise ValueError(f"out={str(out)!r} must end in .csv.")
    if out.is_dir():
        raise ValueError(f"out={str(out)!r} is a folder; name a file.")
    check_parent(out)


def say(text: str) -> None:
    """Tell how it goes, on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep other packages' notices about themselves off the screen.

    scvi-tools' come on standard output, where programs read what ``--json`` prints. Warnings are
    a line each, without the place in the code that would tell a user nothing.
    """
    import scvi

    formatwarning, warnings.formatwarning = warnings.formatwarning, _in_a_line
    verbosity = scvi.settings.verbosity
    scvi.settings.verbosity = logging.WARNING
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*autosharding")
            warnings.filterwarnings("ignore", message="Changing the sparsity structure")
            yield
    finally:
        warnings.formatwarning = formatwarning
        scvi.settings.verbosity = verbosity
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _in_a_line(message: Warning | str, *place: Any, **more: Any) -> str:
    """Return a warning as the command line shows it, wherever in the code it was given."""
    return f"Warning: {with_options(' '.join(str(message).split()))}\n"
