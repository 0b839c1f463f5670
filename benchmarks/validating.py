"""Which cells should validate where new types or batches will be translated?

By cell type and by batch the accuracy table lets whole types and batches validate, as the papers
do: the model then stops where it is best at cells of a kind that it has not seen. But what
validates does not train. Here random cells validate instead, a fifth of all that are not tested,
so that every type and batch but the tested ones trains: one model, and the mean of five whose
validation cells take turns (`xm.pp.rotate_validation`). Beside them stands what the accuracy table
has of the same test cells, with whole types or batches validating. Genes and peaks are those of
the accuracy table for all, so that scores compare; they were chosen among cells of which some
validate here, and none is tested. The mean of five is measured on the smaller sets.

A run that was stopped goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import scvi

from benchmarks import _accuracy_ours
from benchmarks._accuracy_data import DATA, load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_places import where
from benchmarks._accuracy_scores import score_all
from benchmarks._accuracy_summary import METRICS
from benchmarks._accuracy_table import Table
from benchmarks._folds import RESULTS, fold_options, measured
from benchmarks._tables import as_markdown, gap_text
from scvi_xmodal.pp import rotate_validation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPLITS = ("cell_type", "batch")
ONE, SEVERAL = "Butterfly, random cells validate", "Butterfly, random cells take turns"
WHOLE = {
    "butterfly": "Butterfly, whole groups validate",
    "butterfly_rotated": "Butterfly, whole groups take turns",
    "ridge_validation": MODELS["ridge_validation"].label,
}
"""Rows of the accuracy table, and what they are called here."""
SCORES = {
    "rna": ["pearson_gene", "pearson_flat", "spearman_gene", "rmse", "ami", "ari"],
    "atac": ["auroc_peak", "auroc_flat", "ap_peak", "calibration_error", "ami", "ari"],
    "protein": ["pearson_protein", "pearson_cell", "spearman_protein", "rmse", "ami", "ari"],
}
_PLACE = ["data", "split", "source", "target"]
_TWO = 2
SMALL = ("bmmc_multiome", "bmmc_citeseq", "wnn_citeseq")
"""Sets on which the mean of five models is measured, too."""


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks, then write ``validating.csv`` and ``validating.md``."""
    options = fold_options(arguments, str(__doc__), data=list(DATA), folds=[0, 1, 2])
    table = measured(options, "validating.csv", measure)
    accuracy = Table(RESULTS / "accuracy.csv").read()
    (options.out / "validating.md").write_text(markdown(table, whole(table, accuracy)))


def measure(data: str, fold: int, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """Yield each model's row for both directions of a fold, by cell type and by batch."""
    for split in SPLITS:
        if split == "batch" and DATA[data].n_batches <= _TWO:
            continue  # one batch is left to train, so that its cells are drawn in any case
        job = Job(data=data, split=split, fold=fold, model="butterfly")
        task, answers = prepare(load(data, data_dir), job)
        turns = rotate_validation(task.training, task.split, by="cell", seed=job.seed)
        scvi.settings.seed = job.seed
        models = [
            _accuracy_ours.butterfly(replace(task, split=turn), {}, {}).model
            for turn in (turns if data in SMALL else turns[:1])
        ]
        fits: dict[str, Any] = {ONE: _accuracy_ours.FittedModel(models[0], task)}
        if len(models) > 1:
            fits[SEVERAL] = _accuracy_ours.FittedEnsemble(models, task)
        for name, fitted in fits.items():
            for row in score_all(job, task, answers, fitted):
                yield {"data": data, "split": split, "fold": fold, "model": name, **row}


def whole(table: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy table's rows of the table's folds, whole groups validating."""
    rows = accuracy[
        accuracy["model"].isin(WHOLE)
        & (accuracy["variant"] == "default")
        & (accuracy["train_fraction"] == 1)
        & (accuracy["seed"] == 0)
    ]
    rows = rows.merge(table[["data", "split", "fold"]].drop_duplicates())
    return rows.assign(model=rows["model"].map(WHOLE))


def markdown(table: pd.DataFrame, others: pd.DataFrame) -> str:
    """Return the report: differences of one model in all places, then means over folds."""
    last = table.iloc[-1]
    commands = "` and `".join(table["command"].unique())
    both = pd.concat([others, table], ignore_index=True)
    lines = [
        "# Which cells validate",
        "",
        str(__doc__).split("\n", 2)[2].strip(),
        "",
        f"Written by `{commands}`, never by hand. {last['date']}, commit "
        f"{last['commit']}. {last['machine']}. Means over folds, seed 0.",
        "",
        "## Random cells less whole groups, one model",
        "",
        as_markdown(differences(both)),
    ]
    for place, part in both.groupby(_PLACE, sort=True):
        shown = SCORES[place[-1]]
        names = [name for name in (*WHOLE.values(), ONE, SEVERAL) if (part["model"] == name).any()]
        means = part.groupby("model")[shown].mean().loc[names]
        means.insert(0, "folds", part.groupby("model")["fold"].nunique().loc[names])
        lines += ["", f"## {where(pd.Series(place, index=_PLACE))}", ""]
        lines.append(as_markdown(means.reset_index()))
    return "\n".join(lines) + "\n"


def differences(both: pd.DataFrame) -> pd.DataFrame:
    """Return the gain of one model by random validation cells, and the folds won."""
    rows = []
    for place, part in both.groupby(_PLACE, sort=True):
        own, other = (
            part[part["model"] == name].set_index("fold") for name in (ONE, WHOLE["butterfly"])
        )
        folds = own.index.intersection(other.index)
        row: dict[str, Any] = {"where": where(pd.Series(place, index=_PLACE))}
        for title, name in (("per feature", METRICS[place[-1]][0]), ("AMI", "ami")):
            gap = own.loc[folds, name] - other.loc[folds, name]
            row[title] = gap_text(gap.mean(), gap.std())
            row[f"{title}: folds won"] = f"{int((gap > 0).sum())} of {folds.size}"
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
