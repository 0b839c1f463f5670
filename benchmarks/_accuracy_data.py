"""The real data sets, and what of them a model may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mudata
import numpy as np
from anndata import AnnData

import scvi_xmodal as xm
from benchmarks._accuracy_ablations import shuffle_chromosomes
from benchmarks._accuracy_splits import SPLITS
from scvi_xmodal.data import Split
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mudata import MuData

    from benchmarks._accuracy_jobs import Job

UNASSIGNED = "Mis"
"""The cortex labels' word for a cell without a type."""
FOLDS_SEED = 0
"""Seed of the folds, the same for every model and every seed of a model."""
N_FOLDS = {"cell": 5, "cell_type": 3}
ONE_TRAINS = 2
"""Batches of which one is tested and one is left."""


@dataclass(frozen=True)
class DataSet:
    """A data set of paired cells.

    Parameters
    ----------
    kinds
        Its two modalities.
    n_batches
        Number of batches, and so of folds by batch.
    bundled
        Name of the function in ``xm.datasets``, if the package carries it.
    file
        Name of the file in ``--data-dir``, if not.
    assembly
        Genome assembly, where genes are looked up near peaks.
    """

    kinds: tuple[str, str]
    n_batches: int
    bundled: str | None = None
    file: str | None = None
    assembly: str | None = None

    def n_folds(self, split: str) -> int:
        """Return the number of folds of a split."""
        held_out = SPLITS[split]
        if held_out.by != "batch":
            return N_FOLDS[held_out.by]
        # of two batches one is left to train, so that its cells are drawn in any case
        same = held_out.validates == "cell" and self.n_batches <= ONE_TRAINS
        return 0 if same else self.n_batches


DATA = {
    "cortex_2k": DataSet(("rna", "atac"), 3, bundled="cortex_snareseq", assembly="mm10"),
    "cortex_3batches": DataSet(
        ("rna", "atac"), 3, file="cortex_snareseq_3batches.h5mu", assembly="mm10"
    ),
    "bmmc_multiome": DataSet(("rna", "atac"), 2, bundled="bmmc_multiome", assembly="hg38"),
    "bmmc_citeseq": DataSet(("rna", "protein"), 2, bundled="bmmc_citeseq"),
    "wnn_citeseq": DataSet(("rna", "protein"), 2, file="citeseq_pbmc_wnn_mini.h5mu"),
}


@dataclass(frozen=True, eq=False)
class Task:
    """What a model is given: never the target of a test cell.

    Parameters
    ----------
    training
        Raw counts of training and validation cells, features chosen.
    split
        Rows of ``training`` that train and that may stop the training early; none test.
    queries
        Raw counts of the test cells by modality, without annotation. A model reads that of the
        direction's source.
    seed
        Seed of the model.
    dataset
        Which data these are.
    by
        What of the other cells validates whole: cells, types or batches.
    """

    training: MuData
    split: Split
    queries: Mapping[str, AnnData]
    seed: int
    dataset: DataSet
    by: Any = "cell"


@dataclass(frozen=True, eq=False)
class Answers:
    """What only the scores see, by modality: measured test cells, and the scale's cells."""

    truth: Mapping[str, AnnData]
    reference: Mapping[str, AnnData]


def load(name: str, data_dir: Path | None) -> MuData:
    """Read a data set; cells called ``Mis`` have no type.

    Raises
    ------
    ValueError
        If its file is wanted and there is none.
    """
    known = DATA[name]
    if known.bundled:
        mdata = getattr(xm.datasets, known.bundled)()
    else:
        if data_dir is None or not (data_dir / str(known.file)).exists():
            raise ValueError(
                f"{name} is read from {known.file} in --data-dir (or $SCVI_XMODAL_DATA), which "
                f"is {data_dir}: name a folder that holds it, or leave {name} out of --data."
            )
        with own_columns_only():
            mdata = mudata.read_h5mu(data_dir / str(known.file))
    return _tidy(mdata, known.kinds)


def prepare(mdata: MuData, job: Job) -> tuple[Task, Answers]:
    """Split, choose features by the training cells, and part what is given from what is asked.

    With a ``train_fraction`` below 1 features and the scale are still those of all training
    cells, so that scores of all fractions are of the same numbers; smaller sets of a fold are
    parts of the larger ones.
    """
    options = dict(job.data_options)
    split = _split(mdata, job)
    chosen = xm.pp.select_features(
        mdata,
        n_top_genes=options.pop("n_top_genes", 3000),
        min_peak_fraction=options.pop("min_peak_fraction", 0.005),
        indices=split.train,
    )
    keep, shuffled = options.pop("keep_counts", 1.0), options.pop("shuffle_chromosomes", False)
    if options:
        raise ValueError(f"Unknown data options {sorted(options)} of variant {job.variant!r}.")
    if shuffled:
        shuffle_chromosomes(chosen["atac"], job.fold)
    kinds = DATA[job.data].kinds
    answers = Answers(
        {kind: chosen[kind][split.test].copy() for kind in kinds},
        {kind: chosen[kind][split.train].copy() for kind in kinds},
    )
    shown = _thinned(chosen, keep, job.fold) if keep < 1 else chosen
    train = _fraction(split.train, job)
    rows = np.sort(np.concatenate([train, split.validation]))
    own = Split(np.searchsorted(rows, train), np.searchsorted(rows, split.validation))
    queries = {kind: _bare(shown[kind][split.test]) for kind in kinds}
    task = Task(
        shown[rows].copy(), own, queries, job.seed, DATA[job.data], SPLITS[job.split].validates
    )
    return task, answers


def _tidy(mdata: MuData, kinds: tuple[str, str]) -> MuData:
    parts = {}
    for kind in kinds:
        part = mdata[kind].copy()
        labels = part.obs["cell_type"].astype("category")
        known = [name for name in labels.cat.categories if name != UNASSIGNED]
        part.obs = part.obs[["batch"]].assign(cell_type=labels.cat.set_categories(known))
        parts[kind] = part
    with own_columns_only():
        tidy = mudata.MuData(parts)
        tidy.obs["cell_type"] = parts[kinds[0]].obs["cell_type"]
        tidy.obs["batch"] = parts[kinds[0]].obs["batch"]
    return tidy


def _split(mdata: MuData, job: Job) -> Split:
    held_out = SPLITS[job.split]
    extra = {"exclude": [None]} if held_out.by == "cell_type" and _unlabelled(mdata) else {}
    return xm.pp.split(
        mdata,
        by=held_out.by,
        validation_by=held_out.validation_by,
        n_folds=DATA[job.data].n_folds(job.split),
        fold=job.fold,
        seed=FOLDS_SEED,
        **extra,
    )


def _unlabelled(mdata: MuData) -> bool:
    return bool(mdata.obs["cell_type"].isna().any())


def _fraction(train: np.ndarray, job: Job) -> np.ndarray:
    order = np.random.default_rng((FOLDS_SEED, job.fold)).permutation(train)
    return np.sort(order[: max(1, round(job.train_fraction * train.size))])


def _thinned(mdata: MuData, keep: float, fold: int) -> MuData:
    """Keep each count with a probability, as shallower sequencing would."""
    rng = np.random.default_rng((FOLDS_SEED, fold, 1))
    thin = mdata.copy()
    for part in thin.mod.values():
        counts = part.X.tocsr().copy()
        counts.data = rng.binomial(counts.data.astype(np.int64), keep).astype(np.float32)
        counts.eliminate_zeros()
        part.X = counts
    return thin


def _bare(adata: AnnData) -> AnnData:
    return AnnData(adata.X.copy(), obs=adata.obs[[]].copy(), var=adata.var.copy())
