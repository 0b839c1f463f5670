"""Accuracy of every model on real cells, in both directions, fold by fold.

**Protocol.** Folds come from ``xm.pp.split`` with seed 0, the same for all models: five by cell
(64 % train, 16 % validate, 20 % test), three by cell type (half of the types train, a third test),
and as many by batch as there are batches. By type and by batch whole types and batches validate,
as in the papers, and so do not train; in the splits that end in ``_drawn`` random cells of all but
the tested ones do, a fifth, as ``train()`` draws them by itself. Cortex cells called "Mis" have no
type: they stand in no fold by cell type, and clustering leaves them out. Features are chosen by
the training cells: at most 3,000 variable genes (the sets have fewer, so all that occur) and the
peaks open in at least 0.5 % of them; proteins are kept whole.

Models see raw counts of training and validation cells, and of test cells the source modality
alone; no batch and, but for Butterfly-T, no label ("Mis" pairs with "Mis"). Validation cells stop
trainings early; Butterfly also weighs its linear path and its shrinkage by them. Baselines do
not use them, but for **ridge_validation**, which trains on them. Scores are those of
``xm.metrics.evaluate_translation``, per feature, per cell and flattened. RNA and protein are
scored and clustered by one prediction. ATAC of Butterfly and Polarbear is scored at the depth
predicted from the source's (``translate(depth="predicted")``) and clustered at the training
median depth (``translate``). No other model has such a depth; **ridge_depth** is Ridge with one
(odds times predicted over median depth, the latter by least squares on the logarithms of the
source's library and detected features), **butterfly_median** is Butterfly without.
**butterfly_refit** is Butterfly trained once more, on the validation cells too, for as many epochs
as were best (``train(refit=True)``).
**butterfly_seeds** is the mean of three models of the same cells, **butterfly_rotated** of models
that stop by other cells each, so that no cell is left out (``xm.pp.rotate_validation``: five of
random cells; of the training and validation cells' types four parts, and so it is told these
types; of batches two on the cortex sets, elsewhere five parts of the one batch's cells).

How models of others are run, each as it is meant to be used:

- **wheel**: the published ``scbutterfly`` 0.0.9 in an environment of its own, 100 + 100 + 200
  epochs. It takes paired test cells, so its pre-processing (IDF, scale, median size) has seen
  them; no feature is filtered further. Its TF-IDF predictions (and those of ``preset``, this
  package's model of the same) are clustered as they are, and scored as probabilities after
  undoing TF-IDF by the training cells' IDF at their median depth.
  Its model of CITE-seq has no front end and is built by hand in the published sizes and weights,
  on this package's centred log-ratios; negative predictions of proteins are kept, which it would
  set to 0 (``_accuracy_wheel_protein``).
- **multivi**: trained on paired training cells; test cells enter with zeros for the other
  modality, which is how MULTIVI marks it as missing. RNA is scaled to the training median
  library; accessibility is multiplied by region factors and the median cell factor.
- **totalvi**: imputes the proteins of cells that were trained with as RNA-only cells in a batch
  of their own. It thus sees the test cells' RNA in training, which is an advantage over others.
- **scipenn**: as published but for quality filters; its pre-processing standardises the test
  cells by themselves. See ``_accuracy_scipenn``.

Every fit is a process of its own with one thread; the baselines of a fold, which draw nothing and
take milliseconds, share one. CPU seconds, wall seconds and the highest resident memory are those
of fitting alone.

``--variants file.toml`` adds variants: a table for each name with ``model`` ("butterfly" unless
said otherwise) and the keywords ``init``, ``train`` (with ``pairs`` in it for those of a pairing)
and ``data``; ``--train-fractions`` trains on parts of the training cells. A run that was stopped
goes on where it was.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from benchmarks._accuracy_data import DATA
from benchmarks._accuracy_jobs import plan
from benchmarks._accuracy_models import MODELS
from benchmarks._accuracy_readme import update_readme
from benchmarks._accuracy_report import write_report
from benchmarks._accuracy_run import run_all
from benchmarks._accuracy_sizes import write_sizes
from benchmarks._accuracy_splits import SPLITS
from benchmarks._accuracy_table import Table
from benchmarks._machine import describe

RESULTS = Path(__file__).with_name("results")


def main(arguments: list[str] | None = None) -> None:
    """Run what is missing, then write reports, figures and the README's table of the rows."""
    options = _options(arguments)
    suffix = "_quick" if options.quick else ""
    table = Table(options.out / f"accuracy{suffix}.csv")
    if not options.report:
        jobs = _available(plan(options), options.data_dir)
        table.check_options(jobs)
        if options.retry:
            table.forget_failures(jobs)
        about = {key: describe()[key] for key in ("machine", "date", "commit")}
        run_all(jobs, table, data_dir=options.data_dir, about=about, n_workers=options.workers)
    write_report(table.read(), options.out, suffix=suffix)
    if not options.quick:
        write_sizes(table.read(), options.out)
        if options.out == RESULTS:
            update_readme(table.read(), RESULTS.parents[1] / "README.md")
    print(f"{options.out / f'RESULTS{suffix}.md'}")


def _available(jobs: list, data_dir: Path | None) -> list:
    """Leave out data sets whose file is not there, and say so."""
    lacking = {
        name: known.file
        for name, known in DATA.items()
        if known.file and not (data_dir and (data_dir / known.file).exists())
    }
    for name in sorted({job.data for job in jobs} & set(lacking)):
        print(f"{name} is left out: --data-dir={data_dir} has no {lacking[name]}.", flush=True)
    return [job for job in jobs if job.data not in lacking]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    if options.models is None:
        quick = [name for name, model in MODELS.items() if model.quick]
        everything = [] if options.variants else list(MODELS)
        options.models = quick if options.quick else everything
    if options.quick:
        options.data, options.split = options.data or ["cortex_2k"], options.split or ["cell"]
        options.folds = options.folds or [0, 1]
    options.data, options.split = options.data or list(DATA), options.split or list(SPLITS)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.accuracy", description=_first_line())
    parser.add_argument("--quick", action="store_true", help="cortex 2k, two folds, cheap models")
    parser.add_argument("--report", action="store_true", help="only write the report anew")
    parser.add_argument("--models", nargs="*", choices=MODELS)
    parser.add_argument("--data", nargs="+", choices=DATA)
    parser.add_argument("--split", nargs="+", choices=SPLITS)
    parser.add_argument("--folds", nargs="+", type=int, help="fold numbers; by default all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--variants", type=Path, help="TOML or JSON; without --models, they alone")
    parser.add_argument("--train-fractions", nargs="+", type=float, default=[1.0])
    parser.add_argument("--workers", type=int, default=1, help="fits at a time, a thread each")
    parser.add_argument("--retry", action="store_true", help="run failed fits again")
    folder = os.environ.get("SCVI_XMODAL_DATA")
    parser.add_argument("--data-dir", type=Path, default=Path(folder) if folder else None)
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


def _first_line() -> str:
    return str(__doc__).splitlines()[0]


if __name__ == "__main__":
    main()
