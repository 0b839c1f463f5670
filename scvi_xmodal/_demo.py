"""The demonstration: train on bundled real data, translate both ways, score and draw."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scvi_xmodal._aside import check_folder
from scvi_xmodal._demo_report import report

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
_NAMES = {"rna": "RNA", "atac": "ATAC"}
_QUICK: dict[str, Any] = {"pretrain_epochs": 3, "max_epochs": 6}
_FULL: dict[str, Any] = {}
_DIRECTIONS: tuple[tuple[Kind, Kind], ...] = (("atac", "rna"), ("rna", "atac"))
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
    with _quiet(), _folder(out) as folder, _one_thread():
        mdata, split = _data(seed)
        model = _trained(mdata, split, quick=quick, seed=seed)
        directions = [_translated(model, mdata, split, *pair) for pair in _DIRECTIONS]
        scores = _scores(directions, mdata, split, seed)
        _say("4/4", "drawing and writing")
        _write(folder, directions, scores)
        _draw(folder, directions, mdata, split, model, seed)
    report(scores, [Path(out) / name for name in FILES], model=_MODEL, started=started)
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


def _say(step: str, text: str) -> None:
    print(f"[{step}] {text}", file=sys.stderr, flush=True)


@contextmanager
def _folder(out: str | Path) -> Iterator[Path]:
    """Yield a folder beside the final one, whose files move there once all are written."""
    check_folder(out, "out")
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
def _one_thread() -> Iterator[None]:
    """Compute in one thread.

    One is enough for so small a network, and on a busy machine two, which wait for each other,
    took five to ten times as long.
    """
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    n_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)


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
