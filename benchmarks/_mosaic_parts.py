"""The three experiments of ``python -m benchmarks.mosaic``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from mudata import MuData

import scvi_xmodal as xm
from scvi_xmodal.data import Split
from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anndata import AnnData

    from scvi_xmodal.model import Butterfly

MIN_CELLS = 5
"""Fewest cells of a type, in each experiment, for its mean to be compared."""
PAIRED = (32, 320)
"""Numbers of paired training cells of the second experiment."""
SIZES = {"n_cells": 700, "n_genes": 150, "n_peaks": 400, "n_proteins": 20}


def simulated(seed: int, *, max_epochs: int, **_: Any) -> list[dict[str, Any]]:
    """Score every path and combination of sources after training on all, and on a mosaic."""
    mdata = xm.datasets.synthetic(
        **SIZES, atac_density=0.08, rna_depth=1200, n_cell_types=6, seed=seed
    )
    n_train = 500
    half = n_train // 2
    split = Split(np.r_[:200, half : half + 200], np.r_[200:half, half + 200 : n_train])
    whole = dict.fromkeys(mdata.mod, slice(n_train))
    gaps = {"rna": slice(n_train), "atac": slice(half), "protein": slice(half, n_train)}
    query = _part(mdata, dict.fromkeys(mdata.mod, slice(n_train, None)))
    rows = []
    for training, chosen in (("all measured", whole), ("mosaic", gaps)):
        model, about = _trained(_part(mdata, chosen), split, seed, max_epochs)
        about["training"] = training
        for target in mdata.mod:
            others = tuple(key for key in mdata.mod if key != target)
            for source in (*others, others):
                out = model.translate(query, source=source, target=target)
                way = f"{'+'.join([source] if isinstance(source, str) else source)} -> {target}"
                rows.append({**about, "way": way, "score": _score(out, query[target])})
        chain = xm.tl.translate_chain([model, model], query["atac"], ["atac", "rna", "protein"])
        score = _score(chain, query["protein"])
        rows.append({**about, "way": "atac -> rna -> protein", "score": score})
        rows += _weighing(model, query, about)
    return rows


def _weighing(model: Butterfly, query: MuData, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Score both ways to join two latents, where one is of a tenth of the counts."""
    shallow = query.copy()
    counts = shallow["atac"].X
    counts.data = np.random.default_rng(0).binomial(counts.data.astype(int), 0.1).astype("f4")
    counts.eliminate_zeros()
    sources = ("rna", "atac")
    seen = [
        model.get_latent_representation(shallow, modality=key, return_dist=True) for key in sources
    ]
    total = sum(1 / variance for _, variance in seen)
    z = torch.from_numpy(sum(mean / variance for mean, variance in seen) / total)
    out = model.translate(shallow, source=sources, target="protein")
    product = out.copy()
    product.X = model.module.translate(None, sources, "protein", z=z)["X"].numpy()
    truth = query["protein"]
    name = "rna + a tenth of atac -> protein"
    return [
        {**about, "way": name, "score": _score(out, truth)},
        {**about, "way": f"{name}, by precision", "score": _score(product, truth)},
    ]


def wnn(
    seed: int, *, max_epochs: int, data_dir: Path | None, paired: tuple[int, ...] = PAIRED
) -> list[dict[str, Any]]:
    """Score few and many paired cells, with and without cells that lack a modality."""
    import mudata

    if data_dir is None:
        raise SystemExit("Say where the data lie: --data-dir FOLDER, or SCVI_XMODAL_DATA.")
    with own_columns_only():
        mdata = mudata.read_h5mu(data_dir / "citeseq_pbmc_wnn_mosaic.h5mu")
    has = {key: mdata.obs_names.isin(mdata[key].obs_names) for key in mdata.mod}
    rng = np.random.default_rng((0, seed))
    both = rng.permutation(np.flatnonzero(has["rna"] & has["protein"]))
    lacking = rng.permutation(np.flatnonzero(has["rna"] != has["protein"]))
    test, validation, pool = both[:160], both[160:240], both[240:]
    query = mdata[np.sort(test)].copy()
    rows = []
    for n_paired in paired:
        few = np.concatenate([pool[:n_paired], validation])
        for training, cells in (
            ("paired cells", few),
            ("and cells that lack one", np.concatenate([few, lacking])),
        ):
            own = mdata[np.sort(cells)].copy()
            held = np.flatnonzero(np.isin(np.sort(cells), validation))
            split = Split(np.setdiff1d(np.arange(cells.size), held), held)
            model, about = _trained(own, split, seed, max_epochs)
            about |= {"training": training, "n_paired": n_paired}
            for source, target in (("rna", "protein"), ("protein", "rna")):
                out = model.translate(query[source], source=source, target=target)
                score = _score(out, query[target])
                rows.append({**about, "way": f"{source} -> {target}", "score": score})
        rows += _ridge(mdata, pool[:n_paired], query, {"n_paired": n_paired})
    return rows


def bmmc(seed: int, *, max_epochs: int, **_: Any) -> list[dict[str, Any]]:
    """Compare proteins of Multiome cells, by several ways, with those of CITE-seq cells."""
    from benchmarks.babel import shared_genes

    multiome, cite = shared_genes()
    splits = [xm.pp.split(m, by="cell", n_folds=5, fold=0, seed=0) for m in (multiome, cite)]
    joined = joined_experiments(multiome, cite)
    names = [m.obs_names for m in (multiome, cite)]
    parts = [
        np.flatnonzero(
            joined.obs_names.isin(
                np.concatenate([n[getattr(s, part)] for n, s in zip(names, splits, strict=True)])
            )
        )
        for part in ("train", "validation", "test")
    ]
    model, about = _trained(joined, Split(*parts), seed, max_epochs)
    unseen = np.concatenate([splits[0].validation, splits[0].test])
    cells = {key: multiome[key][unseen].copy() for key in multiome.mod}
    path = ["atac", "rna", "protein"]
    query = MuData(cells)
    ways = {
        "atac -> protein": model.translate(cells["atac"], source="atac", target="protein"),
        "rna -> protein": model.translate(cells["rna"], source="rna", target="protein"),
        "rna+atac -> protein": model.translate(query, source=("rna", "atac"), target="protein"),
        "atac -> rna -> protein": xm.tl.translate_chain([model, model], cells["atac"], path),
    }
    rows = [{**about, "training": "mosaic", "way": way, **_types(out, cells, cite)}
            for way, out in ways.items()]  # fmt: skip
    two = [_trained(m, s, seed, max_epochs) for m, s in ((multiome, splits[0]), (cite, splits[1]))]
    chain = xm.tl.translate_chain([m for m, _ in two], cells["atac"], path)
    about = {"cpu_seconds": sum(own["cpu_seconds"] for _, own in two)}
    own = {"training": "two models", "way": "atac -> rna -> protein", **about}
    rows.append({**own, **_types(chain, cells, cite)})
    test = cite["rna"][splits[1].test].copy()
    for training, one in (("mosaic", model), ("two models", two[1][0])):
        out = one.translate(test, source="rna", target="protein")
        score = _score(out, cite["protein"][splits[1].test])
        rows.append({"training": training, "way": "CITE-seq rna -> protein", "score": score})
    return rows


def joined_experiments(multiome: MuData, cite: MuData) -> MuData:
    """Return both experiments as one mosaic over the genes that they share."""
    import anndata

    rna = anndata.concat([multiome["rna"], cite["rna"]], join="inner")
    parts = {"rna": rna, "atac": multiome["atac"].copy(), "protein": cite["protein"].copy()}
    with own_columns_only():
        return MuData(parts)


def _part(mdata: MuData, rows: Mapping[str, slice]) -> MuData:
    with own_columns_only():
        return MuData({key: mdata[key][own].copy() for key, own in rows.items()})


def _trained(
    mdata: MuData, split: Split, seed: int, max_epochs: int
) -> tuple[Butterfly, dict[str, Any]]:
    """Train a model and say what it took."""
    import warnings

    import scvi

    scvi.settings.seed = seed
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no counts at all")
        xm.model.Butterfly.setup_mudata(mdata, pairing="mosaic")
    model = xm.model.Butterfly(mdata)
    started = time.process_time()
    model.train(max_epochs, split=split, enable_progress_bar=False, accelerator="cpu")
    n_epochs = len(model.history["integrative_train_loss"])
    return model, {"cpu_seconds": time.process_time() - started, "epochs": n_epochs}


def _ridge(
    mdata: MuData, train: np.ndarray, query: MuData, about: dict[str, Any]
) -> list[dict[str, Any]]:
    own = mdata[np.sort(train)].copy()
    rows = []
    ridge = xm.baselines.Ridge().fit(own)
    for source, target in (("rna", "protein"), ("protein", "rna")):
        out = ridge.translate(query[source], source=source, target=target)
        score = _score(out, query[target])
        way = f"{source} -> {target}"
        rows.append({**about, "training": "Ridge, paired cells", "way": way, "score": score})
    return rows


def _score(out: AnnData, truth: AnnData) -> float:
    """Return the mean score per feature: Pearson, or AUROC of peaks."""
    table = xm.metrics.evaluate_translation({"own": out}, truth.copy())
    kind = out.uns["scvi_xmodal"]["target_kind"]
    column = {"rna": "pearson_gene", "protein": "pearson_protein", "atac": "auroc_peak"}[kind]
    return float(table.loc["own", column])


def _types(out: AnnData, cells: Mapping[str, AnnData], cite: MuData) -> dict[str, Any]:
    """Correlate means of cell types and proteins with the measured ones of other cells."""
    values = pd.DataFrame(xm.pp.clr(cite["protein"].X), columns=cite["protein"].var_names)
    types = [part.obs["cell_type"].astype(str) for part in (cite["rna"], cells["rna"])]
    counts = [own.value_counts() for own in types]
    shared = sorted(t for t, n in counts[1].items() if min(n, counts[0].get(t, 0)) >= MIN_CELLS)
    pairs = [(values, types[0]), (out.to_df()[values.columns], types[1])]
    means = [v.groupby(t.to_numpy()).mean().loc[shared] for v, t in pairs]
    centred = [(m - m.mean()).to_numpy().ravel() for m in means]
    return {"score": float(np.corrcoef(*centred)[0, 1]), "n_types": len(shared)}
