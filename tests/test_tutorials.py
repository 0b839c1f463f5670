"""The tutorials' committed outputs are whole and clean; ``make tutorials`` makes them anew."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import scvi_xmodal as xm

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "tutorials").glob("*.ipynb"))
LITTER = re.compile(r"Traceback|Warning:|it/s\]|/tmp/|0x[0-9a-f]{8}|Seed set to")


def _cells(path, kind):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def test_there_are_eight_numbered_in_order():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number}_" for number in range(1, 9)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_those_of_one_run_from_top_to_bottom(path):
    cells = _cells(path, "code")
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_in_the_outputs_disturbs_a_reader(path):
    outputs = [output for cell in _cells(path, "code") for output in cell["outputs"]]
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    for output in outputs:
        shown = output.get("text", output.get("data", {}).get("text/plain", ""))
        assert not LITTER.search("".join(shown))
    assert any("image/png" in output.get("data", {}) for output in outputs) or "8_" in path.name
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_calls_exist_and_links_lead_somewhere(path):
    code = "".join("".join(cell["source"]) for cell in _cells(path, "code"))
    text = "".join("".join(cell["source"]) for cell in _cells(path, "markdown"))
    for room, name in re.findall(r"\bxm\.(\w+)\.(\w+)", code + text):
        assert name in getattr(xm, room).__all__, (room, name)
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / "docs" / "tutorials" / link).resolve().exists(), link
    assert "how it fails" in text.lower()
