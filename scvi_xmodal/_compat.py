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
    "parse_device_args",
    "release_with_model",
]


def keep_with_data(model_class: Any, manager: AnnDataManager) -> None:
    """Let the data hold their manager, and the class look it up only as long as they live.

    scvi-tools' classes hold every manager, and so all data ever set up, until Python ends.
    """
    store = model_class._setup_adata_manager_store
    if not isinstance(store, weakref.WeakValueDictionary):
        model_class._setup_adata_manager_store = weakref.WeakValueDictionary(store)
    held = manager.adata.__dict__.setdefault("_scvi_xmodal_managers", {})
    held[model_class.__name__] = manager


def release_with_model(model: Any) -> None:
    """Let the class forget a model's managers when the model is gone."""
    weakref.finalize(model, type(model)._per_instance_manager_store.pop, model.id, None)
