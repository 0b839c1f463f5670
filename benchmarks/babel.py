"""BABEL on real cells: both directions on mouse cortex, and proteins on human bone marrow."""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks import _babel_report
from benchmarks._machine import describe

if TYPE_CHECKING:
    from mudata import MuData

    from scvi_xmodal.data import Split
    from scvi_xmodal.model import Babel

RESULTS = Path(__file__).with_name("results")
BATCH_SIZES = (512, 128)
DIRECTIONS = (("atac", "rna"), ("rna", "atac"))
HEADS = ({"activation": "tanh", "loss": "mse"}, {"activation": "prelu", "loss": "l1"})
WAYS = {
    "ATAC -> RNA -> protein": ("atac", "rna"),
    "ATAC -> protein": ("atac", None),
    "RNA -> protein": ("rna", None),
}
MIN_CELLS = 3


def main(arguments: list[str] | None = None) -> None:
    """Train, score, and write ``babel.csv``, ``babel_proteins.csv``, ``babel.md`` and ``.png``."""
    parser = argparse.ArgumentParser("python -m benchmarks.babel", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=FutureWarning)
    options.out.mkdir(parents=True, exist_ok=True)
    cortex, curves = cortex_scores(options.seeds)
    heads, pseudobulk = protein_scores(options.seeds)
    cortex.to_csv(options.out / "babel.csv", index=False)
    heads.to_csv(options.out / "babel_proteins.csv", index=False)
    _babel_report.figure(cortex, curves, pseudobulk, options.out / "babel.png")
    text = _babel_report.markdown(cortex, heads, describe())
    (options.out / "babel.md").write_text(text)
    print(text)


def cortex_scores(seeds: list[int]) -> tuple[pd.DataFrame, dict[int, pd.DataFrame]]:
    """Score Babel and baselines on fold 0 of the bundled cortex set.

    Returns
    -------
    One row for each model, minibatch size, seed and direction; and for each minibatch size the
    first seed's losses by epoch.
    """
    import scvi_xmodal as xm

    mdata = xm.datasets.cortex_snareseq()
    split = xm.pp.split(mdata, by="cell", n_folds=5, fold=0, seed=0)
    mdata = xm.pp.select_features(
        mdata, n_top_genes=3000, min_peak_fraction=0.005, indices=split.train
    )
    rows, curves = [], {}
    for baseline in (xm.baselines.Mean(), xm.baselines.KNN(), xm.baselines.Ridge()):
        started = time.process_time()
        baseline.fit(mdata, indices=split.train)
        about = {"model": type(baseline).__name__, "cpu_seconds": time.process_time() - started}
        rows += _score_directions(baseline, mdata, split, about)
    for batch_size in BATCH_SIZES:
        for seed in seeds:
            model, about = trained(mdata, split, seed, batch_size)
            rows += _score_directions(model, mdata, split, about)
            names = ["joint_train_loss", "joint_validation_loss"]
            own = pd.concat([model.history[name] for name in names], axis=1)
            curves.setdefault(batch_size, own)
    return pd.DataFrame(rows), curves


def trained(
    mdata: MuData, split: Split, seed: int, batch_size: int
) -> tuple[Babel, dict[str, Any]]:
    """Train a model and say how."""
    import scvi

    from scvi_xmodal.model import Babel

    scvi.settings.seed = seed
    Babel.setup_mudata(mdata)
    model = Babel(mdata)
    started = time.process_time()
    model.train(split=split, batch_size=batch_size, enable_progress_bar=False)
    losses = model.history["joint_validation_loss"].iloc[:, 0]
    about = {
        "model": "Babel",
        "batch_size": batch_size,
        "seed": seed,
        "cpu_seconds": time.process_time() - started,
        "epochs": len(losses),
        "best_epoch": int(losses.idxmin()),
    }
    print(about, flush=True)
    return model, about


def _score_directions(
    model: Any, mdata: MuData, split: Split, about: dict[str, Any]
) -> list[dict[str, Any]]:
    import scvi_xmodal as xm

    rows = []
    for source, target in DIRECTIONS:
        own = model.translate(mdata[source][split.test].copy(), source=source, target=target)
        truth, reference = (mdata[target][part] for part in (split.test, split.train))
        scores = xm.metrics.evaluate_translation({"own": own}, truth, reference=reference)
        rows.append({**about, "source": source, "target": target, **scores.loc["own"]})
    return rows


def protein_scores(seeds: list[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train on BMMC Multiome, add a protein head on BMMC CITE-seq, and score both.

    Only genes that both sets share are used. Proteins of CITE-seq test cells are scored against
    the measured ones; no cell of the Multiome has measured proteins, so there the means of cell
    types that both sets name are compared, each protein's mean over types taken off. Only
    Multiome cells that were not trained on count: those held out, and those that chose the epoch.

    Returns
    -------
    One row for each head, seed and way; and the means of types and proteins, measured and
    inferred, for the paper's head and the first seed.
    """
    import scvi_xmodal as xm

    multiome, cite = shared_genes()
    splits = [xm.pp.split(m, by="cell", n_folds=5, fold=0, seed=0) for m in (multiome, cite)]
    unseen = np.concatenate([splits[0].validation, splits[0].test])
    rows = _protein_baselines(cite, splits[1])
    shown = None
    for seed in seeds:
        model, _ = trained(multiome, splits[0], seed, BATCH_SIZES[0])
        for head in HEADS:
            history = model.train_protein_head(cite, split=splits[1], **head)
            about = {"model": "Babel", "seed": seed, **head, "epochs": len(history)}
            own = model.translate(
                cite["rna"][splits[1].test].copy(), source="rna", target="protein"
            )
            rows.append(
                {**about, "way": "CITE-seq RNA -> protein", **_score(own, cite, splits[1])}
            )
            means = pseudobulk_means(model, multiome[unseen].copy(), cite)
            for way in WAYS:
                r = float(np.corrcoef(means["measured"], means[way])[0, 1])
                rows.append({**about, "way": way, "pearson_pseudobulk": r})
            shown = means if shown is None else shown
    return pd.DataFrame(rows), shown


def shared_genes() -> tuple[MuData, MuData]:
    """Return the bundled Multiome with the genes that the bundled CITE-seq has too, and that."""
    from mudata import MuData

    import scvi_xmodal as xm

    multiome, cite = xm.datasets.bmmc_multiome(), xm.datasets.bmmc_citeseq()
    genes = multiome["rna"].var_names.intersection(cite["rna"].var_names)
    parts = {"rna": multiome["rna"][:, genes].copy(), "atac": multiome["atac"].copy()}
    few = {"rna": cite["rna"][:, genes].copy(), "protein": cite["protein"].copy()}
    return MuData(parts), MuData(few)


def _protein_baselines(cite: MuData, split: Split) -> list[dict[str, Any]]:
    import scvi_xmodal as xm

    rows = []
    for baseline in (xm.baselines.Mean(), xm.baselines.KNN(), xm.baselines.Ridge()):
        baseline.fit(cite, indices=split.train)
        own = baseline.translate(cite["rna"][split.test].copy(), source="rna", target="protein")
        about = {"model": type(baseline).__name__, "way": "CITE-seq RNA -> protein"}
        rows.append({**about, **_score(own, cite, split)})
    return rows


def _score(own: Any, cite: MuData, split: Split) -> dict[str, float]:
    import scvi_xmodal as xm

    truth, reference = (cite["protein"][rows] for rows in (split.test, split.train))
    table = xm.metrics.evaluate_translation({"own": own}, truth, reference=reference)
    return dict(table.loc["own"])


def pseudobulk_means(model: Babel, multiome: MuData, cite: MuData) -> pd.DataFrame:
    """Return means of cell types and proteins, each protein's mean over types taken off.

    Columns: ``measured`` in CITE-seq, and each way of inferring them from the Multiome.
    """
    import scvi_xmodal as xm

    measured = pd.DataFrame(xm.pp.clr(cite["protein"].X), columns=cite["protein"].var_names)
    types = [m["rna"].obs["cell_type"].astype(str) for m in (cite, multiome)]
    counts = [t.value_counts() for t in types]
    shared = [t for t, n in counts[1].items() if min(n, counts[0].get(t, 0)) >= MIN_CELLS]
    columns = {"measured": _type_means(measured, types[0], shared)}
    for way, (source, via) in WAYS.items():
        own = model.translate(multiome[source], source=source, target="protein", via=via)
        columns[way] = _type_means(own.to_df(), types[1], shared)
    return pd.DataFrame(columns)


def _type_means(values: pd.DataFrame, types: pd.Series, shared: list[str]) -> pd.Series:
    means = values.groupby(types.to_numpy()).mean().loc[shared]
    return (means - means.mean()).stack()


if __name__ == "__main__":
    main()
