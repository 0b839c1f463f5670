"""Do single-assay cells help? Polarbear and Butterfly on few pairs, with and without the rest.

Bundled cortex cells, five folds by cell with seed 0 (64 % train, 16 % validate, 20 % test), the
features that ``benchmarks.accuracy`` chooses. Of the training and validation cells a share keeps
its pairs; smaller shares of a fold are parts of larger ones. What becomes of the other cells:

- **polarbear**: their links are cut. Each goes in twice, as an RNA-only and as an ATAC-only cell
  of another name, as if two single-assay experiments had been done on the same tissue.
- **polarbear_pairs**, **butterfly_pairs**: they are left out.

All see the same paired cells, no batches and no labels; the test cells' target is never seen. All
models train as they come. Scores are those of ``benchmarks.accuracy``, per feature, per cell and
flattened. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi
import torch

import scvi_xmodal as xm
from benchmarks import _accuracy_ours
from benchmarks._accuracy_data import FOLDS_SEED, load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._accuracy_scores import rounded, score_all
from benchmarks._machine import describe
from benchmarks._polarbear_report import FOLDS, FRACTIONS, write_report
from benchmarks._probe import Instant
from scvi_xmodal.data import Split

if TYPE_CHECKING:
    from benchmarks._accuracy_data import Task

RESULTS = Path(__file__).with_name("results")
MODELS = {
    "polarbear": "polarbear",
    "polarbear_pairs": "polarbear",
    "butterfly_pairs": "butterfly",
}
"""The function of ``_accuracy_ours`` that fits each."""
KEY = ["fold", "fraction", "model", "seed"]


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing, then write ``polarbear.md`` and ``polarbear.png``."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    path = options.out / "polarbear.csv"
    for fold, fraction, model in product(options.folds, options.fractions, options.models):
        if (fold, fraction, model, options.seed) in _done(path):
            continue
        rows = pd.DataFrame(run(fold, fraction, model, seed=options.seed))
        _append(path, rows)
        columns = ["target", "pearson_gene", "auroc_peak", "fit_cpu_seconds"]
        print(fold, fraction, model, rows.reindex(columns=columns).to_dict("records"), flush=True)
    write_report(pd.read_csv(path), options.out)
    print(options.out / "polarbear.md")


def run(fold: int, fraction: float, model: str, *, seed: int) -> list[dict[str, Any]]:
    """Fit a model on a share of a fold's pairs and score both directions."""
    job = Job("cortex_2k", "cell", fold, MODELS[model], seed=seed)
    task, answers = prepare(load(job.data, None), job)
    task = with_pairs(task, fraction, fold, others=model == "polarbear")
    scvi.settings.seed = seed
    fit = getattr(_accuracy_ours, MODELS[model])
    start = Instant.now()
    translator = fit(task, {}, {})
    wall, cpu = Instant.now().since(start)
    about = {key: describe()[key] for key in ("machine", "date", "commit")}
    common = {"fold": fold, "fraction": fraction, "model": model, "seed": seed}
    cost = rounded({"fit_seconds": wall, "fit_cpu_seconds": cpu})
    rows = score_all(job, task, answers, translator)
    return [{**common, **row, **_sizes(task), **cost, **about} for row in rows]


def with_pairs(task: Task, fraction: float, fold: int, *, others: bool) -> Task:
    """Keep the pairs of a share of the cells; the others go in unlinked, or not at all."""
    mdata, split = task.training, task.split
    kept = [_share(rows, fraction, fold) for rows in (split.train, split.validation)]
    paired = np.sort(np.concatenate(kept))
    is_training = np.isin(np.arange(mdata.n_obs), split.train)
    training = mdata[paired].copy()
    names = dict(zip(mdata.obs_names, is_training, strict=True))
    if others:
        rest = np.setdiff1d(np.concatenate([split.train, split.validation]), paired)
        apart = {kind: mdata[kind][rest].copy() for kind in mdata.mod}
        for kind, part in apart.items():
            part.obs_names = [f"{kind} of {name}" for name in part.obs_names]
            names.update(zip(part.obs_names, is_training[rest], strict=True))
        training = xm.pp.join_single_assay(training, **apart)
    trains = np.array([names[name] for name in training.obs_names])
    own = Split(np.flatnonzero(trains), np.flatnonzero(~trains))
    return replace(task, training=training, split=own)


def _share(rows: np.ndarray, fraction: float, fold: int) -> np.ndarray:
    order = np.random.default_rng((FOLDS_SEED, fold, 2)).permutation(rows)
    return order[: max(2, round(fraction * rows.size))]


def _sizes(task: Task) -> dict[str, int]:
    """Count the training cells of each kind."""
    mdata, train = task.training, task.split.train
    measured = {key: mdata.obsmap[key].ravel()[train] > 0 for key in mdata.mod}
    both = np.all(list(measured.values()), axis=0)
    return {"n_paired": int(both.sum()), **{f"n_{k}": int(v.sum()) for k, v in measured.items()}}


def _done(path: Path) -> set[tuple[Any, ...]]:
    return (
        set(pd.read_csv(path)[KEY].itertuples(index=False, name=None)) if path.exists() else set()
    )


def _append(path: Path, rows: pd.DataFrame) -> None:
    before = [pd.read_csv(path)] if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.concat([*before, rows]).sort_values([*KEY, "target"]).to_csv(path, index=False)


def _parser() -> argparse.ArgumentParser:
    first = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser("python -m benchmarks.polarbear", description=first)
    parser.add_argument("--folds", nargs="*", type=int, default=FOLDS)
    parser.add_argument("--fractions", nargs="*", type=float, default=FRACTIONS)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    main()
