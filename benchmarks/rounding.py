"""Why a model that predicts zeros ranks a cell's genes better: Spearman's correlation and ties.

Nine in ten counts of a nucleus are zero: tied. Predictions of expression that are all different
put those genes in some order and lose by it; predictions that are zero for rarely seen genes, as
the published model's rectified output makes them, tie them as the measurement does. So predictions
of the training cells' mean, Ridge and Butterfly are scored here once more with all values below a
bound set to zero: nothing is known better, yet Spearman's correlations rise, while Pearson's fall
and errors grow.

Folds, features, training and queries are those of ``benchmarks.accuracy``, by cell. A run that
was stopped goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scvi

from benchmarks import _accuracy_baselines, _accuracy_ours
from benchmarks._accuracy_data import load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._folds import fold_options, measured
from benchmarks._tables import as_markdown
from scvi_xmodal.metrics import evaluate_translation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

MODELS = {
    "Butterfly": _accuracy_ours.butterfly,
    "Ridge": _accuracy_baselines.ridge,
    "Mean": _accuracy_baselines.mean,
}
BOUNDS = (0.0, 0.02, 0.05, 0.1, 0.2)
"""Log-normalised expression below which a prediction becomes zero; 0 changes nothing."""
_SCORES = ["spearman_cell", "spearman_flat", "pearson_cell", "pearson_flat", "rmse"]
_PLACE = ["data", "model", "zero_below"]


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks, then write ``rounding.csv`` and ``rounding.md``."""
    chosen = {"data": ["bmmc_multiome", "cortex_2k"], "folds": [0, 1]}
    options = fold_options(arguments, str(__doc__), **chosen)
    table = measured(options, "rounding.csv", measure)
    (options.out / "rounding.md").write_text(markdown(table))


def measure(data: str, fold: int, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """Yield each model's row for every bound."""
    job = Job(data=data, split="cell", fold=fold, model="butterfly")
    task, answers = prepare(load(data, data_dir), job)
    scvi.settings.seed = 0
    for name, fit in MODELS.items():
        prediction = fit(task, {}, {}).translate("atac", "rna").scored
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


def markdown(table: pd.DataFrame) -> str:
    """Return the report: means over folds."""
    counts = table.groupby("data")["fold"].nunique()
    folds = ", ".join(f"{name} {number}" for name, number in counts.items())
    means = table.groupby(_PLACE, sort=False)[["zeros", *_SCORES]].mean().round(3)
    zeros = ", ".join(
        f"{name} {value:.3f}"
        for name, value in table.groupby("data")["measured_zeros"].mean().items()
    )
    head = [
        "# Zeros in predictions, and Spearman's correlation",
        "",
        "Written by `python -m benchmarks.rounding` from `rounding.csv`. ATAC -> RNA, by cell; "
        f"means over folds: {folds}. Share of zeros among measured values: {zeros}.",
        "",
        "`zero_below`: predictions below it were set to zero. That tells nothing new of any cell, "
        "and what it changes is how Spearman's correlation counts ties: compare the `Mean` of the "
        "training cells, which is the same for all cells, with the models of the accuracy table "
        "that predict zeros (`scbutterfly` and its preset).",
        "",
    ]
    about = [name for name in ("date", "commit", "machine") if name in table]
    made = "; ".join(", ".join(sorted(set(table[name].astype(str)))) for name in about)
    foot = ["", f"{made}.", ""]
    return "\n".join([*head, as_markdown(means.reset_index()), *foot])


if __name__ == "__main__":
    main()
