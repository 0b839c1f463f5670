"""Does familiarity find cell types that were held out of training?

A third of the cell types (``pp.split(by="cell_type")``) are novel; of the other cells, drawn at
random, 70 % train, 15 % validate and 15 % are the known cells that novel ones are told from.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi
from sklearn.metrics import roc_auc_score

import scvi_xmodal as xm
from benchmarks._machine import describe
from benchmarks._simple_novelty import simple_scores
from benchmarks._tables import as_markdown
from scvi_xmodal.data import Split

if TYPE_CHECKING:
    from mudata import MuData
    from numpy.typing import NDArray

RESULTS = Path(__file__).with_name("results")
DATA = {
    "cortex": xm.datasets.cortex_snareseq,
    "bmmc_multiome": xm.datasets.bmmc_multiome,
    "bmmc_citeseq": xm.datasets.bmmc_citeseq,
}
CHOSEN_ON = 0
"""The fold on which neighbours and weights were chosen; the others are the measurement."""
SCHEDULES = {
    "Butterfly": {"max_epochs": 60, "pretrain_epochs": 10},
    "Babel": {"max_epochs": 80, "batch_size": 128},
}
_SIMPLE = ("knn30", "knn10", "mahalanobis", "low_depth", "odd_depth")


def main(arguments: list[str] | None = None) -> None:
    """Train, score, and write ``familiarity.csv``, ``.md`` and ``.png``."""
    options = _parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{options.name}.csv"
    kept = path.exists() and (options.resume or options.report)
    rows = pd.read_csv(path).to_dict("records") if kept else []
    about = describe()
    if options.report:
        return report(pd.DataFrame(rows), options)
    for model in options.models:
        for fold in options.folds:
            for data in options.data:
                done = {(r["model"], r["data"], r["fold"]) for r in rows}
                if (model, data, fold) not in done:
                    rows += [{**row, **about} for row in measure(model, data, fold)]
                    pd.DataFrame(rows).to_csv(path, index=False)
    return report(pd.DataFrame(rows), options)


def report(table: pd.DataFrame, options: argparse.Namespace) -> None:
    """Write the Markdown and the figure of a table."""
    text = markdown(table)
    (options.out / f"{options.name}.md").write_text(text)
    figure(table, options.out / f"{options.name}.png")
    print(text)


def measure(model_name: str, data: str, fold: int, **schedule: Any) -> list[dict[str, Any]]:
    """Train one model and return a row for each modality.

    Parameters
    ----------
    model_name
        ``"Butterfly"`` or ``"Babel"``.
    data
        One of the bundled sets.
    fold
        Which third of the types is novel.
    **schedule
        Keywords of ``train`` other than the defaults.
    """
    mdata = DATA[data]()
    split, known, novel = novel_type_split(mdata, fold)
    begin = time.process_time()
    model = _trained(mdata, split, model_name, schedule or SCHEDULES[model_name])
    seconds = time.process_time() - begin
    cells = np.r_[known, novel]
    is_novel = np.repeat([False, True], [known.size, novel.size])
    rows = []
    for source in model.specs:
        found = model.familiarity(mdata, source=source, indices=cells)
        scores = {"familiarity": found["strangeness"].to_numpy()}
        for part in ("latent", "reconstruction"):
            scores[part] = -found[f"familiarity_{part}"].to_numpy()
        scores |= {k: v[cells] for k, v in simple_scores(mdata, source, split.train).items()}
        below = found["familiarity"].to_numpy() <= 0.05
        row = {"model": model_name, "data": data, "fold": fold, "source": source}
        row |= {name: round(roc_auc_score(is_novel, own), 4) for name, own in scores.items()}
        row |= {"known_below_5": below[~is_novel].mean(), "novel_below_5": below[is_novel].mean()}
        row |= {"n_train": split.train.size, "n_validation": split.validation.size}
        row |= {"n_known": known.size, "n_novel": novel.size, "train_cpu_seconds": seconds}
        rows.append(row)
    return rows


def novel_type_split(
    mdata: MuData, fold: int
) -> tuple[Split, NDArray[np.int64], NDArray[np.int64]]:
    """Return the split to train on, and the rows of known and of novel test cells."""
    exclude = ["Mis"] if (mdata["rna"].obs["cell_type"] == "Mis").any() else []
    by_type = xm.pp.split(mdata, by="cell_type", fold=fold, exclude=exclude)
    cells = np.sort(np.r_[by_type.train, by_type.validation])
    cells = np.random.default_rng(fold).permutation(cells)
    train, validation, known = np.split(cells, (np.array([0.7, 0.85]) * cells.size).astype(int))
    return Split(train, validation, np.r_[known, by_type.test]), np.sort(known), by_type.test


def _trained(mdata: MuData, split: Split, name: str, schedule: dict[str, Any]) -> Any:
    scvi.settings.seed = 0
    model_class = getattr(xm.model, name)
    model_class.setup_mudata(mdata)
    model = model_class(mdata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.train(split=split, enable_progress_bar=False, **schedule)
    return model


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean AUROC of each score by data and source, over the folds that chose nothing."""
    kept = table[table["fold"] != CHOSEN_ON] if (table["fold"] != CHOSEN_ON).any() else table
    columns = ["familiarity", "latent", "reconstruction", *_SIMPLE]
    further = ["known_below_5", "novel_below_5"]
    return kept.groupby(["model", "data", "source"], sort=False)[columns + further].mean()


def markdown(table: pd.DataFrame) -> str:
    """Return the report."""
    found = summary(table)
    chosen = table[table["fold"] == CHOSEN_ON]
    overall = found.groupby("model", sort=False).mean()
    about = table.iloc[-1]
    folds = sorted(set(table["fold"]) - {CHOSEN_ON}) or [CHOSEN_ON]
    parts = [
        f"AUROC of cells of held-out types against known types, mean over folds {folds}. "
        f"Neighbours and weights were chosen on fold {CHOSEN_ON}, which is not in this table.",
        as_markdown(found.reset_index()),
        "Mean over data sets and sources:",
        "\n".join(f"- {_verdict(name, row)}" for name, row in overall.iterrows()),
        as_markdown(overall.reset_index()),
        f"Fold {CHOSEN_ON}, on which the choices were made:",
        as_markdown(
            chosen.groupby("model", sort=False)[["familiarity", *_SIMPLE]].mean().reset_index()
        ),
        f"`{about['command']}`; {about['date']}, commit {about['commit']}, {about['machine']}. "
        f"Schedules: {SCHEDULES}.",
    ]
    return "\n\n".join(parts) + "\n"


def _verdict(name: Any, row: pd.Series) -> str:
    simple = row[list(_SIMPLE)].astype(float)
    better = (row["familiarity"] > simple).sum()
    return (
        f"{name}: familiarity {row['familiarity']:.3f}, best simple score {simple.idxmax()} "
        f"{simple.max():.3f}; familiarity is above {better} of {simple.size} simple scores."
    )


def figure(table: pd.DataFrame, path: Path) -> None:
    """Draw familiarity against the best simple score of each fold."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panel, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
    for ax, simple in zip(axes, ("knn30", "low_depth"), strict=True):
        for (data, source), part in table.groupby(["data", "source"], sort=False):
            ax.scatter(part[simple], part["familiarity"], label=f"{data}, {source}", s=22)
        ax.plot([0.2, 1], [0.2, 1], "k:", lw=1)
        ax.set(xlabel=f"AUROC of {simple.replace('_', ' ')}", xlim=(0.2, 1), ylim=(0.2, 1))
    axes[0].set_ylabel("AUROC of familiarity")
    axes[1].legend(fontsize=7)
    panel.savefig(path, dpi=130)
    plt.close(panel)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.familiarity", description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--folds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=list(SCHEDULES), choices=list(SCHEDULES))
    parser.add_argument("--resume", action="store_true", help="keep rows that are there")
    parser.add_argument("--report", action="store_true", help="only write the report anew")
    parser.add_argument("--name", default="familiarity", help="of the files")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
