"""The one place that reaches for scvi-tools' private names, so that versions differ here only."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from scvi.data._utils import _check_if_view as copy_views
from scvi.model._utils import parse_device_args
from scvi.train._progress import ProgressBar
from scvi.train._trainrunner import TrainRunner

if TYPE_CHECKING:
    from scvi.data import AnnDataManager

__all__ = [
    "ProgressBar",
    "TrainRunner",
    "copy_views",
    "keep_with_data",
    "manager_of",
    "parse_device_args",
    "release_with_model",
]

_MANAGERS = "_scvi_xmodal_managers"


def keep_with_data(model_class: Any, manager: AnnDataManager) -> None:
    """Let the data hold their manager, and the class look it up only as long as they live.

    scvi-tools' classes hold every manager, and so all data ever set up, until Python ends.
    """
    store = model_class._setup_adata_manager_store
    if not isinstance(store, weakref.WeakValueDictionary):
        model_class._setup_adata_manager_store = weakref.WeakValueDictionary(store)
    held = manager.adata.__dict__.setdefault(_MANAGERS, {})
    held[model_class.__name__] = manager


def manager_of(model_class: Any, data: Any) -> AnnDataManager | None:
    """Return the manager that data hold for a class, which is of them and not of a copy.

    scvi-tools' classes know data by an identifier that is copied with them, so that setting up a
    copy made the original unknown.
    """
    manager = getattr(data, "__dict__", {}).get(_MANAGERS, {}).get(model_class.__name__)
    return manager if manager is not None and manager.adata is data else None


def release_with_model(model: Any) -> None:
    """Let the class forget a model's managers when the model is gone."""
    weakref.finalize(model, type(model)._per_instance_manager_store.pop, model.id, None)
