"""What the accuracy report says beside its scores: losses, tests, gaps, and parts' worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData
from mudata import MuData
from scipy import sparse
from scipy.special import logit
from sklearn.linear_model import LinearRegression

from benchmarks._accuracy_against import against, against_lines
from benchmarks._accuracy_baselines import ridge_depth
from benchmarks._accuracy_behind import behind
from benchmarks._accuracy_data import DATA, Task
from benchmarks._accuracy_ensembles import ensemble_lines
from benchmarks._accuracy_leading import leading, leading_lines
from benchmarks._accuracy_missing import missing, missing_lines
from benchmarks._accuracy_parts import parts, parts_lines
from benchmarks._accuracy_protocols import protocols
from benchmarks._accuracy_repaired import repaired_lines
from benchmarks._accuracy_tests import split_groups
from benchmarks._accuracy_tests import test_lines as lines_of_tests
from scvi_xmodal.data import Split


def test_a_clear_loss_is_named_before_a_larger_unclear_one(rows):
    table = rows(butterfly=[0.5, 0.5, 0.5], ridge=[0.9, 0.4, 0.9], knn=[0.6, 0.61, 0.62])
    own = behind(table).set_index("metric").loc["pearson_gene"]
    assert (own["model"], own["clear"]) == ("knn", True)


def test_tests_count_no_cell_twice(rows):
    table = pd.concat(
        [
            rows(butterfly=[0.5] * 5, ridge=[0.1] * 5).assign(data=name)
            for name in ("cortex_2k", "cortex_3batches", "bmmc_multiome")
        ]
    )
    text = "\n".join(lines_of_tests(table))
    assert "+0.400 (10/10, " in text  # not 15: cortex_2k is part of cortex_3batches
    assert "by cell\n" in text
    assert "by batch\n" not in text
    alone = "\n".join(lines_of_tests(rows(butterfly=[0.5] * 5, ridge=[0.1] * 5)))
    assert "(5/5, " in alone


def test_leading_scores_are_counted_with_and_without_the_model_that_has_more_cells(rows):
    won = rows(butterfly=[0.5, 0.6], ridge=[0.4, 0.5], ridge_validation=[0.45, 0.5])
    # a second place where Ridge is ahead in one fold of two, and with more cells in both
    lost = rows(butterfly=[0.5, 0.6], ridge=[0.7, 0.5], ridge_validation=[0.7, 0.8])
    table = pd.concat([won, lost.assign(data="bmmc_multiome")], ignore_index=True)
    assert list(leading(table).loc["cell"]) == [4, 2, 0, 2, 2, 2, 0]
    assert "| by cell | 4 | 2 | 0 | 2 | 2 | 2 | 0 |" in "\n".join(leading_lines(table))
    assert "refit" not in "\n".join(leading_lines(table))
    assert list(leading_lines(table[table["model"] != "butterfly"])) == []


def test_a_refit_takes_butterflys_place_in_the_count(rows):
    table = rows(
        butterfly=[0.5, 0.5],
        butterfly_refit=[0.75, 0.75],
        ridge=[0.65, 0.65],
        ridge_validation=[0.7, 0.7],
    )
    text = "\n".join(leading_lines(table))
    first, second = text.split("The same of `Butterfly, refit`")
    n = leading(table).loc["cell", "n"]
    assert f"| by cell | {n} | 0 | 0 | {n} |" in first
    assert f"| by cell | {n} | {n} | 0 | 0 |" in second
    assert "per feature 0 and 0, Spearman's correlations 0 and 0, of clusters 0 and 0" in second
    worse = table.assign(pearson_gene=table["pearson_gene"].where(table["model"] != "ridge", 0.9))
    assert "clearly so: per feature 1 and 1" in "\n".join(leading_lines(worse))


def test_clear_wins_and_losses_are_counted_by_one_rule(rows):
    table = rows(butterfly=[0.5, 0.6], ridge=[0.4, 0.5], knn=[0.7, 0.8], mean=[0.4, 0.7])
    one_fold = rows(butterfly=[0.5], ridge=[0.4], butterfly_t=[0.1]).assign(data="bmmc_multiome")
    found = against(pd.concat([table, one_fold], ignore_index=True))
    assert list(found.index) == ["ridge", "knn", "mean"]  # Butterfly-T is no other model
    # a single fold is never clear
    assert found["leading"].to_numpy().tolist() == [[2, 2, 0], [0, 0, 2], [0, 2, 0]]
    assert found["all"].to_numpy().tolist() == [[3, 3, 0], [0, 0, 3], [0, 3, 0]]
    assert "| KNN | 0 | 0 | 2 | 0 | 0 | 3 |" in "\n".join(against_lines(table))
    assert list(against_lines(table[table["model"] == "butterfly"])) == []
    assert list(against_lines(table[table["model"] != "butterfly"])) == []


def test_two_ways_to_validate_are_two_comparisons(rows):
    one = rows(butterfly=[0.5, 0.6], ridge=[0.4, 0.5])
    places = [("cortex_2k", "cell"), ("cortex_2k", "batch"), ("cortex_2k", "batch_drawn")]
    places += [("bmmc_citeseq", "batch"), ("cortex_2k", "cell_type_drawn")]
    table = pd.concat([one.assign(data=data, split=split) for data, split in places])
    (_, whole), (_, drawn) = protocols(table)
    found = [
        list(own[["data", "split"]].drop_duplicates().itertuples(index=False, name=None))
        for own in (whole, drawn)
    ]
    # of two batches one trains, and its cells are drawn in either
    assert found == [[*places[:2], places[3]], [places[0], *places[2:]]]
    groups = [
        (name, sorted(set(zip(own["data"], own["split"], strict=True))))
        for name, own in split_groups(table)
    ]
    assert [own for _, own in groups] == [
        [places[0]],
        sorted([places[1], places[3]]),
        sorted(places[2:]),
    ]
    text = "\n".join(against_lines(table))
    assert text.count("| Ridge | ") == 2
    assert len(list(protocols(one))) == 1


def test_what_was_not_run_is_said(rows):
    assert len(missing(rows(butterfly=[0.5] * 5))) > 50
    lines = "\n".join(missing_lines(rows(butterfly=[0.5] * 3, wheel=[0.5] * 5)))
    own = next(line for line in lines.split("\n") if line.startswith("- Butterfly:"))
    drawn = "by cell type (random cells validate), by batch (random cells validate)"
    start = "- Butterfly: cortex_2k by cell (folds 3, 4), by cell type, by batch, "
    assert own.startswith(f"{start}{drawn}; ")
    # of two batches one trains, so that its cells are drawn in any case: all that there is lacks
    assert own.endswith("; bmmc_multiome; bmmc_citeseq; wnn_citeseq")
    wheel = next(line for line in lines.split("\n") if "wheel)" in line)
    assert f"cortex_2k by cell type, by batch, {drawn}; cortex_3batches; bmmc_multiome" in wheel
    babel = next(line for line in lines.split("\n") if line.startswith("- Babel"))
    assert "citeseq" not in babel


def test_pairs_drawn_again_are_compared_on_shared_folds(rows):
    table = rows(butterfly=[0.5, 0.7, 0.9], butterfly_t=[0.6, 0.9])
    text = list(repaired_lines(table.assign(ami=0.3)))
    assert text[-2].startswith("| cortex_2k, by cell: ATAC -> RNA | 2 | +0.150 +- 0.071 | +0.000")
    assert "Butterfly-C: folds" not in "\n".join(text)
    assert list(repaired_lines(rows(butterfly=[0.5], ridge=[0.4]))) == []
    assert list(repaired_lines(rows(butterfly_t=[0.5]))) == []


def test_ensembles_are_compared_with_the_regression_that_leaves_out_no_cell(rows):
    table = rows(
        butterfly=[0.5, 0.6, 0.1], ridge_validation=[0.55, 0.7, 0.3], butterfly_rotated=[0.8, 0.9]
    )
    text = "\n".join(ensemble_lines(table))
    assert "| cortex_2k, by cell: ATAC -> RNA | 2 | +0.300 +- 0.000 | +0.300 +- 0.000 |" in text
    assert (
        "`Butterfly, validation rotated` is clearly better in 3 scores (2 of them leading) and "
        "clearly worse in 0 (0); `Butterfly` is clearly better in 0 scores (0 of them leading) "
        "and clearly worse in 3 (2)." in text
    )
    assert list(ensemble_lines(rows(butterfly=[0.5], ridge_validation=[0.4]))) == []
    refit = rows(butterfly=[0.5, 0.6], ridge_validation=[0.6, 0.7], butterfly_refit=[0.7, 0.8])
    assert "`Butterfly, refit` is clearly better in 3 scores" in "\n".join(ensemble_lines(refit))


def test_parts_are_paired_by_fold_and_seed(rows):
    base, wide = rows(butterfly=[0.5, 0.7]), rows(butterfly=[0.6, 0.9])
    wide = wide.assign(variant="wide", train_fraction=1.0)
    table = pd.concat([base.assign(train_fraction=1.0), wide], ignore_index=True)
    found = parts(table)
    own = found[found["metric"] == "pearson_gene"]["gain"]
    np.testing.assert_allclose(own, [0.1, 0.2])
    assert "`wide` (ATAC -> RNA, pearson_gene +0.150)" in "\n".join(parts_lines(table))
    assert list(parts_lines(base.assign(train_fraction=1.0))) == []


def test_depth_moves_odds_only(rng):
    dense = rng.poisson(0.6, size=(60, 30))
    task = Task(
        MuData(
            {
                "rna": AnnData(sparse.csr_matrix(dense, dtype=np.float32)),
                "atac": AnnData(sparse.csr_matrix(dense[:, ::-1], dtype=np.float32)),
            }
        ),
        Split(np.arange(40), np.arange(40, 60)),
        {},
        0,
        DATA["cortex_2k"],
    )
    task.queries["rna"] = task.training["rna"][40:].copy()
    fitted = ridge_depth(task, {}, {})
    found = fitted.translate("rna", "atac")
    gain = logit(found.scored.X)
    gain -= logit(np.clip(found.profile.X.astype(float), 1e-6, 1 - 1e-6))
    np.testing.assert_allclose(gain, gain[:, :1].repeat(30, axis=1), atol=1e-6)
    n_open = (dense[:40] > 0).sum(1)
    library = LinearRegression().fit(
        np.log1p(np.column_stack([dense[:40].sum(1), n_open])), np.log(n_open)
    )
    later = dense[40:]
    depth = library.predict(np.log1p(np.column_stack([later.sum(1), (later > 0).sum(1)])))
    np.testing.assert_allclose(gain[:, 0], depth - np.log(np.median(n_open)), atol=1e-6)
