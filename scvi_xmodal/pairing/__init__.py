"""Who trains with whom: functions that return pairs, built from training cells only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scvi_xmodal.pairing._clusters import ClusterPairs, by_cluster
    from scvi_xmodal.pairing._labels import by_label
    from scvi_xmodal.pairing._transport import by_optimal_transport
    from scvi_xmodal.pairing._unpaired import sampling_proportions, unpaired

_HOME = {
    "ClusterPairs": "_clusters",
    "by_cluster": "_clusters",
    "by_label": "_labels",
    "by_optimal_transport": "_transport",
    "sampling_proportions": "_unpaired",
    "unpaired": "_unpaired",
}

__all__ = [
    "ClusterPairs",
    "by_cluster",
    "by_label",
    "by_optimal_transport",
    "sampling_proportions",
    "unpaired",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"scvi_xmodal.pairing.{_HOME[name]}"), name)
    raise AttributeError(f"module 'scvi_xmodal.pairing' has no attribute {name!r}")
