"""Why another model's translations sometimes cluster closer to the labels than Butterfly's.

The accuracy table clusters as scanpy users do, by Leiden at resolution 1. How many clusters that
gives depends on the shape of the cloud: cells that scatter around their type in few dimensions
are cut finer than cells that scatter in many. So the same translations are compared here also

- by k-means with as many clusters as there are labels (mean of five seeds), which cannot cut
  finer than the labels,
- by the silhouette of the labels: near 1 where types are tight and apart,
- by the effective rank of the scatter within types, (sum of eigenvalues)^2 / sum of squares.

Folds, features, training and queries are those of ``benchmarks.accuracy``, by cell. A run that
was stopped goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scvi
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from benchmarks import _accuracy_baselines, _accuracy_ours
from benchmarks._accuracy_data import load, prepare
from benchmarks._accuracy_jobs import Job
from benchmarks._accuracy_scores import LABELS
from benchmarks._folds import fold_options, measured
from benchmarks._tables import as_markdown
from scvi_xmodal.metrics import cluster_agreement, leiden_clusters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

MODELS = {
    "Butterfly": _accuracy_ours.butterfly,
    "Ridge": _accuracy_baselines.ridge,
    "KNN": _accuracy_baselines.knn,
}
SEEDS = range(5)
_PLACE = ["data", "source", "target"]
_SCORES = [
    "leiden_clusters",
    "leiden_ami",
    "leiden_ari",
    "k_means_ami",
    "k_means_ari",
    "silhouette",
    "rank_within_types",
]


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks, then write ``clustering.csv`` and ``clustering.md``."""
    chosen = {"data": ["bmmc_citeseq", "cortex_2k", "wnn_citeseq"], "folds": [0, 1, 2]}
    options = fold_options(arguments, str(__doc__), **chosen)
    table = measured(options, "clustering.csv", measure)
    (options.out / "clustering.md").write_text(markdown(table))


def measure(data: str, fold: int, data_dir: Path | None) -> Iterator[dict[str, Any]]:
    """Yield each model's row for both directions of a fold."""
    job = Job(data=data, split="cell", fold=fold, model="butterfly")
    task, answers = prepare(load(data, data_dir), job)
    scvi.settings.seed = 0
    fitted = {name: fit(task, {}, {}) for name, fit in MODELS.items()}
    for source, target in job.directions:
        truth = answers.truth[target]
        about = {"data": data, "fold": fold, "source": source, "target": target}
        for name, model in fitted.items():
            profile = model.translate(source, target).profile.X
            profile = np.asarray(profile.toarray() if hasattr(profile, "toarray") else profile)
            yield {**about, "model": name, **describe_clusters(profile, truth)}


def describe_clusters(profile: NDArray[Any], truth: Any) -> dict[str, float]:
    """Score the clusters of profiles of shape (n_cells, n_features) against the labels."""
    labels = truth.obs[LABELS]
    known = labels.notna().to_numpy()
    names = labels[known].astype(str).to_numpy()
    leiden = cluster_agreement(labels, leiden_clusters(profile, names=truth.obs_names))
    own = profile[known]
    n_labels = np.unique(names).size
    k_means = [
        cluster_agreement(names, KMeans(n_labels, n_init=10, random_state=seed).fit_predict(own))
        for seed in SEEDS
    ]
    return {
        "labels": n_labels,
        "leiden_clusters": leiden.n_clusters,
        "leiden_ami": leiden.ami,
        "leiden_ari": leiden.ari,
        "k_means_ami": float(np.mean([found.ami for found in k_means])),
        "k_means_ari": float(np.mean([found.ari for found in k_means])),
        "silhouette": float(silhouette_score(own, names)),
        "rank_within_types": effective_rank(own, names),
    }


def effective_rank(profile: NDArray[Any], labels: NDArray[Any]) -> float:
    """Return in about how many dimensions cells scatter around their types' means."""
    frame = pd.DataFrame(profile)
    scatter = (frame - frame.groupby(labels).transform("mean")).to_numpy()
    variances = np.linalg.svd(scatter, compute_uv=False) ** 2
    return float(variances.sum() ** 2 / (variances**2).sum())


def markdown(table: pd.DataFrame) -> str:
    """Return the means over folds, a table for each data set and direction."""
    last = table.iloc[-1]
    lines = [
        "# Clusters of translated cells",
        "",
        str(__doc__).split("\n", 2)[2].strip(),
        "",
        f"Written by `{last['command']}`, never by hand. {last['date']}, commit "
        f"{last['commit']}. {last['machine']}. Means over folds "
        f"{', '.join(str(fold) for fold in sorted(table['fold'].unique()))}.",
    ]
    for (data, source, target), part in table.groupby(_PLACE, sort=False):
        means = part.groupby("model", sort=False)[_SCORES].mean().reset_index()
        n_labels = part["labels"].mean()
        lines += ["", f"## {data}: {source} -> {target} ({n_labels:.1f} labels)", ""]
        lines.append(as_markdown(means))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
