"""The documentation's Python runs, its commands exist, and nothing it links to is missing."""

from __future__ import annotations

import re
from functools import partialmethod
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from typer.main import get_command

import scvi_xmodal as xm
from scvi_xmodal.cli import app
from scvi_xmodal.model import Babel, Butterfly, Polarbear

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
# Its functions have tests of their own: it needs files and machines that are not here.
NOT_EXECUTED = {"scaling.md"}
EXECUTED = (
    *("index.md", "files.md", "choosing.md", "butterfly.md", "polarbear.md", "sharing.md"),
    *("trust.md", "experiments.md", "babel.md"),
)


def _blocks(page, language):
    text = (DOCS / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:.*no counts at all")
@pytest.mark.parametrize("page", EXECUTED)
def test_python_runs(page, tmp_path, monkeypatch):
    if page == "sharing.md":
        pytest.importorskip("huggingface_hub")
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    schedule = {"max_epochs": 1, "pretrain_epochs": 0, "enable_progress_bar": False}
    monkeypatch.setattr(Butterfly, "train", partialmethod(Butterfly.train, **schedule))
    schedule = {"max_epochs": 1, "enable_progress_bar": False}
    monkeypatch.setattr(Babel, "train", partialmethod(Babel.train, **schedule))
    head = partialmethod(Babel.train_protein_head, plan_kwargs={"max_epochs": 2})
    monkeypatch.setattr(Babel, "train_protein_head", head)
    schedule = {"max_epochs": 1, "translator_epochs": 1, "enable_progress_bar": False}
    monkeypatch.setattr(Polarbear, "train", partialmethod(Polarbear.train, **schedule))
    blocks = _blocks(page, "python")
    assert blocks
    exec("\n".join(blocks), {})
    plt.close("all")


def test_no_page_with_python_is_forgotten():
    assert {page for page in PAGES if _blocks(page, "python")} - NOT_EXECUTED == set(EXECUTED)


def test_commands_and_options_exist():
    commands = get_command(app).commands
    for page in PAGES:
        for line in "".join(_blocks(page, "sh")).splitlines():
            words = line.split("#")[0].split()
            if words[:1] == ["scvi-xmodal"]:
                known = {o for p in commands[words[1]].params for o in p.opts}
                assert {word for word in words if word.startswith("-")} <= known, line


@pytest.mark.parametrize("page", PAGES)
def test_linked_pages_exist(page):
    links = re.findall(r"\]\(([^)#:]+)\)", (DOCS / page).read_text())
    # api and tutorials are made when the documentation is built
    there = [DOCS / x if not x.startswith("tutorials/") else DOCS.parent / x for x in links]
    missing = [x for x in there if not x.exists() and "api" not in x.parts]
    assert not missing


def test_names_in_the_text_are_public():
    rooms = "|".join(set(xm.__all__) - {"model"})  # which is also what examples call theirs
    for page in (page for page in PAGES if page != "architecture.md"):  # it names files
        for room, name in re.findall(rf"`(?:xm\.)?({rooms})\.(\w+)", (DOCS / page).read_text()):
            assert name in getattr(xm, room).__all__, (page, room, name)
