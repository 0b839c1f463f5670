"""scvi-tools' search for settings, as the documentation shows it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import scvi_xmodal as xm

PAGE = Path(__file__).parents[2] / "docs" / "sharing.md"


@pytest.mark.filterwarnings("ignore")
def test_the_documented_search_runs(tmp_path, monkeypatch):
    for package in ("ray", "muon", "scib_metrics"):  # what scvi-tools[autotune] brings
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # workers are processes of their own, which must find the package under test
    paths = [str(Path(xm.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    (code,) = re.findall(r"```\{code-block\} python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for long, short in {
        "num_samples=20": "num_samples=2, resources={'cpu': 1}",
        "[16, 32, 64]": "[4, 8]",
        '"max_epochs": 100': '"max_epochs": 1, "pretrain_epochs": 0',
    }.items():
        assert long in code
        code = code.replace(long, short)
    mdata = xm.datasets.synthetic(n_cells=80, n_genes=20, n_peaks=30, atac_density=0.3)
    xm.model.Butterfly.setup_mudata(mdata)
    names = {"xm": xm, "mdata": mdata}
    exec(code, names)
    assert names["best"]["model_params"]["n_latent"] in (4, 8)
    losses = names["results"].result_grid.get_dataframe()["validation_loss"]
    assert losses.notna().all()
    assert len(losses) == 2
