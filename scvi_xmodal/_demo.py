"""The demonstration: train on bundled real data, translate both ways, score and draw."""

from __future__ import annotations

import logging
import resource
import sys
import textwrap
import time
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.data import Split
    from scvi_xmodal.model import Butterfly

LABELS = "cell_type"
UNASSIGNED = "Mis"
FILES = ("rna_from_atac.h5ad", "atac_from_rna.h5ad", "scores.csv", "umap.png", "training.png")

_MODEL = "Butterfly"
_QUICK: dict[str, Any] = {"pretrain_epochs": 3, "max_epochs": 6}
_FULL: dict[str, Any] = {}
_DIRECTIONS: tuple[tuple[Kind, Kind], ...] = (("atac", "rna"), ("rna", "atac"))
_SHOWN = {
    "rna": ["pearson_gene", "pearson_cell", "pearson_flat", "rmse", "ari", "ami", "nmi"],
    "atac": ["auroc_peak", "ap_peak", "auroc_cell", "auroc_flat", "ari", "ami", "nmi"],
}
_LEADING = {"rna": ("pearson_gene", "Pearson", "gene"), "atac": ("auroc_peak", "AUROC", "peak")}
_NAMES = {"rna": "RNA", "atac": "ATAC"}
_DEPTH = "predicted_depth"
_DEPTH_LAYER = "at_predicted_depth"


@dataclass(frozen=True, eq=False)
class _Direction:
    """Translations of the held-out cells in one direction.

    ``profiles`` are what a person analyses; ``scored`` those that match the measured cells'
    depth where the two differ.
    """

    source: Kind
    target: Kind
    profiles: dict[str, AnnData]
    scored: dict[str, AnnData]

    @property
    def name(self) -> str:
        return f"{_NAMES[self.source]} -> {_NAMES[self.target]}"


def run_demo(out: str | Path, *, quick: bool = False, seed: int = 0) -> pd.DataFrame:
    """Train Butterfly on mouse cortex cells, translate held-out ones both ways, and score them.

    Held-out cells are translated from an AnnData of the source alone. Progress goes to standard
    error, the tables to standard output.

    Parameters
    ----------
    out
        Folder to write to, made if needed: both translations as ``.h5ad``, ``scores.csv``,
        ``umap.png`` and ``training.png``. Files of these names are replaced, all or none.
    quick
        Whether to train for a few epochs only, to see that everything works.
    seed
        Seed of the split, the model and the figures.

    Returns
    -------
    Scores by direction and model.

    Raises
    ------
    ValueError
        If ``out`` cannot be written to.
    """
    started = time.perf_counter()
    with _quiet(), _folder(out) as folder:
        mdata, split = _data(seed)
        model = _trained(mdata, split, quick=quick, seed=seed)
        directions = [_translated(model, mdata, split, *pair) for pair in _DIRECTIONS]
        scores = _scores(directions, mdata, split, seed)
        _say("4/4", "drawing and writing")
        _write(folder, directions, scores)
        _draw(folder, directions, mdata, split, model, seed)
    _report(scores, Path(out), started)
    return scores


def _data(seed: int) -> tuple[MuData, Split]:
    import scvi_xmodal as xm

    mdata = xm.datasets.cortex_snareseq()
    for part in (mdata, *mdata.mod.values()):
        labels = part.obs[LABELS].astype("category")
        part.obs[LABELS] = labels.cat.remove_categories(UNASSIGNED)
    split = xm.pp.split(mdata, by="cell", n_folds=5, fold=0, seed=seed)
    mdata = xm.pp.select_features(
        mdata, n_top_genes=3000, min_peak_fraction=0.005, indices=split.train
    )
    _say(
        "1/4",
        f"{mdata.n_obs} mouse cortex cells, {mdata['rna'].n_vars} genes, {mdata['atac'].n_vars} "
        f"peaks: {split.train.size} to train, {split.validation.size} to validate, "
        f"{split.test.size} held out",
    )
    return mdata, split


def _trained(mdata: MuData, split: Split, *, quick: bool, seed: int) -> Butterfly:
    import scvi

    from scvi_xmodal.model import Butterfly

    _say("2/4", f"training {_MODEL}" + (" for a few epochs" if quick else ""))
    scvi.settings.seed = seed
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata)
    model.train(split=split, **(_QUICK if quick else _FULL))
    return model


def _translated(
    model: Butterfly, mdata: MuData, split: Split, source: Kind, target: Kind
) -> _Direction:
    from scvi_xmodal import baselines

    _say("3/4", f"translating held-out cells from {_NAMES[source]} alone, and scoring")
    query = mdata[source][split.test].copy()
    profiles: dict[str, Any] = {_MODEL: model.translate(query, source=source, target=target)}
    for baseline in (baselines.Ridge(), baselines.KNN(), baselines.DepthOnly(), baselines.Mean()):
        baseline.fit(mdata, indices=split.train)
        translated = baseline.translate(query, source=source, target=target)
        profiles[type(baseline).__name__] = translated
    scored = dict(profiles)
    if target == "atac":
        deep: Any = model.translate(query, source=source, target=target, depth="predicted")
        scored[_MODEL] = deep
        own = profiles[_MODEL]
        own.layers[_DEPTH_LAYER], own.obs[_DEPTH] = deep.X, deep.obs[_DEPTH]
    return _Direction(source, target, profiles, scored)


def _scores(directions: list[_Direction], mdata: MuData, split: Split, seed: int) -> pd.DataFrame:
    import pandas as pd

    from scvi_xmodal.metrics import evaluate_translation

    tables = {}
    for direction in directions:
        measured = mdata[direction.target]
        table = evaluate_translation(
            direction.scored,
            measured[split.test].copy(),
            reference=measured[split.train].copy(),
            labels_key=LABELS,
            clustering=direction.profiles,
            seed=seed,
        )
        tables[direction.name] = table.drop(index="mean", errors="ignore")
    return pd.concat(tables, names=["direction"])


def _write(folder: Path, directions: list[_Direction], scores: pd.DataFrame) -> None:
    for direction in directions:
        path = folder / f"{direction.target}_from_{direction.source}.h5ad"
        direction.profiles[_MODEL].write_h5ad(path, compression="gzip")
    scores.to_csv(folder / "scores.csv")


def _draw(
    folder: Path,
    directions: list[_Direction],
    mdata: MuData,
    split: Split,
    model: Butterfly,
    seed: int,
) -> None:
    from matplotlib.figure import Figure

    from scvi_xmodal import pl
    from scvi_xmodal.pl._umap import legend_handles

    palette = pl.label_colors(list(mdata.obs[LABELS].cat.categories))
    figure = Figure(figsize=(10.5, 8.4), layout="constrained")
    for row, direction in zip(figure.subplots(2, 2), directions, strict=True):
        pl.translation_umap(
            mdata[direction.target][split.test].copy(),
            direction.profiles[_MODEL],
            color=LABELS,
            axes=row,
            palette=palette,
            legend=False,
            seed=seed,
        )
    handles = legend_handles(palette, missing=bool(mdata.obs[LABELS].isna().any()))
    figure.legend(handles=handles, loc="outside right center", title="cell type", frameon=False)
    figure.savefig(folder / "umap.png", dpi=150)
    n_phases = sum(name.endswith("reconstruction_loss_train") for name in model.history)
    figure = Figure(figsize=(3.6 * n_phases, 3.0), layout="constrained")
    pl.history(model, axes=figure.subplots(1, n_phases))
    figure.savefig(folder / "training.png", dpi=150)


def _report(scores: pd.DataFrame, out: Path, started: float) -> None:
    """Print the tables, what they mean, where the files are, and what it cost."""
    for direction, table in scores.groupby(level="direction", sort=False):
        columns = _SHOWN["rna" if direction.endswith(_NAMES["rna"]) else "atac"]
        shown = table.droplevel("direction")[columns].rename_axis(None)
        print(f"\n{direction}, {int(table['n_cells'].iloc[0])} held-out cells")
        print(shown.to_string(float_format="%.3f", na_rep="-"))
    print(
        "\nari, ami, nmi: clusters of these profiles against the cell types; rmse: less is better"
    )
    print(textwrap.fill(_meaning(scores), 99) + "\n")
    for name in FILES:
        print(out / name)
    print(
        f"\nwall time {time.perf_counter() - started:.0f} s, "
        f"peak memory {_peak_memory() / 1e9:.2f} GB"
    )


def _meaning(scores: pd.DataFrame) -> str:
    """Say in a sentence how the model stands against the best baseline, feature by feature."""
    parts = []
    for direction, table in scores.groupby(level="direction", sort=False):
        column, score, feature = _LEADING["rna" if direction.endswith(_NAMES["rna"]) else "atac"]
        values = table.droplevel("direction")[column].dropna()
        rivals = values.drop(_MODEL)
        parts.append(
            f"{feature} by {feature} with a mean {score} of {values[_MODEL]:.3f} (best baseline: "
            f"{rivals.idxmax()}, {rivals.max():.3f})"
        )
    found = " and ".join(parts)
    return f"{_MODEL} tells held-out cells apart {found}; a constant guess scores 0 and .5."


def _peak_memory() -> int:
    """Return the largest resident set of this process in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _say(step: str, text: str) -> None:
    print(f"[{step}] {text}", file=sys.stderr, flush=True)


@contextmanager
def _folder(out: str | Path) -> Iterator[Path]:
    """Yield a folder beside the final one, whose files move there once all are written."""
    if Path(out).exists() and not Path(out).is_dir():
        raise ValueError(f"out={str(out)!r} is a file; name a folder.")
    from scvi_xmodal.model._files import written_aside

    with ExitStack() as stack:
        try:
            folder = stack.enter_context(written_aside(out, overwrite=True))
        except OSError as error:
            raise ValueError(
                f"out={str(out)!r} cannot be written to: {error.strerror}."
            ) from error
        yield folder


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep other packages' notices about themselves off the screen."""
    logger = logging.getLogger("lightning.fabric.utilities.seed")
    level = logger.level
    try:
        logger.setLevel(logging.WARNING)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", message="Changing the sparsity structure")
            yield
    finally:
        logger.setLevel(level)
