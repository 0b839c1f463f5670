from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest

import scvi_xmodal as xm

PYPROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
HEAVY = ("torch", "scvi", "lightning", "matplotlib", "scanpy", "igraph", "sklearn")


def _loaded_after(statement: str) -> list[str]:
    code = f"{statement}\nimport sys\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    shown = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return shown.stdout.split()


@pytest.mark.smoke
@pytest.mark.parametrize("statement", ["import scvi_xmodal", "import scvi_xmodal.datasets"])
def test_importing_loads_nothing_heavy(statement):
    assert _loaded_after(statement) == []


@pytest.mark.smoke
def test_the_version_is_that_of_the_project():
    assert xm.__version__ == version("scvi-xmodal") == PYPROJECT["project"]["version"]


def test_every_public_subpackage_is_there_and_listed():
    assert set(xm.__all__) <= set(dir(xm))
    for name in xm.__all__:
        assert find_spec(f"scvi_xmodal.{name}") is not None


def test_a_subpackage_is_imported_on_first_use():
    code = (
        "import sys, scvi_xmodal as xm\n"
        "assert 'scvi_xmodal.datasets' not in sys.modules\n"
        "assert xm.datasets is sys.modules['scvi_xmodal.datasets']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["module", "nn", "train"])
def test_what_docstrings_name_is_at_hand_before_any_model(name):
    code = f"import scvi_xmodal as xm; assert xm.{name}.__name__ == 'scvi_xmodal.{name}'"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert name in dir(xm)


def test_an_unknown_attribute_is_named():
    with pytest.raises(AttributeError, match="'scvi_xmodal' has no attribute 'modle'"):
        xm.modle  # noqa: B018


@pytest.mark.smoke
@pytest.mark.parametrize(
    "path",
    [
        "py.typed",
        "datasets/data/README.md",
        "datasets/data/citeseq_bmmc_mini.h5mu",
        "datasets/data/genes_mm10.tsv.gz",
        "datasets/data/kang_pbmc_muscat.h5ad",
        "datasets/data/multiome_bmmc_mini.h5mu",
        "datasets/data/snareseq_mouse_cortex_2k.h5mu",
    ],
)
def test_the_installed_package_carries(path):
    assert files("scvi_xmodal").joinpath(path).is_file()


def test_the_command_is_installed():
    (command,) = entry_points(group="console_scripts", name="scvi-xmodal")
    assert command.value == "scvi_xmodal.cli:app"
