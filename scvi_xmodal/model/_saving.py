"""Saving and loading: all files or none, and no code from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._callers import level_of_user
from scvi_xmodal.model._devices import checked_device
from scvi_xmodal.model._files import (
    MODEL_FILE,
    check_manifest,
    check_saved_data,
    names_digest,
    saved_cells,
    write_manifest,
    written_aside,
)
from scvi_xmodal.model._saved import made_again, read_data, read_model, write_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from mudata import MuData

    from scvi_xmodal.module import ModalitySpec


class SavingMixin:
    """Saves and loads models in the place of scvi-tools, which unpickles whatever it finds."""

    specs: Mapping[str, ModalitySpec]
    adata: Any
    _saved_cells: dict[str, Any] | None = None

    def save(
        self,
        dir_path: str | Path,
        prefix: str | None = None,
        overwrite: bool = False,
        save_anndata: bool = False,
        **kwargs: Any,
    ) -> None:
        """Save weights and settings, all files or none, with a manifest of versions.

        ``model.pt`` has scvi-tools' layout, but holds plain values only, so that :meth:`load`
        need not run anything that a file says.

        Parameters
        ----------
        dir_path
            Directory to write.
        prefix
            Prefix of the file names.
        overwrite
            Whether to replace files of an existing directory.
        save_anndata
            Whether to save the training data too.
        **kwargs
            Keywords of :meth:`mudata.MuData.write_h5mu`.

        Raises
        ------
        ValueError
            If the directory exists and ``overwrite`` is not set, or there are no data to save.
        OSError
            If the disk is full or cannot be written to; nothing half-written is left.
        """
        check_arguments(locals())
        if kwargs and not save_anndata:
            raise ValueError(
                f"{next(iter(kwargs))!r} is for writing the data: it needs save_anndata=True."
            )
        if save_anndata and self.adata is None:
            raise ValueError("save_anndata=True, but the model was loaded without data.")
        with written_aside(dir_path, overwrite=overwrite) as aside:
            if save_anndata:
                name = "mdata.h5mu" if hasattr(self.adata, "mod") else "adata.h5ad"
                try:
                    self.adata.write(aside / f"{prefix or ''}{name}", **kwargs)
                except TypeError as error:  # what h5py raises at unknown keywords
                    message = f"{name} cannot be written with {kwargs}: {error}."
                    raise ValueError(message) from error
            write_model(aside / f"{prefix or ''}{MODEL_FILE}", self)
            features = {key: spec.feature_names for key, spec in self.specs.items()}
            # without data the model is still of those that it was loaded from
            cells = self._saved_cells if self.adata is None else names_digest(self.adata.obs_names)
            name = type(self).__name__
            write_manifest(aside, model=name, prefix=prefix, features=features, cells=cells)

    @classmethod
    def load(
        cls,
        dir_path: str | Path,
        adata: AnnData | MuData | bool | None = None,
        prefix: str | None = None,
        *,
        accelerator: str = "auto",
        device: int | str = "auto",
    ) -> Self:
        """Load a saved model; nothing in its files is run as code.

        Parameters
        ----------
        dir_path
            Directory that :meth:`save` wrote.
        adata
            Training data, features in any order; ``None`` for those saved with the model;
            ``False`` for none, which is all that translating needs. With other cells, or in
            another order, ``train_indices`` and the like say nothing and are dropped.
        prefix
            Prefix of the file names.
        accelerator, device
            Where to put the model, as in scvi-tools: ``"cpu"``, ``"gpu"``, ``"auto"``.

        Warns
        -----
        UserWarning
            If the data are not the cells of training, in their order.

        Raises
        ------
        ValueError
            If there is no such model, it is of another class or a newer format, a file is
            truncated or foreign, or the data do not fit it.
        """
        check_arguments(locals(), adata=None)
        check_manifest(dir_path, model=cls.__name__, prefix=prefix)
        place = checked_device(accelerator, device)
        path = Path(dir_path) / f"{prefix or ''}{MODEL_FILE}"
        weights, attributes = read_model(path, device=place)
        setup_method = attributes["registry_"].get("setup_method_name", "setup_mudata")
        _check_data(adata, setup_method)
        if adata is None:
            found = read_data(Path(dir_path), prefix, setup_method)
            if found is not None:
                check_saved_data(dir_path, prefix, found.obs_names)
            adata = found
        data = None if adata is False else adata
        model = made_again(cls, data, attributes)
        model.module.on_load(model)
        model.module.load_state_dict(weights)
        model.to_device(place)
        model.module.eval()
        model._saved_cells = saved_cells(dir_path, prefix)
        if data is not None:
            model._validate_anndata(data)
            _drop_rows_of_others(model)
        return model

    @staticmethod
    def load_registry(dir_path: str | Path, prefix: str | None = None) -> dict[str, Any]:
        """Return the registry saved with a model."""
        check_arguments(locals())
        return read_model(Path(dir_path) / f"{prefix or ''}{MODEL_FILE}")[1]["registry_"]

    @classmethod
    def convert_legacy_save(cls, *args: Any, **kwargs: Any) -> None:
        """Refuse: no model of this package was saved by scvi-tools below 0.15."""
        raise ValueError(f"There are no legacy files of {cls.__name__} to convert.")


def _drop_rows_of_others(model: Any) -> None:
    """Drop the rows that trained and validated, with a warning, if the data hold others there."""
    known = model._saved_cells in (None, names_digest(model.adata.obs_names))
    if model.train_indices is None or known:
        return
    model.train_indices = model.validation_indices = model.test_indices = None
    warnings.warn(
        "The data are not the cells that the model was trained on, or in another order: its "
        "train_indices, validation_indices and test_indices are rows of those, and are dropped. "
        "Trained further, it may validate on cells that it has learned from.",
        UserWarning,
        stacklevel=level_of_user(),
    )


def _check_data(adata: Any, setup_method: str) -> None:
    """Raise unless data to load with are of the kind that the model was set up with."""
    wanted = "MuData" if setup_method == "setup_mudata" else "AnnData"
    fits = hasattr(adata, "mod") if wanted == "MuData" else type(adata).__name__ == wanted
    if not (adata is None or adata is False or fits):
        raise ValueError(
            f"adata must be the training {wanted} or False, got {type(adata).__name__}. To "
            "translate, load with adata=False and give the cells to translate()."
        )
