"""The models of the comparison, by name; each is a function in a small file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData

    from benchmarks._accuracy_data import Task


class NotAvailableError(Exception):
    """A model that cannot run here; its rows are left out rather than failed."""


@dataclass(frozen=True)
class Cost:
    """What a fit cost in a process other than the worker's.

    Parameters
    ----------
    wall, cpu
        Seconds.
    peak_rss
        Highest resident memory, bytes.
    versions
        Versions of that process' packages.
    """

    wall: float
    cpu: float
    peak_rss: int
    versions: dict[str, str]


@dataclass(frozen=True, eq=False)
class Translation:
    """Predictions for the test cells in one direction.

    Parameters
    ----------
    scored
        What is compared with the measured cells.
    profile
        What is clustered; the same unless a model offers a better one.
    """

    scored: AnnData
    profile: AnnData


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of all directions, made by another process with the fit."""

    translations: dict[tuple[str, str], Translation]
    cost: Cost

    def translate(self, source: str, target: str) -> Translation:
        """Return the predictions of a direction."""
        return self.translations[source, target]


class Translator(Protocol):
    """A fitted model."""

    cost: Cost | None

    def translate(self, source: str, target: str) -> Translation:
        """Predict the target of the task's queries from their source alone."""
        ...


@dataclass(frozen=True)
class Model:
    """An entry of the comparison.

    Parameters
    ----------
    label
        What tables call it.
    place
        ``"module:function"`` of a function that takes a task, ``init`` and ``train`` keywords
        and returns a fitted :class:`Translator`.
    directions
        Source and target that it knows.
    random
        Whether seeds matter.
    quick
        Whether it runs with ``--quick``.
    """

    label: str
    place: str
    directions: tuple[tuple[str, str], ...]
    random: bool = True
    quick: bool = False

    def knows(self, source: str, target: str) -> bool:
        """Tell whether it translates in a direction."""
        return (source, target) in self.directions

    def load(self) -> Callable[[Task, dict[str, Any], dict[str, Any]], Translator]:
        """Import its function."""
        module, name = self.place.split(":")
        return getattr(import_module(f"benchmarks.{module}"), name)


_ATAC = (("atac", "rna"), ("rna", "atac"))
_PROTEIN = (("rna", "protein"), ("protein", "rna"))
_ALL = _ATAC + _PROTEIN
_OURS, _PLAIN = "_accuracy_ours", "_accuracy_baselines"

MODELS = {
    "butterfly": Model("Butterfly", f"{_OURS}:butterfly", _ALL, quick=True),
    "butterfly_median": Model("Butterfly at median depth", f"{_OURS}:butterfly_median", _ATAC[1:]),
    "butterfly_seeds": Model("Butterfly, mean of 3 seeds", f"{_OURS}:butterfly_seeds", _ALL),
    "butterfly_refit": Model("Butterfly, refit", f"{_OURS}:butterfly_refit", _ALL),
    "butterfly_rotated": Model(
        "Butterfly, validation rotated", f"{_OURS}:butterfly_rotated", _ALL
    ),
    "butterfly_t": Model("Butterfly-T", f"{_OURS}:butterfly_t", _ALL),
    "butterfly_c": Model("Butterfly-C", f"{_OURS}:butterfly_c", _ALL),
    "preset": Model('Butterfly, preset="scbutterfly"', f"{_OURS}:preset", _ALL),
    "babel": Model("Babel", f"{_OURS}:babel", _ATAC),
    "polarbear": Model("Polarbear", f"{_OURS}:polarbear", _ATAC),
    "wheel": Model("scbutterfly 0.0.9 (published wheel)", "_accuracy_wheel:wheel", _ALL),
    "multivi": Model("MULTIVI", "_accuracy_scvi:multivi", _ATAC),
    "totalvi": Model("TOTALVI", "_accuracy_scvi:totalvi", _PROTEIN[:1]),
    "scipenn": Model("sciPENN", "_accuracy_scipenn:scipenn", _PROTEIN[:1]),
    "ridge": Model("Ridge", f"{_PLAIN}:ridge", _ALL, random=False, quick=True),
    "ridge_depth": Model(
        "Ridge at predicted depth", f"{_PLAIN}:ridge_depth", _ATAC[1:], random=False, quick=True
    ),
    "ridge_validation": Model(
        "Ridge, validation cells too", f"{_PLAIN}:ridge_validation", _ALL, random=False
    ),
    "knn": Model("KNN", f"{_PLAIN}:knn", _ALL, random=False, quick=True),
    "gene_activity": Model(
        "GeneActivity", f"{_PLAIN}:gene_activity", _ATAC[:1], random=False, quick=True
    ),
    "depth_only": Model("DepthOnly", f"{_PLAIN}:depth_only", _ALL, random=False, quick=True),
    "mean": Model("Mean", f"{_PLAIN}:mean", _ALL, random=False, quick=True),
    "measured": Model("measured cells", f"{_PLAIN}:measured", _ALL, random=False, quick=True),
}
MEASURED = "measured"
"""Stands for the measured target itself, which is clustered and scored in no other way."""
