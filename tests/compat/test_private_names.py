"""scvi-tools' private names are imported in one file alone."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import scvi_xmodal

PACKAGE = Path(scvi_xmodal.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def _imported(path: Path) -> list[str]:
    """Return the dotted names that a file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


def _private(path: Path) -> list[str]:
    return [
        name
        for name in _imported(path)
        if name.split(".")[0] == "scvi" and any(part.startswith("_") for part in name.split("."))
    ]


def test_the_sources_are_found():
    assert PACKAGE / "_compat.py" in SOURCES
    assert len(SOURCES) > 40


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_names_come_through_compat(path):
    assert path.name == "_compat.py" or _private(path) == []


def test_compat_is_the_place():
    assert _private(PACKAGE / "_compat.py")


@pytest.mark.smoke
def test_compat_finds_its_names():
    compat = importlib.import_module("scvi_xmodal._compat")
    for name in compat.__all__:
        assert getattr(compat, name) is not None
