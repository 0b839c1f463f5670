"""Every mistake of the table is answered by its message, and changes nothing that was given."""

from __future__ import annotations

import re
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _table import CASES
from _world import World

LEAST = 200


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
    assert "scvi_xmodal" in str(place.path), f"raised by {place.path}:{place.lineno}"
    assert world.changed() == []
