"""Training that is killed goes on to what it would have become."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from lightning.pytorch.callbacks import Callback

from scvi_xmodal.data import Pairs, Split
from scvi_xmodal.model import Babel, Butterfly
from scvi_xmodal.pairing import by_label
from scvi_xmodal.train import CHECKPOINT, random_state, read_checkpoint, set_random_state

SPLIT = Split(range(40), range(40, 50), range(50, 60))
PLAN = {"reduce_lr_on_plateau": True, "lr_patience": 0, "n_epochs_kl_warmup": 3}
OPTIONS = {
    "max_epochs": 3,
    "pretrain_epochs": 2,
    "split": SPLIT,
    "batch_size": 16,
    "early_stopping_patience": 2,
    "enable_progress_bar": False,
    "plan_kwargs": PLAN,
}
N_BATCHES = 3  # 40 cells by 16


class Stop(Callback):
    """Stops training like a crash after some minibatches."""

    def __init__(self, n_batches):
        self.n_batches = n_batches

    def on_train_batch_end(self, *args):
        self.n_batches -= 1
        if self.n_batches == 0:
            raise RuntimeError("stopped by a test")


@pytest.fixture(scope="module")
def fresh(simulate):
    """Return a function that makes the same untrained model from the same data."""

    def make(seed=0, **options):
        mdata = simulate()
        scvi.settings.seed = seed
        Butterfly.setup_mudata(mdata)
        return Butterfly(mdata, **{"n_latent": 6, "n_embedding": 16, **options})

    return make


def _same(model, other):
    assert model.history.keys() == other.history.keys()
    for name, values in model.history.items():
        pd.testing.assert_frame_equal(values, other.history[name], check_exact=True)
    for name, tensor in model.module.state_dict().items():
        assert torch.equal(tensor, other.module.state_dict()[name]), name


def _stopped(model, n_batches, **options):
    with pytest.raises(RuntimeError, match="stopped by a test"):
        model.train(**{**OPTIONS, **options}, callbacks=[Stop(n_batches)])
    return model


_KILLED = """
import json, os, signal, sys
from pathlib import Path
import scvi, torch
torch.set_num_threads(1)
from lightning.pytorch.callbacks import Callback
from scvi_xmodal.datasets import synthetic
from scvi_xmodal.model import Babel, Butterfly
from scvi_xmodal.pairing import by_label

class Kill(Callback):
    def __init__(self, n_batches):
        self.n_batches = n_batches

    def on_train_batch_end(self, *args):
        self.n_batches -= 1
        if self.n_batches == 0:
            os.kill(os.getpid(), signal.SIGKILL)

def train(seed, callbacks=(), **options):
    mdata = synthetic(n_cells=60, n_genes=18, n_peaks=36, n_chromosomes=3, atac_density=0.3)
    scvi.settings.seed = seed
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=6, n_embedding=16)
    model.train(3, pretrain_epochs=2, batch_size=16, enable_progress_bar=False,
                callbacks=list(callbacks), **options)
    return model

def differences(model, other):
    weights = model.module.state_dict()
    found = [k for k, v in other.module.state_dict().items() if not torch.equal(v, weights[k])]
    return found + [k for k, v in other.history.items() if not v.equals(model.history.get(k))]

unbroken, result = train(0), {}
for n_batches in json.loads(sys.argv[1]):
    folder = Path(f"killed_{n_batches}")
    child = os.fork()
    if child == 0:
        train(0, [Kill(n_batches)], checkpoint_dir=folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    resumed = train(1, checkpoint_dir=folder, resume=True)
    result[n_batches] = [os.WTERMSIG(status), differences(unbroken, resumed)]
Path("result.json").write_text(json.dumps(result))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_in_every_phase(tmp_path):
    """An epoch has 4 minibatches: in a second epoch, a first one, and the last but one."""
    (tmp_path / "script.py").write_text(_KILLED)
    kills = [6, 13, 22]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py", json.dumps(kills)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result == {str(n): [9, []] for n in kills}


@pytest.fixture(scope="module")
def unbroken(fresh):
    """A model that nothing stopped, and that wrote no checkpoint."""
    model = fresh()
    model.train(**OPTIONS)
    return model


@pytest.fixture(scope="module")
def stopped_run(fresh, tmp_path_factory):
    """A folder with the checkpoint of a training that was stopped in its second epoch."""
    folder = tmp_path_factory.mktemp("stopped")
    _stopped(fresh(), 4, checkpoint_dir=folder)
    return folder


@pytest.fixture
def folder(stopped_run, tmp_path):
    """The same, for a test to spoil."""
    shutil.copytree(stopped_run, tmp_path, dirs_exist_ok=True)
    return tmp_path


class TestResume:
    @pytest.mark.parametrize("n_batches", [8, 19], ids="batch_{}".format)
    def test_schedules_and_stopping_go_on(self, fresh, unbroken, tmp_path, n_batches):
        _stopped(fresh(), n_batches, checkpoint_dir=tmp_path)
        model = fresh(seed=9)
        model.train(**OPTIONS, checkpoint_dir=tmp_path, resume=True)
        _same(model, unbroken)

    def test_stopped_twice_and_then_done(self, fresh, unbroken, folder):
        _stopped(fresh(), 8, checkpoint_dir=folder, resume=True)
        model = fresh(seed=9)
        model.train(**OPTIONS, checkpoint_dir=folder, resume=True)
        _same(model, unbroken)
        model = fresh(seed=9)
        model.train(**OPTIONS, checkpoint_dir=folder, resume=True, callbacks=[Stop(1)])
        _same(model, unbroken)
        np.testing.assert_array_equal(model.train_indices, SPLIT.train)
        assert model.is_trained
        assert not model.module.training
        np.testing.assert_array_equal(
            model.translate(source="rna", target="atac").X,
            unbroken.translate(source="rna", target="atac").X,
        )

    def test_a_drawn_split_is_drawn_once(self, fresh, tmp_path):
        options = {**OPTIONS, "split": None, "train_size": 0.7}
        unbroken = fresh()
        unbroken.train(**options)
        _stopped(fresh(), 4, **{**options, "checkpoint_dir": tmp_path})
        model = fresh(seed=9)
        model.train(**options, checkpoint_dir=tmp_path, resume=True)
        np.testing.assert_array_equal(
            np.sort(model.train_indices), np.sort(unbroken.train_indices)
        )
        _same(model, unbroken)

    def test_without_validation_cells(self, fresh, tmp_path):
        options = {**OPTIONS, "split": Split(range(50)), "plan_kwargs": None}
        unbroken = fresh()
        unbroken.train(**options)
        _stopped(fresh(), 6, **{**options, "checkpoint_dir": tmp_path})
        model = fresh(seed=9)
        model.train(**options, checkpoint_dir=tmp_path, resume=True)
        _same(model, unbroken)

    def test_pairs_that_are_drawn_anew(self, fresh, simulate, tmp_path):
        mdata = simulate()
        for adata in (mdata, *mdata.mod.values()):
            adata.obs["half"] = np.repeat(["a", "b"], 30)
        pairs = by_label(mdata, "half", SPLIT.train, redraw=True)
        options = {**OPTIONS, "pairs": pairs}
        unbroken = fresh()
        unbroken.train(**options)
        _stopped(fresh(), 7, **{**options, "checkpoint_dir": tmp_path})
        model = fresh(seed=9)
        model.train(**options, checkpoint_dir=tmp_path, resume=True)
        _same(model, unbroken)

    def test_babel(self, simulate, tmp_path):
        models = []
        for options in ({}, {"checkpoint_dir": tmp_path}, {"checkpoint_dir": tmp_path}):
            scvi.settings.seed = len(models) // 2
            mdata = simulate()
            Babel.setup_mudata(mdata)
            models.append(Babel(mdata))
            options |= {"split": SPLIT, "batch_size": 16, "enable_progress_bar": False}
            if len(models) == 2:
                with pytest.raises(RuntimeError, match="stopped by a test"):
                    models[-1].train(3, **options, callbacks=[Stop(5)])
            else:
                models[-1].train(3, **options, resume=len(models) == 3)
        _same(models[2], models[0])

    def test_a_second_training_keeps_the_first_history(self, fresh, tmp_path):
        first, second = fresh(), fresh()
        for model in (first, second):
            torch.manual_seed(3)
            model.train(1, pretrain_epochs=0, split=SPLIT, enable_progress_bar=False)
        torch.manual_seed(4)
        first.train(**OPTIONS)
        torch.manual_seed(4)
        _stopped(second, 4, checkpoint_dir=tmp_path)
        second.train(**OPTIONS, checkpoint_dir=tmp_path, resume=True)
        _same(second, first)

    def test_nothing_to_resume(self, fresh, unbroken, tmp_path, caplog):
        model = fresh()
        model.train(**OPTIONS, checkpoint_dir=tmp_path / "new", resume=True)
        assert "training starts anew" in caplog.text
        _same(model, unbroken)
        assert [path.name for path in (tmp_path / "new").iterdir()] == [CHECKPOINT]


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "what"),
        [
            ({"split": Split(range(39), range(40, 50), range(50, 60))}, "split"),
            ({"pairs": Pairs.measured(["rna", "atac"], range(30))}, "table of pairs"),
            ({"batch_size": 8}, "set of training arguments"),
            ({"max_epochs": 9}, "set of training arguments"),
            ({"plan_kwargs": {"lr": 0.1}}, "set of training arguments"),
        ],
        ids=["split", "pairs", "batch_size", "max_epochs", "plan"],
    )
    def test_another_training(self, fresh, folder, options, what):
        model = fresh()
        with pytest.raises(ValueError, match=rf"checkpoint of .* another {what}.*empty checkpo"):
            model.train(**{**OPTIONS, **options}, checkpoint_dir=folder, resume=True)
        assert not model.is_trained

    def test_another_model(self, fresh, folder):
        with pytest.raises(ValueError, match=r"another model: repeat that one"):
            fresh(n_latent=5).train(**OPTIONS, checkpoint_dir=folder, resume=True)

    def test_other_data(self, simulate, folder):
        mdata = simulate()
        mdata["rna"].X[0, 0] += 1
        Butterfly.setup_mudata(mdata)
        with pytest.raises(ValueError, match=r"training with another dataset"):
            Butterfly(mdata, n_latent=6, n_embedding=16).train(
                **OPTIONS, checkpoint_dir=folder, resume=True
            )

    def test_other_batches(self, simulate, tmp_path):
        def fresh(batches):
            mdata = simulate()
            mdata.obs["batch"] = batches
            Butterfly.setup_mudata(mdata, batch_key="batch")
            return Butterfly(mdata, n_latent=6, n_embedding=16)

        options = {**OPTIONS, "checkpoint_dir": tmp_path}
        batches = np.resize(["a", "b"], simulate().n_obs)
        fresh(batches).train(**options)
        with pytest.raises(ValueError, match=r"training with another dataset"):
            fresh(batches[::-1]).train(**options, resume=True)
        fresh(batches).train(**options, resume=True)

    def test_a_checkpoint_is_not_lost_by_mistake(self, fresh, folder):
        before = (folder / CHECKPOINT).read_bytes()
        with pytest.raises(ValueError, match=r"there already: resume=True goes on from it"):
            fresh().train(**OPTIONS, checkpoint_dir=folder)
        assert (folder / CHECKPOINT).read_bytes() == before

    def test_nowhere_to_resume_from(self, fresh):
        with pytest.raises(ValueError, match="resume=True needs the checkpoint_dir="):
            fresh().train(**OPTIONS, resume=True)

    @pytest.mark.parametrize("spoil", ["truncated", "foreign", "empty", "newer"])
    def test_no_checkpoint(self, fresh, folder, spoil):
        path = folder / CHECKPOINT
        if spoil == "newer":
            torch.save({**read_checkpoint(path), "format": 99}, path)
        else:
            data = path.read_bytes()
            path.write_bytes({"truncated": data[:-500], "foreign": b"text", "empty": b""}[spoil])
        with pytest.raises(ValueError, match=r"no checkpoint that can be resumed .*delete it"):
            fresh().train(**OPTIONS, checkpoint_dir=folder, resume=True)

    def test_code_in_a_checkpoint_is_not_run(self, fresh, folder):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(folder / "evil"),)

        torch.save({"format": 1, "identity": Evil()}, folder / CHECKPOINT)
        with pytest.raises(ValueError, match="no checkpoint that can be resumed"):
            fresh().train(**OPTIONS, checkpoint_dir=folder, resume=True)
        assert not (folder / "evil").exists()


def test_a_full_disk_leaves_the_last_checkpoint(fresh, folder, monkeypatch):
    before = (folder / CHECKPOINT).read_bytes()

    def fail(state, path, **kwargs):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    model = fresh()
    with pytest.raises(OSError, match=r"not written.*No space left.*MB are free"):
        model.train(**OPTIONS, checkpoint_dir=folder, resume=True)
    assert [path.name for path in folder.iterdir()] == [CHECKPOINT]
    assert (folder / CHECKPOINT).read_bytes() == before
    assert model.is_trained  # of the epochs that were done


def test_random_states_come_back():
    state = random_state()
    first = (np.random.rand(), torch.rand(1), np.random.randn())  # noqa: NPY002
    set_random_state(state)
    assert first == (np.random.rand(), torch.rand(1), np.random.randn())  # noqa: NPY002
