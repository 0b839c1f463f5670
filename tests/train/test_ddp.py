"""Two processes end with equal weights, and as good as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

_SCRIPT = """
import hashlib, json, os, sys
import torch
torch.set_num_threads(1)
import scvi
from scvi_xmodal.datasets import synthetic
from scvi_xmodal.model import Butterfly

if __name__ == "__main__":
    scvi.settings.seed = 0
    mdata = synthetic(n_cells=300, n_genes=30, n_peaks=60, atac_density=0.2, seed=0)
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=8)
    two = {"devices": 2, "strategy": "ddp_find_unused_parameters_true", "accelerator": "cpu"}
    model.train(
        pretrain_epochs=2, train_size=0.8, batch_size=32 // int(sys.argv[1]),
        enable_progress_bar=False, early_stopping_patience=4,
        plan_kwargs={"lr": 1e-2}, **(two if sys.argv[1] == "2" else {}),
        **json.loads(sys.argv[2]),
    )
    tensors = [p.detach().numpy().tobytes() for p in model.module.parameters()]
    history = {k: v.iloc[:, 0].tolist() for k, v in (model.history or {}).items()}
    rank = os.environ.get("LOCAL_RANK", "0")
    with open(f"rank{rank}.json", "w") as file:
        digest = hashlib.sha256(b"".join(tensors)).hexdigest()
        n_trained = len(model.train_indices)
        json.dump({"hash": digest, "history": history, "n_trained": n_trained}, file)
"""


def _train(folder, n_processes, **options):
    (folder / "script.py").write_text(_SCRIPT)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = [str(n_processes), json.dumps({"max_epochs": 40, **options})]
    command = [sys.executable, "-W", "ignore", "script.py", *arguments]
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return [json.loads((folder / f"rank{r}.json").read_text()) for r in range(n_processes)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return {n: _train(tmp_path_factory.mktemp(f"ddp{n}"), n) for n in (1, 2)}


def test_ranks_end_with_equal_weights(runs):
    first, second = runs[2]
    assert first["hash"] == second["hash"]


def test_history_and_early_stopping_survive(runs):
    metric = "integrative_reconstruction_loss_validation"
    history = runs[2][0]["history"]
    assert any(name.startswith("pretrain_rna_") for name in history)
    losses = history[metric]
    # patience 4: either it stopped that long after the best epoch, or it ran to the end
    assert len(losses) - 1 - losses.index(min(losses)) <= 4
    assert len(losses) <= 40


def test_quality_equals_one_process(runs):
    metric = "integrative_reconstruction_loss_validation"
    one, two = (min(runs[n][0]["history"][metric]) for n in (1, 2))
    assert two == pytest.approx(one, rel=0.02)


def test_a_refit_lasts_as_long_in_all_processes(tmp_path):
    first, second = _train(tmp_path, 2, max_epochs=4, refit=True)
    losses = first["history"]["integrative_reconstruction_loss_validation"]
    again = first["history"]["refit_integrative_reconstruction_loss_train"]
    assert len(again) == 1 + losses.index(min(losses))
    assert first["hash"] == second["hash"]
    assert first["n_trained"] == second["n_trained"] == 300
