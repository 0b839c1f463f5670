"""Build with ``make docs``: warnings are errors."""

from __future__ import annotations

import importlib
import inspect
import shutil
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
ROOMS = ("model", "pp", "pairing", "tl", "pl", "metrics", "baselines", "datasets", "data")

project = "scvi_xmodal"
author = "scvi_xmodal developers"
version = release = installed("scvi-xmodal")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",  # formulas are drawn without a network
    "sphinx_copybutton",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]

html_theme = "sphinx_book_theme"
html_title = "scvi_xmodal"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {"show_navbar_depth": 2, "show_toc_level": 2}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# tutorials are committed with their outputs; `make tutorials` executes them
nb_execution_mode = "off"
nb_merge_streams = True

# named one by one: by itself it would look at pages of the last build only
autosummary_generate = [f"api/{room}.md" for room in ROOMS]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False
# prose, not a list of types: our Returns sections are sentences
napoleon_custom_sections = ["Returns"]
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def _write_api_pages() -> None:
    """Write a page for each namespace from its docstring and ``__all__``; none gets stale."""
    folder = HERE / "api"
    folder.mkdir(exist_ok=True)
    for page in folder.glob("*.md"):
        if page.stem not in (*ROOMS, "index"):
            page.unlink()
    # what autosummary wrote for functions that are gone
    shutil.rmtree(folder / "generated", ignore_errors=True)
    written = []
    for room in ROOMS:
        module = importlib.import_module(f"scvi_xmodal.{room}")
        names = list(getattr(module, "__all__", ()))
        if not names:
            continue
        documented = [name for name in names if callable(getattr(module, name))]
        values = "\n".join(f"    {name}" for name in documented)
        text = (
            f"# {room}\n\n```{{eval-rst}}\n.. module:: scvi_xmodal.{room}\n\n"
            f"{inspect.getdoc(module)}\n\n"
            f".. autosummary::\n    :toctree: generated\n    :nosignatures:\n\n{values}\n```\n"
        )
        _write(folder / f"{room}.md", text)
        written.append(room)
    listed = "\n".join(written)
    _write(
        folder / "index.md",
        "# API\n\n`import scvi_xmodal as xm`; every namespace below is an attribute of `xm`.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n",
    )


def _write(path: Path, text: str) -> None:
    # an untouched file is not built again
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def _copy_tutorials() -> None:
    """Copy the notebooks in, since Sphinx reads nothing outside its folder."""
    folder = HERE / "tutorials"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    notebooks = sorted((HERE.parent / "tutorials").glob("*.ipynb"))
    for notebook in notebooks:
        shutil.copy(notebook, folder)
    listed = "\n".join(notebook.stem for notebook in notebooks)
    (folder / "index.md").write_text(
        "# Tutorials\n\nEach page is a notebook that runs within minutes on two cores, with data "
        "that come with the package; `make tutorials` executes them all. They are short "
        "trainings of few cells: read them for the way, and for how it fails, and see "
        "[accuracy](../accuracy.md) for scores to quote.\n\n"
        f"```{{toctree}}\n:maxdepth: 1\n\n{listed}\n```\n"
    )


def _is_foreign(app, what, name, thing, skip, options):
    """Leave out what classes inherit from scvi-tools, torch and typing."""
    module = getattr(inspect.unwrap(thing), "__module__", None) if callable(thing) else None
    return True if module and not module.startswith("scvi_xmodal") else None


def setup(app):
    """Connect what decides which members are shown."""
    app.connect("autodoc-skip-member", _is_foreign)


_write_api_pages()
_copy_tutorials()
