"""The commands on files: what goes in, what comes out, and what a mistake looks like."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings

import anndata
import h5py
import numpy as np
import pytest
import scvi
from anndata import AnnData
from mudata import MuData
from typer.testing import CliRunner

import scvi_xmodal as xm
from scvi_xmodal._commands._common import quiet
from scvi_xmodal.cli import app

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:zarr v3")

TRAIN = ["--max-epochs", "1", "--pretrain-epochs", "0", "--accelerator", "cpu"]


def _invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with paired cells, queries, and a model trained on the cells."""
    folder = tmp_path_factory.mktemp("files")
    mdata = xm.datasets.synthetic(
        n_cells=120, n_genes=25, n_peaks=40, n_batches=2, atac_density=0.3
    )
    mdata.write(folder / "data.h5mu")
    mdata["atac"].write_h5ad(folder / "atac.h5ad")
    mdata["rna"].write_zarr(folder / "rna.zarr")
    done = _invoke("train", folder / "data.h5mu", "-o", folder / "model", "--json", *TRAIN)
    assert done.exit_code == 0, done.output
    (folder / "train.json").write_text(done.stdout)
    return folder


def test_training_says_what_it_made(folder):
    made = json.loads((folder / "train.json").read_text())
    assert made["model"] == "Butterfly"
    assert made["epochs"] == {"integrative": 1}
    assert sum(made["cells"].values()) == 120
    assert made["modalities"]["rna"]["n_features"] == 25
    assert json.loads(_invoke("info", folder / "model", "--json").stdout) == made
    shown = _invoke("info", folder / "model")
    assert shown.exit_code == 0
    assert "model: Butterfly" in shown.stdout.splitlines()


def test_the_split_is_that_of_pp(folder):
    cells = json.loads((folder / "model" / "cells.json").read_text())
    mdata = xm.datasets.read(folder / "data.h5mu")
    split = xm.pp.split(mdata, by="cell", seed=0)
    for part in ("train", "validation", "test"):
        assert cells[part] == mdata.obs_names[getattr(split, part)].tolist()


def test_a_refit_leaves_no_cell_to_validate(folder, tmp_path):
    data, model = folder / "data.h5mu", tmp_path / "model"
    done = _invoke("train", data, "-o", model, "--refit", "--json", *TRAIN)
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert made["epochs"] == {"integrative": 1, "refit_integrative": 1}
    cells, before = (
        json.loads((place / "cells.json").read_text()) for place in (model, folder / "model")
    )
    assert set(cells["train"]) == {*before["train"], *before["validation"]}
    assert cells["validation"] == []
    assert cells["test"] == before["test"]
    assert made["cells"] == {part: len(cells[part]) for part in made["cells"]}
    assert _invoke("evaluate", model, data, "--json").exit_code == 0


def test_cells_are_those_of_the_model_that_is_there(folder, tmp_path):
    data, model = folder / "data.h5mu", tmp_path / "model"
    shutil.copytree(folder / "model", model)
    # the same model, saved again
    xm.model.Butterfly.load(model, adata=False).save(model, overwrite=True)
    assert "training cells serve as" in _invoke("evaluate", model, data, "--no-baselines").stderr
    mdata = xm.datasets.read(data)
    xm.model.Butterfly.setup_mudata(mdata)
    other = xm.model.Butterfly(mdata)
    other.train(
        1,
        pretrain_epochs=0,
        split=xm.pp.split(mdata, by="cell", seed=1),
        enable_progress_bar=False,
    )
    other.save(model, overwrite=True)
    done = _invoke("evaluate", model, data, "--no-baselines")
    assert done.exit_code == 0, done.output
    assert "does not say which cells it was trained on" in done.stderr
    assert json.loads(_invoke("info", model, "--json").stdout)["cells"] == {}


@pytest.mark.parametrize(
    ("query", "target", "out"),
    [
        ("atac.h5ad", "rna", "rna.h5ad"),
        ("rna.zarr", "atac", "atac.zarr"),
        ("data.h5mu", "rna", "b.h5ad"),
    ],
)
def test_translating_gives_what_the_model_gives(folder, tmp_path, query, target, out):
    done = _invoke(
        "translate",
        folder / "model",
        folder / query,
        "--to",
        target,
        "-o",
        tmp_path / out,
        "--json",
    )
    assert done.exit_code == 0, done.output
    source = {"rna": "atac", "atac": "rna"}[target]
    assert json.loads(done.stdout) == {
        "out": str(tmp_path / out),
        "source": source,
        "target": target,
        "n_cells": 120,
        "n_features": {"rna": 25, "atac": 40}[target],
    }
    model = xm.model.Butterfly.load(folder / "model", adata=False)
    expected = model.translate(xm.datasets.read(folder / query), source=source, target=target)
    read = anndata.read_zarr if out.endswith("zarr") else anndata.read_h5ad
    made = read(tmp_path / out)
    np.testing.assert_allclose(made.X, expected.X, rtol=1e-5, atol=1e-7)
    assert made.uns["scvi_xmodal"]["target"] == target


def test_evaluating_says_if_no_training_cell_is_known_by_name(folder, tmp_path):
    mdata = xm.datasets.read(folder / "data.h5mu")
    for adata in mdata.mod.values():
        adata.obs_names = [f"{name}-1" for name in adata.obs_names]
    mdata.update()
    mdata.write(tmp_path / "renamed.h5mu")
    done = _invoke("evaluate", folder / "model", tmp_path / "renamed.h5mu", "--no-baselines")
    assert done.exit_code == 0, done.output
    assert "other names, such as 'cell_0-1', their scores flatter" in done.output


def test_evaluating_says_if_few_training_cells_are_known_by_name(folder, tmp_path):
    """Barcodes are few: two experiments share some."""
    mdata = xm.datasets.read(folder / "data.h5mu")
    split = xm.pp.split(mdata, by="cell", seed=0)
    for adata in mdata.mod.values():
        names = adata.obs_names.to_numpy(dtype=object, copy=True)
        names[split.train[3:]] = [f"{name}-1" for name in names[split.train[3:]]]
        adata.obs_names = names
    mdata.update()
    mdata.write(tmp_path / "other.h5mu")
    done = _invoke("evaluate", folder / "model", tmp_path / "other.h5mu", "--no-baselines")
    assert done.exit_code == 0, done.output
    assert f"Only 3 of {split.train.size} training cells" in done.stderr


def test_evaluating_scores_only_cells_that_were_held_out(folder, tmp_path):
    done = _invoke(
        "evaluate", folder / "model", folder / "data.h5mu", "--json", "-o", tmp_path / "s.csv"
    )
    assert done.exit_code == 0, done.output
    rows = {(row["direction"], row["prediction"]): row for row in json.loads(done.stdout)}
    n_test = len(json.loads((folder / "model" / "cells.json").read_text())["test"])
    assert {name for _, name in rows} == {"Butterfly", "Ridge", "KNN", "mean"}
    assert {row["n_cells"] for row in rows.values()} == {n_test}
    assert (tmp_path / "s.csv").read_text().startswith("direction,prediction,")

    mdata = xm.datasets.read(folder / "data.h5mu")
    split = xm.pp.split(mdata, by="cell", seed=0)
    model = xm.model.Butterfly.load(folder / "model", adata=False)
    rna = model.translate(mdata["atac"][split.test].copy(), source="atac", target="rna")
    table = xm.metrics.evaluate_translation(
        rna, mdata["rna"][split.test].copy(), reference=mdata["rna"][split.train].copy()
    )
    score = rows["atac -> rna", "Butterfly"]["pearson_gene"]
    assert score == pytest.approx(table.loc["prediction", "pearson_gene"], abs=1e-6)

    shown = _invoke("evaluate", folder / "model", folder / "data.h5mu", "--no-baselines")
    assert "auroc_peak" in shown.stdout
    assert "Ridge" not in shown.stdout


def test_evaluating_takes_peaks_that_are_written_otherwise(folder, tmp_path):
    mdata = xm.datasets.read(folder / "data.h5mu")
    mdata["atac"].var_names = mdata["atac"].var_names.str.replace(":", "-")
    mdata.update()
    mdata.write(tmp_path / "dashes.h5mu")
    options = ["--no-baselines", "--json"]
    found = _invoke("evaluate", folder / "model", tmp_path / "dashes.h5mu", *options)
    assert found.exit_code == 0, found.output
    expected = _invoke("evaluate", folder / "model", folder / "data.h5mu", *options)
    assert json.loads(found.stdout) == json.loads(expected.stdout)


def test_the_order_of_a_modalitys_cells_changes_no_score(folder, tmp_path):
    mdata = xm.datasets.read(folder / "data.h5mu")
    order = np.random.default_rng(0).permutation(mdata.n_obs)
    parts = {"rna": mdata["rna"].copy(), "atac": mdata["atac"][order].copy()}
    MuData(parts).write(tmp_path / "shuffled.h5mu")
    files = [folder / "data.h5mu", tmp_path / "shuffled.h5mu"]
    plain, shuffled = (_invoke("evaluate", folder / "model", file, "--json") for file in files)
    assert shuffled.exit_code == 0, shuffled.output
    assert shuffled.stdout == plain.stdout

    parts["atac"] = parts["atac"][5:].copy()
    MuData(parts).write(tmp_path / "fewer.h5mu")
    done = _invoke("evaluate", folder / "model", tmp_path / "fewer.h5mu")
    assert done.exit_code == 2
    assert "'rna' 120, 'atac' 115, of which 115 are in both" in done.stderr


def test_cells_that_were_trained_on_are_not_scored(folder, tmp_path):
    mdata = xm.datasets.read(folder / "data.h5mu")
    split = xm.pp.split(mdata, by="cell", seed=0)
    mdata[split.train].copy().write(tmp_path / "seen.h5mu")
    done = _invoke("evaluate", folder / "model", tmp_path / "seen.h5mu")
    assert done.exit_code == 2
    assert "were trained on" in done.stderr


def test_a_model_from_python_is_scored_with_a_caution(folder, tmp_path):
    model = xm.model.Butterfly.load(folder / "model", adata=False)
    model.save(tmp_path / "model")
    done = _invoke("evaluate", tmp_path / "model", folder / "data.h5mu", "--json")
    assert done.exit_code == 0, done.output
    assert "does not say which cells" in done.stderr
    assert {row["n_cells"] for row in json.loads(done.stdout)} == {120}


def test_a_layer_batches_and_no_test_cells(folder, tmp_path):
    mdata = xm.datasets.read(folder / "data.h5mu")
    for adata in mdata.mod.values():
        adata.layers["counts"] = adata.X.copy()
        adata.X = np.sqrt(adata.X.toarray())  # no counts
    mdata.write(tmp_path / "layers.h5mu")
    options = ["--layer", "counts", "--batch-key", "batch", "--hold-out", "none"]
    data, model = tmp_path / "layers.h5mu", tmp_path / "model"
    done = _invoke("train", data, "-o", model, "--json", *options, *TRAIN)
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    assert made["cells"] == {"train": 108, "validation": 12, "test": 0}
    assert len(made["batches"]) == 2
    given = ["--to", "rna", "--from", "atac", "-o", tmp_path / "out.h5ad"]
    assert _invoke("translate", model, data, *given, "--batch", made["batches"][0]).exit_code == 0
    _x_serves_too(folder, data, model, tmp_path)


def _x_serves_too(folder, data, model, tmp_path):
    """Files with counts in X are taken by a model of counts in a layer, if told so."""
    atac, translate = folder / "atac.h5ad", ["--to", "rna", "-o"]
    refused = _invoke("translate", model, atac, *translate, tmp_path / "x.h5ad")
    assert refused.exit_code == 2
    assert "in layer 'counts'; query.X holds counts too: --layer 'X'" in refused.stderr
    options = ["--layer", "X", "--json"]
    assert _invoke("translate", model, data, *translate, tmp_path / "own.h5ad").exit_code == 0
    expected = anndata.read_h5ad(tmp_path / "own.h5ad")
    for name in ("x.h5ad", "x.h5mu"):
        done = _invoke("translate", model, atac, *translate, tmp_path / name, *options)
        assert done.exit_code == 0, done.output
        made = xm.datasets.read(tmp_path / name)
        made = made["rna"] if name.endswith("mu") else made
        np.testing.assert_allclose(made.X, expected.X, rtol=1e-5)
    (model / "cells.json").unlink()
    refused = _invoke("evaluate", model, folder / "data.h5mu")
    assert refused.exit_code == 2
    assert "rna.X holds counts too: --layer 'X'" in refused.stderr.splitlines()[-1]
    done = _invoke("evaluate", model, folder / "data.h5mu", *options)
    expected = _invoke("evaluate", model, data, "--json")
    assert done.exit_code == expected.exit_code == 0, done.output + expected.output
    assert json.loads(done.stdout) == json.loads(expected.stdout)
    assert _invoke("evaluate", model, data, "--layer", "raw").exit_code == 2


def test_one_table_with_feature_types_trains(folder, tmp_path):
    mdata = xm.datasets.read(folder / "data.h5mu")
    whole = anndata.concat(mdata.mod, axis="var", merge="first")
    whole.var["feature_types"] = ["Gene Expression"] * 25 + ["Peaks"] * 40
    whole.write_h5ad(tmp_path / "whole.h5ad")
    done = _invoke("train", tmp_path / "whole.h5ad", "-o", tmp_path / "model", "--json", *TRAIN)
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["modalities"]) == {"rna", "atac"}


def test_an_h5mu_holds_the_query_and_its_translation(folder, tmp_path):
    out = tmp_path / "joint.h5mu"
    done = _invoke(
        "translate", folder / "model", folder / "atac.h5ad", "--to", "rna", "-o", out, "--json"
    )
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["n_cells"], json.loads(done.stdout)["n_features"]) == (120, 25)
    joint = xm.datasets.read(out)
    query = anndata.read_h5ad(folder / "atac.h5ad")
    assert set(joint.mod) == {"rna", "atac"}
    assert joint.obs_names.tolist() == query.obs_names.tolist()
    assert joint.obs["cell_type"].tolist() == query.obs["cell_type"].tolist()
    np.testing.assert_array_equal(joint["atac"].X.toarray(), query.X.toarray())
    model = xm.model.Butterfly.load(folder / "model", adata=False)
    expected = model.translate(query, source="atac", target="rna")
    np.testing.assert_allclose(joint["rna"].X, expected.X, rtol=1e-5, atol=1e-7)


def test_a_table_of_genes_and_peaks_is_joined_by_its_peaks_alone(folder, tmp_path):
    parts = xm.datasets.read(folder / "data.h5mu").mod
    whole = anndata.concat(parts, axis="var", merge="first")
    whole.var["feature_types"] = ["Gene Expression"] * 25 + ["Peaks"] * 40
    whole.write_h5ad(tmp_path / "whole.h5ad")
    out = tmp_path / "joint.h5mu"
    done = _invoke(
        "translate", folder / "model", tmp_path / "whole.h5ad", "--to", "rna", "-o", out
    )
    assert done.exit_code == 0, done.output
    joint = xm.datasets.read(out)
    assert joint["atac"].var_names.tolist() == parts["atac"].var_names.tolist()


def test_other_peaks_need_repool_and_say_how_many_are_covered(folder, tmp_path):
    query = anndata.read_h5ad(folder / "atac.h5ad")
    other = query[:, 10:].copy()
    other.var[["start", "end"]] += 5
    other.var_names = [f"{c}:{s}-{e}" for c, s, e in other.var.to_numpy()]
    other.write_h5ad(tmp_path / "other.h5ad")
    command = ["translate", folder / "model", tmp_path / "other.h5ad", "--to", "rna", "-o"]
    refused = _invoke(*command, tmp_path / "rna.h5ad")
    assert refused.exit_code == 2
    assert not (tmp_path / "rna.h5ad").exists()
    with pytest.warns(UserWarning, match="30 of 40 target peaks"):
        done = _invoke(*command, tmp_path / "rna.h5ad", "--repool")
    assert done.exit_code == 0, done.output
    made = anndata.read_h5ad(tmp_path / "rna.h5ad")
    model = xm.model.Butterfly.load(folder / "model", adata=False)
    pooled = query.copy()
    pooled.X[:, :10] = 0
    expected = model.translate(pooled, source="atac", target="rna")
    np.testing.assert_allclose(made.X, expected.X, rtol=1e-4, atol=1e-6)


def test_warnings_are_a_line_in_the_words_of_the_command_line():
    before = warnings.formatwarning
    with quiet():
        said = warnings.formatwarning(
            UserWarning("Few\n cells: repool=True."), UserWarning, "a", 1
        )
    assert said == "Warning: Few cells: --repool.\n"
    assert warnings.formatwarning is before


def test_babel_goes_all_the_way(folder, tmp_path):
    model = tmp_path / "babel"
    options = ["--model", "babel", "--max-epochs", "1", "--accelerator", "cpu", "--json"]
    done = _invoke("train", folder / "data.h5mu", "-o", model, *options)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["model"] == "Babel"
    out = tmp_path / "rna.h5ad"
    done = _invoke("translate", model, folder / "atac.h5ad", "--to", "rna", "-o", out)
    assert done.exit_code == 0, done.output
    assert anndata.read_h5ad(out).shape == (120, 25)
    done = _invoke("evaluate", model, folder / "data.h5mu", "--no-baselines", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert {row["prediction"] for row in rows} >= {"Babel", "mean"}
    assert "model: Babel" in _invoke("info", model).stdout.splitlines()


def _wrong(folder, tmp_path):
    """Return arguments that are wrong, each with what the message must name."""
    data, model, query = folder / "data.h5mu", folder / "model", folder / "atac.h5ad"
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "broken.h5ad").write_text("text")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.csv").mkdir()
    AnnData(np.ones((3, 2))).write_h5ad(tmp_path / "other.h5ad")
    out = tmp_path / "out.h5ad"
    translate = ["--to", "rna", "-o", out]
    return [
        (["train", tmp_path / "none.h5mu", "-o", tmp_path / "m"], "does not exist"),
        (["train", tmp_path / "notes.txt", "-o", tmp_path / "m"], "'.txt'"),
        (["train", tmp_path / "broken.h5ad", "-o", tmp_path / "m"], "cannot be read"),
        (["train", query, "-o", tmp_path / "m"], "feature_types"),
        (["train", data, "-o", model], "--overwrite"),
        (["train", data, "-o", tmp_path / "m", "--model", "buterfly"], "'Butterfly'"),
        (["train", data, "-o", tmp_path / "m", "--preset", "best"], "'best'"),
        (["train", data, "-o", tmp_path / "m", "--hold-out", "sample"], "'sample'"),
        (
            ["train", data, "-o", tmp_path / "m", "--hold-out", "donor"],
            "--hold-out 'donor'; known are ['cell', 'batch', 'cell_type', 'cluster', 'none']",
        ),
        (["train", data, "-o", tmp_path / "m", "--layer", "raw"], "'raw'"),
        (["train", data, "-o", tmp_path / "m", "--batch-key", "lane"], "'lane'"),
        (["train", data, "-o", tmp_path / "m", "--model", "babel", "--preset", "x"], "--preset"),
        (["train", data, "-o", tmp_path / "m", "--model", "babel", *TRAIN], "--pretrain-epochs"),
        (["train", data, "-o", tmp_path / "m", "--model", "babel", "--refit"], "--refit"),
        (["translate", tmp_path / "empty", query, *translate], "holds no model"),
        (["translate", model, tmp_path / "other.h5ad", *translate], "lack"),
        (["translate", model, query, "--to", "protein", "-o", out], "'protein'"),
        (["translate", model, query, "--to", "rna", "-o", tmp_path / "x.csv"], ".h5ad or .zarr"),
        (["translate", model, query, "--to", "rna", "-o", query], "already exists"),
        (["translate", model, query, "--to", "rna", "-o", data], "already exists"),
        (["translate", model, query, "--to", "rna", "-o", tmp_path / "a" / "x.h5mu"], "no folder"),
        (["translate", model, query, *translate, "--depth", "deep"], "'deep'"),
        (["translate", model, query, *translate, "--batch", "b9"], "'b9'"),
        (["translate", model, query, *translate, "--layer", "raw"], "['raw'] does not exist"),
        (
            ["translate", model, query, "--to", "atac", "-o", out],
            "--from 'rna'. Give the 'rna' modality, or translate with --from 'atac'",
        ),
        (
            ["translate", model, folder / "rna.zarr", "--to", "atac", "-o", out, "--repool"],
            "--repool maps peaks onto peaks, but --from 'rna' is rna",
        ),
        (["translate", model, query, "--to", "rna", "-o", query], "--out '"),
        (["evaluate", model, query], "feature_types"),
        (["evaluate", model, data, "--labels-key", "kind"], "'kind'"),
        (["evaluate", model, data, "-o", tmp_path / "a" / "x.csv"], "no folder"),
        (["evaluate", model, data, "-o", folder], "must end in .csv"),
        (["evaluate", model, data, "-o", tmp_path / "folder.csv"], "is a folder; name a file"),
        (["info", tmp_path / "none"], "holds no model"),
    ]


def test_a_mistake_is_one_line_and_makes_nothing(folder, tmp_path):
    for arguments, message in _wrong(folder, tmp_path):
        before = sorted(tmp_path.iterdir())
        done = _invoke(*arguments)
        assert done.exit_code == 2, (arguments, done.output, done.exception)
        last = done.stderr.splitlines()[-1]
        assert last.startswith("Error: "), (arguments, done.stderr)
        assert message in last, (arguments, last)
        assert done.stdout == ""
        assert sorted(tmp_path.iterdir()) == before, arguments


@pytest.fixture(scope="module")
def perturbation(folder):
    """Return a model of a perturbation, and a file of its control cells."""
    rna = anndata.read_zarr(folder / "rna.zarr")
    rna.obs["condition"] = np.where(np.arange(rna.n_obs) % 2, "control", "stimulated")
    names = {"control": "control", "perturbed": "stimulated", "labels_key": "cell_type"}
    xm.model.Butterfly.setup_anndata(rna, "condition", **names)
    model = xm.model.Butterfly(rna, n_latent=4)
    model.train(1, pretrain_epochs=0, enable_progress_bar=False)
    model.save(folder / "perturbation")
    rna[rna.obs["condition"] == "control"].write_h5ad(folder / "control.h5ad")
    return folder / "perturbation", folder / "control.h5ad"


def _refused_before_work(monkeypatch, *arguments):
    """Return the message of a command that translates, fits and selects nothing."""

    def work(*_, **__):
        raise AssertionError("work was begun")

    monkeypatch.setattr(xm.model.Butterfly, "translate", work)
    monkeypatch.setattr(xm.baselines.Ridge, "fit", work)
    monkeypatch.setattr(xm.pp, "select_features", work)
    done = _invoke(*arguments)
    assert done.exit_code == 2, (done.output, done.exception)
    return done.stderr.splitlines()[-1]


def test_one_kind_is_not_joined_with_itself(folder, tmp_path, monkeypatch, perturbation):
    out = ["-o", tmp_path / "x.h5mu"]
    query = folder / "data.h5mu"
    arguments = ("translate", folder / "model", query, "--from", "rna", "--to", "rna", *out)
    said = _refused_before_work(monkeypatch, *arguments)
    assert "--from 'rna' and --to 'rna' are both rna: write .h5ad" in said
    said = _refused_before_work(monkeypatch, "translate", *perturbation, "--to", "perturbed", *out)
    assert "--to 'perturbed' are both rna" in said


def test_an_h5mu_needs_each_cell_once(folder, tmp_path, monkeypatch):
    query = anndata.read_h5ad(folder / "atac.h5ad")
    query.obs_names = ["twice", "twice", *query.obs_names[2:]]
    query.write_h5ad(tmp_path / "twice.h5ad")
    command = ("translate", folder / "model", tmp_path / "twice.h5ad", "--to", "rna", "-o")
    done = _invoke(*command, tmp_path / "x.h5mu")
    assert done.exit_code == 2
    assert "'twice' appears twice" in done.stderr
    assert _invoke(*command, tmp_path / "x.h5ad").exit_code == 0


def test_one_batch_cannot_be_held_out(folder, tmp_path):
    mdata = xm.datasets.synthetic(n_cells=40, n_genes=10, n_peaks=20, n_batches=1)
    mdata.write(tmp_path / "one.h5mu")
    done = _invoke("train", tmp_path / "one.h5mu", "-o", tmp_path / "m", "--hold-out", "batch")
    assert done.stderr.splitlines()[-1].endswith("or --hold-out 'cell'.")


def test_labels_are_looked_for_before_the_work(folder, monkeypatch):
    command = ("evaluate", folder / "model", folder / "data.h5mu", "--labels-key", "kind")
    assert "--labels-key 'kind' is no column" in _refused_before_work(monkeypatch, *command)


def test_scores_take_the_place_of_no_data(folder, monkeypatch):
    data = folder / "data.h5mu"
    before = data.read_bytes()
    message = _refused_before_work(monkeypatch, "evaluate", folder / "model", data, "-o", data)
    assert message == f"Error: --out '{data}' must end in .csv."
    assert data.read_bytes() == before


@pytest.mark.parametrize("place", ["taken", "taken/model"])
def test_a_file_in_the_models_way_is_seen_before_training(folder, tmp_path, monkeypatch, place):
    (tmp_path / "taken").write_text("mine")
    out = tmp_path / place
    data = folder / "data.h5mu"
    message = _refused_before_work(monkeypatch, "train", data, "-o", out, "--overwrite")
    assert "is a file; name a folder" in message
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_response_to_a_perturbation_is_not_evaluated_here(monkeypatch, perturbation):
    said = _refused_before_work(monkeypatch, "evaluate", *perturbation)
    assert "xm.metrics.evaluate_perturbation" in said


def test_babel_is_not_told_of_batches(folder, tmp_path, monkeypatch):
    options = ("--model", "babel", "--batch-key", "batch", "-o", tmp_path / "m")
    said = _refused_before_work(monkeypatch, "train", folder / "data.h5mu", *options)
    assert "Babel knows no batches: leave --batch-key out" in said


def test_babels_protein_head_is_asked_for_by_name(folder, tmp_path):
    cite = xm.datasets.synthetic(n_cells=60, n_genes=25, n_peaks=40, n_proteins=5)
    cite.mod["rna"].var_names = anndata.read_zarr(folder / "rna.zarr").var_names
    mdata = xm.datasets.read(folder / "data.h5mu")
    xm.model.Babel.setup_mudata(mdata)
    model = xm.model.Babel(mdata)
    model.train(1, enable_progress_bar=False)
    model.train_protein_head(cite, plan_kwargs={"max_epochs": 1})
    model.save(tmp_path / "babel")
    command = ("translate", tmp_path / "babel", folder / "atac.h5ad", "--to", "protein", "-o")
    done = _invoke(*command, tmp_path / "p.h5ad")
    assert done.exit_code == 2
    assert "--from, one of ['rna', 'atac']" in done.stderr
    done = _invoke(*command, tmp_path / "p.h5mu", "--from", "atac")
    assert done.exit_code == 0, done.output
    assert set(xm.datasets.read(tmp_path / "p.h5mu").mod) == {"atac", "protein"}


def test_a_model_that_was_cut_short_is_named(folder, tmp_path):
    model = tmp_path / "model"
    xm.model.Butterfly.load(folder / "model", adata=False).save(model)
    (model / "cells.json").write_text("{")
    done = _invoke("info", model)
    assert done.exit_code == 2
    assert "cells.json" in done.stderr
    (model / "cells.json").unlink()
    (model / "model.pt").write_bytes((model / "model.pt").read_bytes()[:100])
    done = _invoke("info", model)
    assert done.exit_code == 2
    assert "model.pt" in done.stderr


def test_settings_are_as_before(folder):
    before = scvi.settings.verbosity
    _invoke("info", folder / "model")
    assert scvi.settings.verbosity == before


def test_as_a_program_only_json_is_on_standard_output(folder, tmp_path):
    call = "from scvi_xmodal.cli import app; app(prog_name='scvi-xmodal')"
    arguments = ["translate", folder / "model", folder / "atac.h5ad", "--to", "rna", "--json"]
    command = [sys.executable, "-c", call, *map(str, arguments), "-o", str(tmp_path / "o.h5ad")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n_cells"] == 120
    with h5py.File(tmp_path / "o.h5ad") as file:
        assert file["X"].shape == (120, 25)
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (again.returncode, again.stdout) == (2, "")
    assert "Traceback" not in again.stderr
    assert "already exists" in again.stderr.splitlines()[-1]
