import subprocess
import sys

import pytest
from typer.testing import CliRunner

import scvi_xmodal
from scvi_xmodal import _demo
from scvi_xmodal.cli import app

_CALL = "from scvi_xmodal.cli import app; app(prog_name='scvi-xmodal')"


def _run(*arguments):
    command = [sys.executable, "-c", _CALL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_help_lists_the_commands_without_heavy_imports():
    done = _run("--help")
    assert done.returncode == 0
    assert "demo" in done.stdout
    code = (
        "import sys, scvi_xmodal.cli; "
        "loaded = {'torch', 'scvi', 'scanpy', 'anndata', 'numpy'} & set(sys.modules); "
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_module_runs_too():
    command = [sys.executable, "-m", "scvi_xmodal.cli", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert "Usage: scvi-xmodal" in done.stdout


def test_version():
    done = _run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"scvi-xmodal {scvi_xmodal.__version__}\n"


def test_no_arguments_show_the_help():
    done = _run()
    assert "Usage" in done.stdout + done.stderr


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("")
    done = _run("demo", "--out", taken)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"Error: --out '{taken}' is a file; name a folder.\n"


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_shows_the_traceback_wherever_it_stands(tmp_path, place):
    taken = tmp_path / "taken"
    taken.write_text("")
    command = ["demo", "--out", taken]
    done = _run(*(["--debug", *command] if place == "before" else [*command, "--debug"]))
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "ValueError: out=" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["dmeo"], ["demo", "--seed", "x"], ["demo", "--seed", "-1"], ["demo", "--fast"]]
)
def test_wrong_arguments_exit_with_2(arguments):
    done = _run(*arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr or "--seed" in done.stderr
    assert "Traceback" not in done.stderr


def test_demo_passes_its_options_on(monkeypatch):
    calls = []
    monkeypatch.setattr(_demo, "run_demo", lambda out, **kwargs: calls.append((str(out), kwargs)))
    runner = CliRunner()
    assert runner.invoke(app, ["demo"]).exit_code == 0
    given = ["demo", "--out", "x/y", "--quick", "--seed", "3"]
    assert runner.invoke(app, given).exit_code == 0
    assert calls == [
        ("demo", {"quick": False, "seed": 0}),
        ("x/y", {"quick": True, "seed": 3}),
    ]


def test_long_messages_stay_on_one_line(monkeypatch):
    def fail(out, **kwargs):
        raise ValueError("first\n  second")

    monkeypatch.setattr(_demo, "run_demo", fail)
    done = CliRunner().invoke(app, ["demo"])
    assert done.exit_code == 2
    assert done.stderr == "Error: first second\n"


def test_other_errors_are_not_hidden(monkeypatch):
    def fail(out, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setattr(_demo, "run_demo", fail)
    done = CliRunner().invoke(app, ["demo"])
    assert isinstance(done.exception, RuntimeError)
