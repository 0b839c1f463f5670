"""Every mistake of the table is answered by its message, and changes nothing that was given."""

from __future__ import annotations

import inspect
import re
import warnings

import pytest
from _sweep import NASTY, OWN_RULES, ROOMS, swept
from _table import CASES
from _world import World

import scvi_xmodal as xm
from scvi_xmodal._arguments import ARGUMENTS

LEAST = 200
STAND_INS = ("cell_type", 1, 0.5, True, ["x"], {"x": 1})


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_there_are_many_and_each_once():
    names = [(case.entry, case.mistake) for case in CASES]
    assert len(set(names)) == len(names) >= LEAST


@pytest.mark.parametrize("case", CASES, ids=[f"{c.entry}-{c.mistake}" for c in CASES])
def test_it_is_refused_and_nothing_is_changed(world, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(case.error) as raised:
            case.call(world)
    assert re.search(case.message, " ".join(str(raised.value).split()))
    place = raised.traceback[-1]
    own = "scvi_xmodal" in str(place.path) or case.error is not ValueError
    assert own, f"raised by {place.path}:{place.lineno}"
    assert world.changed() == []


def _valid(function, name, world):
    """Return a value that an argument may have."""
    own = {"path": ["rna", "atac"], "background": ["gene_0"], "transform_batch": None}
    if (function.__name__, name) in OWN_RULES and name in own:
        return own[name]
    data = (world.mdata["rna"], world.mdata, world.model, world.mdata.obs)
    return next(value for value in (*STAND_INS, *data) if ARGUMENTS[name].fits(value))


def _owner(name, world):
    """Return what holds a function: a room of the package, a model, or a baseline."""
    makers = {
        "Butterfly": lambda: world.model,
        "Babel": lambda: world.babel,
        "Polarbear": lambda: world.polarbear,
        "Ridge": lambda: world.ridge,
    }
    return makers[name]() if name in makers else getattr(xm, name)


def _unruled(world):
    """Return what is right for arguments that have checks of their own."""
    parts = {key: world.mdata[key] for key in ("rna", "atac")}
    return {
        **parts,
        "source": "rna",
        "target": "atac",
        "translator_epochs": 1,
        "models": [world.model, world.model],
        "split": xm.data.Split(range(40), range(40, 60)),
    }


@pytest.mark.parametrize("name", sorted({f"{wrong.room}.{wrong.function}" for wrong in swept()}))
def test_values_of_a_wrong_kind(world, name):
    """The first line of a public function looks at its arguments: no work, no foreign error."""
    room, name = name.split(".")
    function = getattr(_owner(room, world), name)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind in (1, 3)]
    given = {p.name: None for p in parameters}
    given |= {key: value for key, value in _unruled(world).items() if key in given}
    given |= {key: _valid(function, key, world) for key in given if key in ARGUMENTS}
    for wrong in swept():
        if (wrong.room, wrong.function) == (room, name):
            with pytest.raises(ValueError, match=f"^{wrong.argument} must be .*, got "):
                function(**{**given, wrong.argument: NASTY[wrong.value]})


def test_what_has_no_rule_is_known():
    """A new argument gets a rule in the table, or checks and cases of its own and a place here."""
    unruled = {
        name
        for room in ROOMS
        for function in (getattr(getattr(xm, room), name) for name in getattr(xm, room).__all__)
        if inspect.isfunction(function)
        for name in inspect.signature(function).parameters
        if name not in ARGUMENTS
    }
    assert unruled <= CHECKED_ELSEWHERE, unruled - CHECKED_ELSEWHERE


CHECKED_ELSEWHERE = set(
    """
    annotated assembly assignment atac atac_density ax axes backed batch batch_effect by cells
    classifier client clustering clusters combine concordance counts curves depth embedding
    gene_sets genome groups indices label level matrix method method_id metrics missing
    modalities model_or_history models n_batches n_cell_types n_cells n_chromosomes n_latent
    names obs_keys on_error options peak_sets protein query reference rna rna_depth rows run
    scores sizes source split statistics target through totals training validation_by values
    """.split()
)
