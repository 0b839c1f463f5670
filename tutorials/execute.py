"""Execute the tutorials from scratch and write their outputs into them: ``make tutorials``.

Names pick some: ``python tutorials/execute.py 1_quickstart``. Fails if a cell fails, or if it
writes to standard error, as warnings do.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).parent
N_AT_ONCE = 2
SECONDS_A_CELL = 900
# One thread for each of two notebooks. What other packages say of themselves concerns no reader.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "PYTHONWARNINGS": ",".join(
        f"ignore{what}" for what in ("::FutureWarning", "::DeprecationWarning", ":IProgress not")
    ),
}
# A bar redraws its line, which nobody reads afterwards; Lightning tells each seed.
_LITTER = re.compile(r"\n*[^\n]*\r[^\n]*\n?|Seed set to \d+\n?")


def main(names: list[str]) -> int:
    """Execute the notebooks, two at a time, and return the exit status."""
    os.environ.update(ENVIRONMENT)
    paths = [HERE / f"{name.removesuffix('.ipynb')}.ipynb" for name in names]
    with ProcessPoolExecutor(N_AT_ONCE) as pool:
        failures = list(pool.map(_tried, paths or sorted(HERE.glob("*.ipynb"))))
    return int(any(failures))


def _tried(path: Path) -> bool:
    """Execute a notebook, say how it went, and return whether it failed."""
    started = time.perf_counter()
    try:
        execute(path)
    except Exception as error:  # noqa: BLE001, reported, and the others still run
        print(f"{path.name}: FAILED\n{error}", flush=True)
        return True
    print(f"{path.name}: {time.perf_counter() - started:.0f} s", flush=True)
    return False


def execute(path: Path) -> None:
    """Execute a notebook in an empty folder, and replace its outputs if all of it worked.

    Raises
    ------
    ValueError
        If a cell writes to standard error.
    """
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=SECONDS_A_CELL,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ each time
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(_cleaned, cell.outputs) if output]
            _refuse_messages(path, cell)
    notebook.metadata["language_info"] = {"name": "python"}  # not the patch version
    path.write_text(nbformat.writes(notebook, indent=1) + "\n")


def _cleaned(output: NotebookNode) -> NotebookNode | None:
    """Return an output without litter, and ``None`` if nothing is left."""
    if output.output_type == "stream":
        output.text = _LITTER.sub("", output.text)
        return output if output.text.strip() else None
    return output


def _refuse_messages(path: Path, cell: NotebookNode) -> None:
    for output in cell.outputs:
        if output.get("name") == "stderr":
            raise ValueError(
                f"{path.name} wrote to standard error:\n{output.text}\nin\n{cell.source}"
            )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
