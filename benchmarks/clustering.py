"""Why another model's translations sometimes cluster closer to the labels than Butterfly's.

The accuracy table clusters as scanpy users do, by Leiden at resolution 1, and compares with labels
that may be coarser than what the cells tell. So the same translations are judged here also by

- how much of the target's variance in the measured cells the Leiden clusters explain, which asks
  no labels: 1 - (residual sum of squares / (n - k)) / (total sum of squares / (n - 1)) for n cells
  in k clusters, so that finer clusters gain nothing by chance. Measured values are log1p of counts
  per 10,000 (RNA), centred log-ratios (protein) or open and closed (ATAC), every feature of
  variance 1. Of single ATAC cells, which are sparse, nothing explains much, labels included;
- k-means with as many clusters as there are labels (mean of five seeds), which cannot cut finer
  than the labels;
- the silhouette of the labels: near 1 where types are tight and apart;
- the effective rank of the scatter within types, (sum of eigenvalues)^2 / sum of squares: cells
  that scatter around their type in few dimensions are cut finer than cells that scatter in many.

Folds, features, training and queries are those of ``benchmarks.accuracy``. A run that was stopped
goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from benchmarks import _accuracy_baselines, _accuracy_ours
from benchmarks._accuracy_data import DATA, load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._accuracy_places import where
from benchmarks._accuracy_scores import LABELS
from benchmarks._accuracy_splits import SPLITS
from benchmarks._folds import fold_options, measured
from benchmarks._tables import as_markdown
from scvi_xmodal.metrics import cluster_agreement, leiden_clusters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

OURS = "Butterfly"
MODELS = {
    OURS: _accuracy_ours.butterfly,
    "Ridge": _accuracy_baselines.ridge,
    "KNN": _accuracy_baselines.knn,
}
SEEDS = range(5)
_SPLITS = ("cell", "cell_type", "batch")
_PLACE = ["data", "split", "source", "target"]
_SCORES = [
    "leiden_clusters",
    "leiden_ami",
    "leiden_ari",
    "explained",
    "k_means_ami",
    "k_means_ari",
    "silhouette",
    "rank_within_types",
]


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks, then write ``clustering.csv`` and ``clustering.md``."""
    data = ["bmmc_citeseq", "bmmc_multiome", "cortex_2k", "wnn_citeseq"]
    options = fold_options(arguments, str(__doc__), data=data, folds=[0, 1, 2])
    table = measured(options, "clustering.csv", measure)
    (options.out / "clustering.md").write_text(markdown(table))


def measure(data: str, fold: int, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """Yield each model's row for both directions of a fold, in every split that has it."""
    for split in _SPLITS:
        if fold < DATA[data].n_folds(split):
            job = Job(data=data, split=split, fold=fold, model="butterfly")
            yield from measure_fold(job, data_dir)


def measure_fold(job: Job, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """Yield each model's row for both directions of a fold of a split."""
    task, answers = prepare(load(job.data, data_dir), job)
    scvi.settings.seed = 0
    fitted = {name: fit(task, {}, {}) for name, fit in MODELS.items()}
    for source, target in job.directions:
        truth = answers.truth[target]
        about = {"data": job.data, "split": job.split, "fold": job.fold}
        for name, model in fitted.items():
            profile = as_array(model.translate(source, target).profile.X)
            found = describe_clusters(profile, truth, target)
            yield {**about, "source": source, "target": target, "model": name, **found}


def describe_clusters(profile: NDArray[Any], truth: Any, target: str) -> dict[str, float]:
    """Score the clusters of profiles of shape (n_cells, n_features) against labels and truth."""
    labels = truth.obs[LABELS]
    known = labels.notna().to_numpy()
    names = labels[known].astype(str).to_numpy()
    clusters = leiden_clusters(profile, names=truth.obs_names)
    leiden = cluster_agreement(labels, clusters)
    values = measured_values(truth.X, target)
    own = profile[known]
    n_labels = np.unique(names).size
    k_means = [
        cluster_agreement(names, KMeans(n_labels, n_init=10, random_state=seed).fit_predict(own))
        for seed in SEEDS
    ]
    return {
        "labels": n_labels,
        "labels_explained": explained(values[known], names),
        "leiden_clusters": leiden.n_clusters,
        "leiden_ami": leiden.ami,
        "leiden_ari": leiden.ari,
        "explained": explained(values, np.asarray(clusters)),
        "k_means_ami": float(np.mean([found.ami for found in k_means])),
        "k_means_ari": float(np.mean([found.ari for found in k_means])),
        "silhouette": float(silhouette_score(own, names)),
        "rank_within_types": effective_rank(own, names),
    }


def measured_values(counts: Any, target: str) -> NDArray[Any]:
    """Return measured cells on the target's scale, of shape (n_cells, n_features)."""
    values = as_array(counts).astype(np.float64)
    if target == "atac":
        return (values > 0).astype(np.float64)
    if target == "protein":
        logs = np.log1p(values)
        return logs - logs.mean(axis=1, keepdims=True)
    return np.log1p(1e4 * values / np.maximum(values.sum(axis=1, keepdims=True), 1))


def explained(values: NDArray[Any], groups: NDArray[Any]) -> float:
    """Return the share of variance that groups explain, adjusted for their number.

    The mean of adjusted R2 over the features that vary.
    """
    values = values[:, values.std(axis=0) > 0]
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    residual = ((values - _group_means(values, groups)) ** 2).sum()
    n_cells, n_groups = len(values), np.unique(groups).size
    if n_cells <= n_groups:
        return float("nan")
    return float(1 - (residual / (n_cells - n_groups)) / ((values**2).sum() / (n_cells - 1)))


def effective_rank(profile: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return in about how many dimensions cells scatter around their types' means."""
    scatter = profile - _group_means(profile, labels)
    variances = np.linalg.svd(scatter, compute_uv=False) ** 2
    return float(variances.sum() ** 2 / (variances**2).sum())


def as_array(matrix: Any) -> NDArray[Any]:
    """Return a matrix of test cells as an array."""
    return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix)


def _group_means(values: NDArray[Any], groups: NDArray[Any]) -> NDArray[Any]:
    return pd.DataFrame(values).groupby(groups).transform("mean").to_numpy()


def markdown(table: pd.DataFrame) -> str:
    """Return the means over folds: both measures of all places, then a table for each."""
    last = table.iloc[-1]
    lines = [
        "# Clusters of translated cells",
        "",
        str(__doc__).split("\n", 2)[2].strip(),
        "",
        f"Written by `{last['command']}`, never by hand. {last['date']}, commit "
        f"{last['commit']}. {last['machine']}. Means over folds "
        f"{', '.join(str(fold) for fold in sorted(table['fold'].unique()))}, of which a split "
        "by batch has as many as there are batches.",
        "",
        "## Agreement with the labels, and variance explained in the measured cells",
        "",
        as_markdown(in_brief(table)),
        "",
        best_places(table),
    ]
    for place, part in table.groupby(_PLACE, sort=False):
        means = part.groupby("model", sort=False)[_SCORES].mean().reset_index()
        heading = where(pd.Series(place, index=_PLACE))
        about = f"{part['labels'].mean():.1f} labels explain {part['labels_explained'].mean():.3f}"
        lines += ["", f"## {heading}", "", f"{about}.", "", as_markdown(means)]
    return "\n".join(lines) + "\n"


def best_places(table: pd.DataFrame) -> str:
    """Say in how many places Butterfly has the best mean, by both measures."""
    means = table.groupby([*_PLACE, "model"])[["leiden_ami", "explained"]].mean()
    best = means.groupby(_PLACE).transform("max") == means
    own = best.xs(OURS, level="model").groupby("split", sort=False)
    parts = [
        f"{SPLITS[str(split)].name}, agree best with the labels in {n['leiden_ami']} of "
        f"{len(own.get_group(split))} directions and explain most in {n['explained']}"
        for split, n in own.sum().loc[list(_SPLITS)].iterrows()
    ]
    return f"Of the three, the clusters of {OURS}, {'; '.join(parts)}."


def in_brief(table: pd.DataFrame) -> pd.DataFrame:
    """Return each place's row: both measures of every model, and of the labels."""
    rows = []
    for place, part in table.groupby(_PLACE, sort=False):
        means = part.groupby("model", sort=False)[["leiden_ami", "explained"]].mean()
        row = {"where": where(pd.Series(place, index=_PLACE))}
        row |= {f"AMI, {name}": value for name, value in means["leiden_ami"].items()}
        row |= {f"explained, {name}": value for name, value in means["explained"].items()}
        rows.append(row | {"explained, labels": part["labels_explained"].mean()})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
