"""Why a model that predicts zeros ranks genes and cells better: Spearman's correlation and ties.

Most counts of a cell are zero: tied. Predictions of expression that are all different put those
genes, or of one gene those cells, in some order and lose by it; predictions that are zero where
little is expected, as the published model's rectified output makes them, tie them as the
measurement does. So predictions of the training cells' mean, Ridge and Butterfly are scored here
once more with all values below a bound set to zero: nothing is known better, yet Spearman's
correlations rise, while Pearson's fall and errors grow. Beside them stands what the accuracy table
has of the models that predict zeros by themselves, in the same folds.

Folds, features, training and queries are those of ``benchmarks.accuracy``, by cell. A run that
was stopped goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi

from benchmarks import _accuracy_baselines, _accuracy_models, _accuracy_ours
from benchmarks._accuracy_data import load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._accuracy_table import Table
from benchmarks._folds import RESULTS, fold_options, measured
from benchmarks._tables import as_markdown
from scvi_xmodal.metrics import evaluate_translation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODELS = {
    "Butterfly": _accuracy_ours.butterfly,
    "Ridge": _accuracy_baselines.ridge,
    "Mean": _accuracy_baselines.mean,
}
SOURCES = {
    "bmmc_multiome": "atac",
    "cortex_2k": "atac",
    "bmmc_citeseq": "protein",
    "wnn_citeseq": "protein",
}
"""What RNA is predicted from, for each data set."""
BOUNDS = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Log-normalised expression below which a prediction becomes zero; 0 changes nothing."""
PUBLISHED = ("preset", "wheel")
"""Models of the accuracy table that predict zeros by themselves."""
_SCORES = [
    "spearman_gene",
    "spearman_cell",
    "spearman_flat",
    "pearson_gene",
    "pearson_cell",
    "pearson_flat",
    "rmse",
]
_PLACE = ["data", "model", "zero_below"]


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks, then write ``rounding.csv`` and ``rounding.md``."""
    options = fold_options(arguments, str(__doc__), data=list(SOURCES), folds=[0, 1])
    table = measured(options, "rounding.csv", measure)
    accuracy = Table(RESULTS / "accuracy.csv").read()
    (options.out / "rounding.md").write_text(markdown(table, published(table, accuracy)))


def measure(data: str, fold: int, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """Yield each model's row for every bound."""
    job = Job(data=data, split="cell", fold=fold, model="butterfly")
    task, answers = prepare(load(data, data_dir), job)
    scvi.settings.seed = 0
    for name, fit in MODELS.items():
        prediction = fit(task, {}, {}).translate(SOURCES[data], "rna").scored
        for bound in BOUNDS:
            rounded = prediction.copy()
            rounded.X = np.where(prediction.X < bound, 0.0, prediction.X)
            scores = evaluate_translation(
                {name: rounded},
                answers.truth["rna"],
                reference=answers.reference["rna"],
                kind="rna",
            )
            yield {
                "data": data,
                "fold": fold,
                "model": name,
                "zero_below": bound,
                "zeros": float(np.mean(rounded.X == 0)),
                "measured_zeros": 1 - answers.truth["rna"].X.nnz / rounded.X.size,
                **scores.loc[name, _SCORES].to_dict(),
            }


def published(table: pd.DataFrame, accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy table's scores of models that predict zeros, in the table's folds."""
    runs = accuracy[
        accuracy["model"].isin(PUBLISHED)
        & (accuracy["split"] == "cell")
        & (accuracy["target"] == "rna")
        & (accuracy["variant"] == "default")
        & (accuracy["train_fraction"] == 1)
    ]
    runs = runs.merge(table[["data", "fold"]].drop_duplicates())
    labels = {name: _accuracy_models.MODELS[name].label for name in PUBLISHED}
    return runs.assign(model=runs["model"].map(labels), zero_below="as it comes")


def markdown(table: pd.DataFrame, others: pd.DataFrame) -> str:
    """Return the report: means over folds."""
    counts = table.groupby("data")["fold"].nunique()
    folds = ", ".join(f"{name} {number}" for name, number in counts.items())
    both = pd.concat([table, others])
    columns = ["zeros", *_SCORES]
    means = both.groupby(_PLACE, sort=False)[columns].mean().round(3).reset_index()
    measured_zeros = table.groupby("data")["measured_zeros"].mean()
    head = [
        "# Zeros in predictions, and Spearman's correlation",
        "",
        "Written by `python -m benchmarks.rounding` from `rounding.csv`. Translations into RNA, "
        f"by cell; means over folds: {folds}.",
        "",
        "`zero_below`: predictions below it were set to zero. That tells nothing new of any cell, "
        "and what it changes is how Spearman's correlation counts ties: compare the `Mean` of the "
        "training cells, which is the same for all cells, with the models of the accuracy table "
        "that predict zeros by themselves.",
    ]
    parts = []
    for data, share in measured_zeros.items():
        parts += [
            "",
            f"## {data}: {SOURCES[data]} -> rna ({share:.1%} of measured values are zero)",
            "",
            as_markdown(means[means["data"] == data].drop(columns="data")),
        ]
    about = [name for name in ("date", "commit", "machine") if name in table]
    made = "; ".join(", ".join(sorted(set(table[name].astype(str)))) for name in about)
    foot = ["", f"{made}.", ""]
    return "\n".join([*head, *parts, *foot])


if __name__ == "__main__":
    main()
