"""The accuracy benchmark: what is planned, skipped, kept of failures, and reported."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from benchmarks import _accuracy_run, accuracy
from benchmarks._accuracy_ablations import leave_out
from benchmarks._accuracy_behind import behind
from benchmarks._accuracy_brief import brief
from benchmarks._accuracy_data import DATA, load, prepare
from benchmarks._accuracy_inverse import inverse_tfidf
from benchmarks._accuracy_jobs import KEY, Job, plan, read_variants
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_perturbed import perturbed_lines
from benchmarks._accuracy_readme import count_lines, readme_lines, update_readme
from benchmarks._accuracy_report import markdown, write_report
from benchmarks._accuracy_sizes import by_size, write_sizes
from benchmarks._accuracy_summary import best, by_fold, paired_tests, spread
from benchmarks._accuracy_table import Table
from scvi_xmodal import pp
from scvi_xmodal.data._peaks import parse_peaks

JOB = Job("cortex_2k", "cell", 0, "mean")


@pytest.fixture
def measured(monkeypatch):
    """Replace the worker by a function that notes what it was asked for."""
    asked = []

    def result(job):
        asked.append(job)
        if job.model == "ridge":
            return {"error": "exit 1: ValueError: no"}
        if job.model == "babel":
            return {"missing": "does not exist yet"}
        made = [{"source": s, "target": t, "pearson_gene": 0.5} for s, t in job.directions]
        cost = {"fit_cpu_seconds": 1.0, "fit_peak_rss_mb": 5.0}
        return {"rows": [{**row, **cost} for row in made]}

    def measure(group, data_dir):
        return [result(job) for job in group]

    monkeypatch.setattr(_accuracy_run, "measure", measure)
    return asked


def test_finished_and_failed_fits_are_skipped_and_missing_models_asked_again(tmp_path, measured):
    table = Table(tmp_path / "accuracy.csv")
    jobs = [JOB, replace(JOB, model="ridge"), replace(JOB, model="babel")]
    for _ in range(2):
        _accuracy_run.run_all(jobs, table, data_dir=None, about={"machine": "m"})
    assert [job.model for job in measured] == ["mean", "ridge", "babel", "babel"]
    stored = table.read()
    assert len(stored) == 4  # two directions of two models
    assert set(stored["error"]) == {"", "exit 1: ValueError: no"}
    table.forget_failures(jobs)
    assert table.read()["model"].unique().tolist() == ["mean"]


def test_only_baselines_of_a_fold_share_a_process():
    jobs = [replace(JOB, model=name, fold=f) for f in (0, 1) for name in ("mean", "babel", "knn")]
    found = [[job.model for job in group] for group in _accuracy_run.groups(jobs)]
    assert found == [["mean", "knn"], ["babel"], ["mean", "knn"], ["babel"]]


def test_command_skips_what_is_there(tmp_path, measured, monkeypatch):
    command = ["--models", "mean", "knn", "--data", "cortex_2k", "--split", "cell", "--folds", "0"]
    monkeypatch.setattr(accuracy, "write_report", lambda *args, **kwargs: None)
    accuracy.main([*command, "1", "--out", str(tmp_path)])
    assert len(measured) == 4
    accuracy.main([*command, "1", "2", "--out", str(tmp_path)])
    assert [job.fold for job in measured[4:]] == [2, 2]


def test_rows_of_a_newer_run_take_the_older_ones_place(tmp_path, rows):
    table = Table(tmp_path / "t.csv")
    row = rows(mean=[0.1]).iloc[0].to_dict()
    table.append([row])
    table.append([row | {"pearson_gene": 0.2}, row | {"fold": 1, "auroc_peak": 0.5}])
    stored = table.read()
    assert stored["pearson_gene"].tolist() == [0.2, 0.1]
    assert stored["auroc_peak"].isna().tolist() == [True, False]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".csv"] == ["t.csv"]


def test_a_variants_name_stands_for_one_set_of_keywords(tmp_path):
    path = tmp_path / "v.json"
    path.write_text(json.dumps({"wide": {"init": {"n_latent": 64}}}))
    (variant,) = read_variants(path)
    assert (variant.model, variant.name) == ("butterfly", "wide")
    job = replace(JOB, model="butterfly", variant="wide", options=variant.options)
    assert job.init == {"n_latent": 64}
    assert job.train == {}
    table = Table(tmp_path / "t.csv")
    row = dict(zip(KEY, job.keys()[0], strict=True)) | {"options": variant.options}
    table.append([row])
    table.check_options([job])
    with pytest.raises(ValueError, match="another name"):
        table.check_options([replace(job, options='{"init": {"n_latent": 8}}')])


@pytest.mark.parametrize("table", [{"a": {"model": "none"}}, {"a": {"epochs": 3}}])
def test_wrong_variants_are_named(tmp_path, table):
    path = tmp_path / "v.json"
    path.write_text(json.dumps(table))
    with pytest.raises(ValueError, match="'a'"):
        read_variants(path)


def test_plan_repeats_random_models_and_asks_only_for_known_directions():
    options = accuracy._options(["--seeds", "0", "1", "--split", "batch", "--data", *DATA])
    jobs = plan(options)
    assert {job.seed for job in jobs if MODELS[job.model].random} == {0, 1}
    assert {job.seed for job in jobs if not MODELS[job.model].random} == {0}
    assert {job.data for job in jobs if job.model == "totalvi"} == {"bmmc_citeseq", "wnn_citeseq"}
    assert {job.fold for job in jobs if job.data == "cortex_2k"} == {0, 1, 2}
    assert len(jobs) == len(set(jobs))


def test_folds_and_files_that_do_not_exist_are_named(tmp_path):
    with pytest.raises(ValueError, match="--folds 9.*folds 0 to 4"):
        plan(accuracy._options(["--folds", "0", "9", "--split", "cell", "--data", "cortex_2k"]))
    plan(accuracy._options(["--folds", "4"]))  # some splits have five, others fewer
    with pytest.raises(ValueError, match=r"no file .*absent\.toml"):
        plan(accuracy._options(["--variants", str(tmp_path / "absent.toml")]))
    with pytest.raises(ValueError, match="multivi translates in no direction of wnn_citeseq"):
        plan(accuracy._options(["--models", "multivi", "--data", "wnn_citeseq"]))


def test_models_get_no_test_cell_but_its_source():
    mdata = load("cortex_2k", None)
    job = replace(JOB, train_fraction=0.5)
    task, answers = prepare(mdata, job)
    split = pp.split(mdata, by="cell", n_folds=5, fold=0, seed=0)
    assert task.split.train.size == 640
    assert not set(task.training.obs_names) & set(mdata.obs_names[split.test])
    assert set(task.training.obs_names[task.split.train]) < set(mdata.obs_names[split.train])
    assert task.queries["rna"].obs.columns.empty
    assert answers.reference["atac"].n_obs == split.train.size
    fewest = (answers.reference["atac"].X > 0).sum(axis=0).min()
    assert fewest >= 0.005 * split.train.size


def test_drawn_validation_cells_leave_every_type_but_the_tested_ones_to_train():
    mdata = load("bmmc_multiome", None)
    for split in ("cell_type", "cell_type_drawn"):
        job = Job(data="bmmc_multiome", split=split, fold=1, model="ridge")
        task, answers = prepare(mdata, job)
        labels = task.training.obs["cell_type"]
        trains, validates = (
            set(labels.iloc[rows]) for rows in (task.split.train, task.split.validation)
        )
        tested = set(mdata.obs.loc[answers.truth["rna"].obs_names, "cell_type"])
        whole = pp.split(mdata, by="cell_type", n_folds=3, fold=1, seed=0)
        assert set(answers.truth["rna"].obs_names) == set(mdata.obs_names[whole.test])
        assert task.training.n_obs == whole.train.size + whole.validation.size
        assert not tested & (trains | validates)
        assert task.by == ("cell" if split == "cell_type_drawn" else "cell_type")
        # rotated validation draws what the split drew
        assert (validates <= trains) == (task.by == "cell")
    assert task.split.validation.size == round(0.2 * task.training.n_obs)


def test_batches_of_two_are_drawn_in_any_case():
    assert DATA["bmmc_citeseq"].n_folds("batch") == 2
    assert DATA["bmmc_citeseq"].n_folds("batch_drawn") == 0
    assert DATA["cortex_2k"].n_folds("batch_drawn") == 3
    command = ["--split", "batch_drawn", "--data", "bmmc_citeseq"]
    assert plan(accuracy._options(command)) == []
    with pytest.raises(ValueError, match="one is left to train"):
        plan(accuracy._options([*command, "--folds", "0"]))


def test_thinned_counts_change_what_models_see_and_not_the_truth():
    options = json.dumps({"data": {"keep_counts": 0.5}})
    task, answers = prepare(
        load("bmmc_citeseq", None), replace(JOB, data="bmmc_citeseq", options=options)
    )
    seen, truth = (adata["rna"].X.sum() for adata in (task.queries, answers.truth))
    assert seen == pytest.approx(truth / 2, rel=0.02)


def test_shuffled_chromosomes_are_the_same_ones_elsewhere():
    options = json.dumps({"data": {"shuffle_chromosomes": True}})
    job = Job("bmmc_multiome", "cell", 0, "butterfly")
    plain, _ = prepare(load("bmmc_multiome", None), job)
    task, _ = prepare(load("bmmc_multiome", None), replace(job, options=options))
    where = pd.Series(parse_peaks(plain.training["atac"].var_names).chrom)
    dealt = task.training["atac"].var["chrom"]
    assert dealt.value_counts().to_dict() == where.value_counts().to_dict()
    assert (dealt.to_numpy() != where.to_numpy()).mean() > 0.5
    assert list(task.training["atac"].var_names) == list(plain.training["atac"].var_names)


def test_left_out_parts_are_gone_in_that_process():
    script = """
import numpy as np, scvi_xmodal as xm
from benchmarks._accuracy_ablations import leave_out
m = xm.datasets.synthetic(n_cells=80, n_genes=20, n_peaks=30, atac_density=0.3)
split = xm.data.Split(np.arange(40), np.arange(40, 80))
xm.model.Butterfly.setup_mudata(m)
# the shares first: all at 0, predictions would be the base rates whatever else is left out
for part in ("shrinkage", "depth_offset", "initial_bias"):
    leave_out([part])
    model = xm.model.Butterfly(m, n_components=0)
    options = {"split": split, "enable_progress_bar": False, "plan_kwargs": {"lr": 1e-9}}
    model.train(1, pretrain_epochs=0, **options)
    deep = model.translate(source="rna", target="atac", depth=np.linspace(1, 20, 80)).X
    flat = model.translate(source="rna", target="atac").X
    shares = {float(own.share) for own in model.module.shrinkages.values()}
    print(shares == {1.0}, np.allclose(deep, flat), np.allclose(flat, 0.5, atol=0.2))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    expected = ["True False False", "True True False", "True True True"]
    assert done.stdout.split("\n")[:3] == expected


def test_unknown_parts_cannot_be_left_out():
    with pytest.raises(ValueError, match="decoder.*depth_offset"):
        leave_out(["decoder"])


def test_inverse_tfidf_gives_back_what_is_open(rng):
    counts = sparse.csr_matrix(rng.poisson(0.5, size=(30, 12)) + np.eye(30, 12))
    is_open = (counts.toarray() > 0).astype(float)
    depth = is_open.sum(axis=1, keepdims=True)
    tfidf = is_open / depth * np.log1p(30 / is_open.sum(axis=0))
    found = inverse_tfidf(tfidf / tfidf.max(), counts, 1.0)
    np.testing.assert_allclose(found, is_open / depth)


def test_tests_are_paired_by_fold(rows):
    ours, other = [0.5, 0.6, 0.7, 0.8, 0.9, 0.4], [0.4, 0.3, 0.65, 0.9, 0.2, 0.1]
    found = paired_tests(rows(butterfly=ours, ridge=other, knn=[0.1]), "pearson_gene")
    expected = stats.wilcoxon(ours, other).pvalue
    assert found.loc["ridge", "p"] == pytest.approx(expected)
    assert found.loc["ridge", ["n", "wins"]].tolist() == [6, 5]
    assert np.isnan(found.loc["knn", "p"])
    lower = paired_tests(rows(butterfly=ours, ridge=other), "rmse")
    assert lower.loc["ridge", "wins"] == 5


def test_the_best_has_all_folds_and_is_not_the_measured_cells(rows):
    summary = spread(by_fold(rows(butterfly=[0.5, 0.6], ridge=[0.9], measured=[1.0, 1.0])))
    assert best(summary, "pearson_gene") == "butterfly"
    assert best(summary, "rmse") == "butterfly"


def test_where_butterfly_is_behind_says_by_how_much_and_whether_folds_agree(rows):
    table = rows(butterfly=[0.1, 0.2, 0.3], ridge=[0.2, 0.3, 0.41], mean=[0.0, 0.1, 0.1])
    found = behind(table).set_index("metric")
    assert list(found.index) == ["pearson_gene", "rmse", "ami"]
    own = found.loc["pearson_gene"]
    gaps = np.array([-0.1, -0.1, -0.11])
    assert (own["model"], own["n"], own["wins"], own["clear"]) == ("ridge", 3, 0, True)
    np.testing.assert_allclose([own["gap"], own["std"]], [gaps.mean(), gaps.std(ddof=1)])
    mixed = behind(rows(butterfly=[0.1, 0.5, 0.3], ridge=[0.4, 0.3, 0.41]))
    assert not mixed["clear"].any()
    for gap, clear in ((0.0004, False), (0.0006, True)):
        near = rows(butterfly=[0.1, 0.2], ridge=[0.1 + gap, 0.2 + gap])
        assert behind(near).set_index("metric").loc["pearson_gene", "clear"] == clear
    assert behind(rows(butterfly=[0.4], measured=[0.9], mean=[0.1])).empty
    assert behind(rows(ridge=[0.4], mean=[0.1])).empty
    text = markdown(table.assign(train_fraction=1.0), [])
    assert "Ridge" in text
    assert "No score is worse than that of the training cells' mean." in text
    low = rows(butterfly=[0.2, 0.1], mean=[0.1, 0.4])
    text = markdown(low.assign(train_fraction=1.0), [])
    where = "cortex_2k, by cell: ATAC -> RNA"
    assert f"mean, 3 scores: {where}, pearson_gene -0.1000 (1 of 2 folds won); " in text


def test_in_brief_compares_on_shared_folds_and_counts(rows):
    table = rows(butterfly=[0.4, 0.5, 0.3], ridge=[0.3, 0.2, 0.1], wheel=[0.9])
    (own,) = brief(table).itertuples()
    assert (own.score, own.other, own.folds) == ("pearson_gene", MODELS["wheel"].label, 1)
    np.testing.assert_allclose([own.own, own.mean], [0.4, 0.9])
    # the wheel is better by its one fold: never clearly
    assert (own.n_scores, own.best, own.n_clusterings, own.best_clusterings) == (2, 0, 1, 0)
    assert own.clear == 0
    (own,) = brief(table[table["model"] != "wheel"]).itertuples()
    assert (own.other, own.folds, own.best, own.best_clusterings) == ("Ridge", 3, 2, 1)
    assert own.n_unseen == 0  # all of cortex_2k was seen
    tuned = table.assign(data="bmmc_multiome")
    assert brief(tuned)["unseen_gap"].item() == pytest.approx(0.2)  # fold 2, against Ridge
    assert brief(tuned)["n_unseen"].item() == 1
    assert brief(tuned[tuned["fold"] < 2])["n_unseen"].item() == 0
    fewer = rows(butterfly=[0.4, 0.5, 0.3, 0.4], wheel=[0.1, 0.1, 0.2])
    assert brief(fewer.assign(data="bmmc_multiome"))["n_unseen"].item() == 1
    assert brief(rows(butterfly=[0.4])).empty
    assert brief(rows(ridge=[0.4], mean=[0.1])).empty


def test_report_of_a_small_table(tmp_path, rows):
    table = rows(butterfly=[0.5, 0.7], mean=[0.0, 0.0])
    failed = rows(ridge=[0.0]).assign(error="exit 1: ValueError: no", pearson_gene=np.nan)
    wide = rows(butterfly=[0.6, 0.9]).assign(variant="wide", options='{"init": {"n_latent": 64}}')
    table = pd.concat([table, failed, wide], ignore_index=True)
    write_report(table, tmp_path)
    text = (tmp_path / "RESULTS.md").read_text()
    assert "| Butterfly | 2 | **0.600 +- 0.141** | **0.400 +- 0.141** |" in text
    assert "| Mean | +0.600 (2/2)" in text
    assert "| Butterfly | wide | 100% | 2 | +0.150 +- 0.071 |" in text
    assert "Ridge on cortex_2k by cell, folds 0: exit 1: ValueError: no" in text
    for name in ("accuracy.png", "accuracy_cost.png"):
        assert (tmp_path / name).stat().st_size > 1000
        assert f"({name})" in text


def test_a_single_fold_has_no_spread(rows):
    whole = rows(butterfly=[0.5, 0.7], ridge=[0.6])
    wide = rows(butterfly=[0.4]).assign(variant="wide", options="{}")
    table = pd.concat([whole, wide], ignore_index=True).assign(error="")
    text = markdown(table, [])
    assert "| Butterfly | wide | 100% | 1 | -0.100 |" in text
    assert "nan" not in text


def test_report_of_nothing(tmp_path):
    empty = Table(tmp_path / "none.csv").read()
    assert markdown(empty, []).startswith("# Accuracy")


def test_parts_of_the_cells_stand_beside_the_whole(tmp_path, rows):
    whole = rows(butterfly=[0.5, 0.7, 0.9], ridge=[0.4, 0.3, 0.2]).assign(train_fraction=1.0)
    part = rows(butterfly=[0.3, 0.2], butterfly_t=[0.4, 0.4]).assign(train_fraction=0.2)
    poorer = rows(butterfly=[0.1]).assign(variant="half_the_counts", train_fraction=1.0)
    table = pd.concat([whole, part, poorer], ignore_index=True)
    table = table.assign(n_train=100, machine="m", commit="c")
    chosen = by_size(table)
    assert set(chosen["fold"]) == {0, 1}  # fold 2 was trained on whole only
    assert set(chosen["variant"]) == {"default"}
    write_sizes(table, tmp_path)
    text = (tmp_path / "data_sizes.md").read_text()
    assert "| 20% (100) | Butterfly | 2 | 0.250 |" in text
    assert "| 20% (100) | Butterfly-T | 2 | 0.400 (+0.150 +- 0.071) |" in text
    assert "| 100% (100) | Ridge | 2 | 0.350 (-0.250 +- 0.212) |" in text
    assert "| half of the counts | Butterfly | 1 | 0.100 |" in text
    assert (tmp_path / "data_sizes.png").exists()
    write_sizes(whole, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_report_has_perturbed_profiles_where_they_were_measured(tmp_path):
    assert perturbed_lines(tmp_path) == []
    table = pd.DataFrame(
        [
            (kind, model, r2, 0.01, degs, 0.5)
            for model, r2, degs in (("Butterfly", 0.9, 40), ("control", 0.5, 60))
            for kind in ("B", "T")
        ],
        columns=["held_out", "prediction", "r2_mean", "r2_sd", "common_degs", "pearson_change"],
    )
    table = table.assign(cpu_seconds=1.0, max_epochs="default")
    table.to_csv(tmp_path / "perturbation.csv", index=False)
    own = next(line for line in perturbed_lines(tmp_path) if line.startswith("| Butterfly"))
    assert "**0.900 +- 0.000** | 0.010 +- 0.000 | 40 +- 0 |" in own


def test_the_readme_says_what_the_table_says(tmp_path, rows):
    folder = Path(accuracy.__file__).with_name("results")
    readme = folder.parents[1] / "README.md"
    text = readme.read_text()
    (tmp_path / "README.md").write_text(text)
    update_readme(Table(folder / "accuracy.csv").read(), tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == text
    (line,) = readme_lines(rows(butterfly=[0.4, 0.5], wheel=[0.3]).assign(train_fraction=1.0))[
        2:-1
    ]
    assert line == "| cortex_2k, ATAC -> RNA | Pearson per gene | **0.450** | 0.300 (1) |"
    easier = rows(butterfly=[0.4, 0.5], wheel=[0.6]).assign(train_fraction=1.0)
    assert "**0.450** | 0.600 (1) |" in readme_lines(easier)[2]
    nothing = rows(butterfly=[0.4]).assign(train_fraction=1.0, pearson_gene=np.nan)
    assert readme_lines(nothing)[2:-1] == []
    two = rows(butterfly=[0.4, 0.5], wheel=[0.3, 0.4], knn=[0.6, 0.8]).assign(train_fraction=1.0)
    (whole,) = count_lines(two)[2:-1]
    assert whole.startswith("- whole types and batches validate, as in the papers: ")
    assert whole.endswith(": scButterfly (wheel) 3 and 0 of 3; KNN 0 and 3 of 3.")
    both = pd.concat([two, two.assign(split="cell_type_drawn")], ignore_index=True)
    assert count_lines(both)[2] == whole
    assert count_lines(both)[3].endswith(": scButterfly (wheel) 6 and 0 of 6; KNN 0 and 6 of 6.")
    assert count_lines(nothing) == []
    (tmp_path / "other.md").write_text("no marks")
    update_readme(rows(butterfly=[0.4]).assign(train_fraction=1.0), tmp_path / "other.md")
    assert (tmp_path / "other.md").read_text() == "no marks"


@pytest.mark.parametrize("fraction", ["0", "1.5", "-0.2", "nan"])
def test_impossible_fractions_are_refused(tmp_path, fraction):
    arguments = ["--models", "ridge", "--train-fractions", fraction, "--out", str(tmp_path)]
    with pytest.raises(ValueError, match=r"--train-fractions .* is not above 0 and at most 1"):
        accuracy.main(arguments)
    assert not any(tmp_path.iterdir())
