import re
from functools import partialmethod
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import scvi_xmodal as xm
from scvi_xmodal.model import Butterfly

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md")


@pytest.fixture
def _short_training(monkeypatch):
    schedule = {"max_epochs": 1, "pretrain_epochs": 1, "enable_progress_bar": False}
    monkeypatch.setattr(Butterfly, "train", partialmethod(Butterfly.train, **schedule))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.usefixtures("_short_training")
def test_the_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(example, names)
    plt.close("all")
    assert {"Butterfly", "Ridge", "mean", "measured"} == set(names["scores"].index)
    assert names["z"].shape[0] == names["rna"].n_obs == names["split"].test.size
    assert names["model"].adata is None


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)#:]+)\)", path.read_text())
    missing = [link for link in links if not (path.parent / link).exists()]
    assert not missing


def test_the_map_names_rooms_and_files_that_exist():
    text = (ROOT / "docs/architecture.md").read_text()
    room = None
    for line in text.split("## The rooms")[1].split("```")[1].splitlines():
        found = re.match(r"  (\w+)/", line)
        room = found[1] if found else room
        if line.startswith("  ") and room is not None:
            package = ROOT / "scvi_xmodal" / room
            assert package.is_dir(), room
            places = ROOT / "scvi_xmodal", package
            for name in re.findall(r"(?<![\w.])(_[a-z0-9_]+)", line):
                found = [place / name for place in places]
                assert any(p.is_dir() or p.with_suffix(".py").exists() for p in found), name


def test_what_the_readme_says_is_there_is_there():
    text = (ROOT / "README.md").read_text()
    table = text.split("## What is there")[1].split("## Find")[0]
    there = " ".join(row.split("|")[2] for row in table.splitlines() if row.startswith("|"))
    public = {name for room in xm.__all__ for name in getattr(getattr(xm, room), "__all__", ())}
    for name in re.findall(r"`(\w+)`", there):
        assert name in public, name
