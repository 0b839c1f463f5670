"""No public name that takes a user's data is without rows: the next method cannot be forgotten."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from _table import CASES

import scvi_xmodal as xm
from scvi_xmodal.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

_RESULT = "a result: the package makes it, people read it"
_PART = "a part that models are built from, handed what a public function has checked"

EXEMPT = {
    **dict.fromkeys(
        [
            *("data.Query", "data.TranslationWriter", "metrics.AnnotationScores"),
            *("metrics.Calibration", "metrics.ClusteringAgreement", "metrics.Ranking"),
            *("pairing.ClusterPairs", "pp.LiftoverReport", "pp.RepoolReport", "pp.TfIdf"),
            *("tl.PseudobulkConcordance", "tl.Subclusters"),
        ],
        _RESULT,
    ),
    **dict.fromkeys(
        [
            *("data.ChunkedPairs", "data.CountsField", "data.MinibatchSampler"),
            *("data.MuDataCountsField", "data.PairedDataSplitter", "data.PairedDataset"),
            *("data.ReaderBlocks", "data.RedrawnPairs", "data.RowReader", "data.StoredRows"),
            *("data.check_counts", "data.check_unique", "data.find_modalities", "data.kind_of"),
            *("data.layer_name", "data.match_features"),
            *("data.match_most_features", "data.paired_loader", "data.pick_modality"),
            *("data.read_genes", "data.read_query", "data.rows_of_modality", "data.translation"),
            "data.translation_record",
        ],
        _PART,
    ),
    "baselines.Baseline": "abstract; its fit and translate have rows",
    **dict.fromkeys(
        [
            *("Baseline.get_var_names", "DepthOnly.get_var_names", "GeneActivity.get_var_names"),
            *("KNN.get_var_names", "Mean.get_var_names", "Ridge.get_var_names"),
        ],
        "takes no data",
    ),
    "Butterfly.get_var_names": "takes no data",
    "Babel.get_var_names": "takes no data",
    "Polarbear.get_var_names": "takes no data",
    "Butterfly.register_manager": "scvi-tools calls it, setup having checked the data",
    "Babel.register_manager": "scvi-tools calls it, setup having checked the data",
    "Polarbear.register_manager": "scvi-tools calls it, setup having checked the data",
}
"""Public names without rows, and why. Methods that scvi-tools defines are scvi-tools' own."""


def _functions() -> Iterator[tuple[str, set[str]]]:
    """Yield every public name of a room, and the names that its rows may have."""
    for room in xm.__all__:
        module = getattr(xm, room)
        for name in module.__all__:
            if _takes_something(getattr(module, name)):
                yield f"{room}.{name}", {name, f"{room}.{name}"}


def _takes_something(public: Any) -> bool:
    return inspect.isclass(public) or (callable(public) and bool(_parameters(public)))


def _parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def _methods() -> Iterator[tuple[str, set[str]]]:
    """Yield every method of ours of every model and baseline, and what its rows may be named.

    A method that a class defines for itself needs rows of its own, unless it is Butterfly's.
    """
    for room, general in (("model", "Butterfly"), ("baselines", "Baseline")):
        for name in getattr(xm, room).__all__:
            cls = getattr(getattr(xm, room), name)
            for method in dir(cls) if inspect.isclass(cls) else ():
                function = inspect.unwrap(getattr(cls, method)) if method[0] != "_" else None
                if not inspect.isroutine(function) or "scvi_xmodal" not in function.__module__:
                    continue
                shared = method not in vars(cls) or name == general
                wanted = {method, f"{general}.{method}"} if shared else set()
                yield f"{name}.{method}", {f"{name}.{method}", *wanted}


def _commands() -> Iterator[tuple[str, set[str]]]:
    for command in app.registered_commands:
        name = f"cli {command.name or command.callback.__name__}"
        yield name, {name}


PUBLIC = dict([*_functions(), *_methods(), *_commands()])
ENTRIES = {case.entry for case in CASES}


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in EXEMPT])
def test_it_has_rows(name):
    assert PUBLIC[name] & ENTRIES, (
        f"{name} takes what users give it, but no row of the table tries a mistake: add cases of "
        f"entry {sorted(PUBLIC[name])} to tests/armour/_cases_*.py."
    )


def test_exemptions_are_needed():
    """What was removed, or has rows by now, leaves the list."""
    assert not [name for name in EXEMPT if name not in PUBLIC or PUBLIC[name] & ENTRIES]


def test_rows_are_of_what_there_is():
    """A row whose method was renamed tells so."""
    known = set().union(*PUBLIC.values())
    assert ENTRIES <= known | {"repool", "load_registry"}, ENTRIES - known
