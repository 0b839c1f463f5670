"""The one place that reaches for scvi-tools' private names, so that versions differ here only."""

from __future__ import annotations

from scvi.data._utils import _check_if_view as copy_views
from scvi.model._utils import parse_device_args
from scvi.train._progress import ProgressBar
from scvi.train._trainrunner import TrainRunner

__all__ = ["ProgressBar", "TrainRunner", "copy_views", "parse_device_args"]
