"""The published wheel's own virtual environment."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

WHEEL = "scbutterfly==0.0.9"
PYTHON = "3.11"
REQUIREMENTS = Path(__file__).with_name("wheel_requirements.txt")
SCHEDULE = {"R2R_pretrain_epoch": 100, "A2A_pretrain_epoch": 100, "translator_epoch": 200}
"""Its published epochs."""
DEFAULT_FOLDER = Path.home() / ".cache" / "scvi_xmodal_bench" / "wheel_env"


def wheel_python(folder: Path = DEFAULT_FOLDER) -> Path:
    """Return the environment's interpreter, installing it where it is not there yet.

    Takes a few minutes and 2 GB the first time. It stands outside the repository and is used
    again until the requirements change.

    Raises
    ------
    RuntimeError
        If there is no Python 3.11, for which alone the old numpy and scipy have wheels, or the
        installation fails.
    """
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + WHEEL.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing {WHEEL} into {folder} (a few minutes, once)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _call(_interpreter(), "-m", "venv", str(folder))
    pip = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _call(*pip, "-r", str(REQUIREMENTS))
    # without its dependencies, whose versions contradict each other by now
    _call(*pip, "--no-deps", WHEEL)
    stamp.write_text(wanted)
    return python


def _interpreter() -> str:
    if sys.version_info[:2] == tuple(int(part) for part in PYTHON.split(".")):
        return sys.executable
    found = shutil.which(f"python{PYTHON}")
    if found is None:
        raise RuntimeError(
            f"The published wheel needs Python {PYTHON}, and no python{PYTHON} is on the PATH. "
            "Install one, or leave the wheel out: --systems default preset multivi."
        )
    return found


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tail = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{' '.join(command)} failed:\n{tail}")
