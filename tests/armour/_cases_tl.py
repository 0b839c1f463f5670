"""Mistakes at what is done with translations, and at pairing cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from _world import N_CELLS, Case, World, gap, with_names, with_obs, with_value
from anndata import AnnData

import scvi_xmodal as xm

tl, pairing = xm.tl, xm.pairing

LABELLED = "cell_type"


def _rna(function: Any, *args: Any, change: Any = None, **options: Any) -> Any:
    """Call a function on translated RNA, after a change."""

    def call(w: World) -> Any:
        translated = w.rna.copy() if change is None else change(w.rna)
        return function(w.given(translated), *args, **options)

    return call


def _atac(function: Any, *args: Any, change: Any = None, **options: Any) -> Any:
    def call(w: World) -> Any:
        translated = w.atac.copy() if change is None else change(w.atac)
        return function(w.given(translated), *args, **options)

    return call


def _with_nan(adata: AnnData) -> AnnData:
    changed = adata.copy()
    changed.X[0, 0] = np.nan
    return changed


def _one_label(adata: Any) -> Any:
    return with_obs(adata, LABELLED, ["B"] * adata.n_obs)


def _annotate(change: Any = None, key: Any = LABELLED, **options: Any) -> Any:
    def call(w: World) -> Any:
        reference = w.mdata["rna"].copy() if change is None else change(w.mdata["rna"])
        reference = w.given(reference) if hasattr(reference, "obs") else reference
        return tl.annotate(w.given(w.rna.copy()), reference, key, **options)

    return call


ANNOTATE = [
    Case("annotate", "no_column", _annotate(key="type"), "'type' is no column of reference.obs"),
    Case("annotate", "key_none", _annotate(key=None), "None|labels_key"),
    Case("annotate", "key_3", _annotate(key=3), "labels_key must be text.*got 3"),
    Case("annotate", "one_label", _annotate(_one_label), "has the label 'B' only"),
    Case(
        "annotate",
        "no_labels",
        _annotate(lambda a: with_obs(a, LABELLED, [None] * N_CELLS)),
        "No cell of reference has a label",
    ),
    Case("annotate", "margin", _annotate(margin=-1), "margin=-1 must be 0 or above"),
    Case("annotate", "margin_text", _annotate(margin="wide"), "margin must be a number"),
    Case("annotate", "seed", _annotate(seed=1.5), "seed must be a whole number"),
    Case("annotate", "standardize", _annotate(standardize="yes"), "standardize must be True or"),
    Case("annotate", "classifier", _annotate(classifier="svm"), "classifier"),
    Case("annotate", "kind", _annotate(kind="genes"), "kind='genes' is unknown"),
    Case("annotate", "layer", _annotate(layer="x"), "no layer 'x'"),
    Case("annotate", "logged", _annotate(lambda a: with_value(a, 0.5)), r"holds 0\.5"),
    Case(
        "annotate",
        "other_genes",
        _annotate(lambda a: with_names(a, [f"g{i}" for i in range(18)])),
        "share 0 features",
    ),
    Case("annotate", "matrix", _annotate(lambda a: a.X), "reference is a csr_matrix"),
    Case(
        "annotate",
        "few_cells",
        _rna(lambda p, **k: tl.annotate(p, p, LABELLED), change=lambda a: a[:9].copy()),
        ".",
    ),
    Case(
        "annotate",
        "prediction",
        lambda w: tl.annotate(w.mdata.obs, w.mdata, LABELLED),
        "prediction must be an AnnData",
    ),
    Case(
        "annotate",
        "nan",
        lambda w: tl.annotate(w.given(_with_nan(w.rna)), w.mdata["rna"], LABELLED),
        "holds nan",
    ),
    Case(
        "annotate",
        "not_a_translation",
        lambda w: tl.annotate(w.given(AnnData(w.rna.X, var=w.rna.var)), w.mdata["rna"], LABELLED),
        "give kind=",
    ),
]

MARKERS = [
    *(
        case
        for name, function, call in (
            ("marker_genes", tl.marker_genes, _rna),
            ("marker_peaks", tl.marker_peaks, _atac),
            ("differential_peaks", tl.differential_peaks, _atac),
        )
        for case in (
            Case(name, "no_column", call(function, "x"), "'x' is no column of prediction.obs"),
            Case(name, "none", call(function, None), "None|groupby"),
            Case(name, "list", call(function, ["a"]), "groupby must be text"),
            Case(
                name,
                "one_group",
                call(function, LABELLED, change=_one_label),
                "'B'.*two are needed|two",
            ),
            Case(name, "nan", call(function, LABELLED, change=_with_nan), "holds nan"),
            Case(
                name,
                "mudata",
                lambda w, f=function: f(w.mdata, LABELLED),
                "prediction must be an AnnData",
            ),
        )
    ),
    Case("marker_genes", "alpha", _rna(tl.marker_genes, LABELLED, alpha="low"), "alpha must be a"),
    Case("marker_genes", "alpha_2", _rna(tl.marker_genes, LABELLED, alpha=2), "alpha"),
    Case(
        "marker_genes",
        "n_genes",
        _rna(tl.marker_genes, LABELLED, n_genes=0),
        "number of markers is 0",
    ),
    Case("marker_genes", "atac", _atac(tl.marker_genes, LABELLED), "atac"),
    Case("marker_proteins", "rna", _rna(tl.marker_proteins, LABELLED), "rna"),
    Case(
        "marker_proteins",
        "n_proteins",
        _rna(tl.marker_proteins, LABELLED, n_proteins="5"),
        "n_proteins must be",
    ),
    Case("marker_peaks", "n_peaks", _atac(tl.marker_peaks, LABELLED, n_peaks=0), "n_peaks=0 and"),
    Case(
        "marker_peaks", "n_peaks_none", _atac(tl.marker_peaks, LABELLED, n_peaks=None), "n_peaks"
    ),
    Case("marker_peaks", "penalty", _atac(tl.marker_peaks, LABELLED, penalty=0), "penalty=0"),
    Case(
        "marker_peaks",
        "distance",
        _atac(tl.marker_peaks, LABELLED, max_distance=-1, genes=xm.datasets.gene_table("mm10")),
        "max_distance=-1",
    ),
    Case(
        "marker_peaks",
        "genes",
        _atac(tl.marker_peaks, LABELLED, genes=["Actb"]),
        r"genes must be a pandas\.DataFrame",
    ),
    Case("marker_peaks", "max_iter", _atac(tl.marker_peaks, LABELLED, max_iter=0), "max_iter"),
    Case(
        "differential_peaks",
        "method",
        _atac(tl.differential_peaks, LABELLED, method="logreg"),
        "method='logreg'",
    ),
    Case("differential_peaks", "alpha", _atac(tl.differential_peaks, LABELLED, alpha=-1), "alpha"),
    Case("differential_peaks", "rna", _rna(tl.differential_peaks, LABELLED), "rna|coordinates"),
    Case(
        "nearest_genes",
        "table",
        lambda w: tl.nearest_genes(w.atac, xm.datasets.gene_table("mm10")),
        r"var must be a pandas\.DataFrame",
    ),
    Case(
        "nearest_genes",
        "genes",
        lambda w: tl.nearest_genes(w.atac.var, w.mdata["rna"].var[[]]),
        "lacks the columns",
    ),
    Case(
        "nearest_genes",
        "no_genes",
        lambda w: tl.nearest_genes(w.atac.var, None),
        "genes is a NoneType",
    ),
    Case(
        "nearest_genes",
        "no_coordinates",
        lambda w: tl.nearest_genes(pd.DataFrame(index=["p"]), xm.datasets.gene_table("mm10")),
        "have no coordinates",
    ),
    Case(
        "write_bed",
        "list",
        lambda w: tl.write_bed([], w.folder),
        r"table must be a pandas\.DataFrame",
    ),
    Case(
        "write_bed",
        "columns",
        lambda w: tl.write_bed(pd.DataFrame({"a": [1]}), w.folder),
        "lacks the columns",
    ),
    Case(
        "write_bed",
        "folder",
        lambda w: tl.write_bed(pd.DataFrame({"a": [1]}), 3),
        "folder must be a path",
    ),
    Case(
        "subcluster_markers",
        "group",
        _rna(tl.subcluster_markers, LABELLED, "x"),
        "No cell has the label 'x'",
    ),
    Case(
        "subcluster_markers", "column", _rna(tl.subcluster_markers, "x", "B"), "'x' is no column"
    ),
    Case(
        "subcluster_markers",
        "resolution",
        _rna(tl.subcluster_markers, LABELLED, "type_0", resolution=-1),
        "resolution",
    ),
    Case(
        "subcluster_markers",
        "resolution_text",
        _rna(tl.subcluster_markers, LABELLED, "type_0", resolution="x"),
        "resolution must be a number",
    ),
    Case(
        "enrich",
        "list",
        lambda w: tl.enrich([], {"a": ["b"]}, background=["b"]),
        r"markers must be a pandas\.DataFrame",
    ),
    Case(
        "enrich",
        "no_file",
        lambda w: tl.enrich(
            pd.DataFrame({"group": ["a"], "gene": ["g"]}), "no.gmt", background=["g"]
        ),
        "is no file",
    ),
    Case(
        "enrich",
        "number",
        lambda w: tl.enrich(pd.DataFrame({"group": ["a"], "gene": ["g"]}), 3, background=["g"]),
        "gene_sets",
    ),
    Case(
        "enrich",
        "empty_file",
        lambda w: tl.enrich(
            pd.DataFrame({"group": ["a"], "gene": ["g"]}), w.file("empty.gmt"), background=["g"]
        ),
        "holds no gene set",
    ),
    Case(
        "enrich",
        "other_names",
        lambda w: tl.enrich(
            pd.DataFrame({"group": ["a"], "gene": ["g"]}), {"s": ["X", "Y"]}, background=["g"]
        ),
        "No gene set has 2 of the 1",
    ),
    Case(
        "enrich",
        "columns",
        lambda w: tl.enrich(pd.DataFrame({"a": [1]}), {"s": ["g", "h"]}, background=["g", "h"]),
        "column",
    ),
    Case(
        "enrich",
        "background",
        lambda w: tl.enrich(
            pd.DataFrame({"group": ["a"], "gene": ["g"]}), {"s": ["g"]}, background=3
        ),
        "background",
    ),
]

THRESHOLDS = [
    Case("binarize", "counts", lambda w: tl.binarize(w.mdata), "prediction must be an AnnData"),
    Case("binarize", "rna", _rna(tl.binarize), "ranges from .* give a translation to ATAC"),
    Case("binarize", "nan", _atac(tl.binarize, change=_with_nan), "holds nan"),
    Case(
        "binarize", "empty", _atac(tl.binarize, change=lambda a: a[:0].copy()), "nothing to score"
    ),
    Case("binarize", "measured", _atac(tl.binarize, measured=3), "measured must be"),
    Case(
        "binarize",
        "layer",
        lambda w: tl.binarize(w.atac, measured=w.mdata["atac"], layer="x"),
        "no layer 'x'",
    ),
    Case("sparsify", "negative", _atac(tl.sparsify, threshold=-1), "threshold=-1 must be 0 or"),
    Case("sparsify", "text", _atac(tl.sparsify, threshold="low"), "threshold must be a number"),
    Case("sparsify", "nan", _atac(tl.sparsify, threshold=np.nan), "threshold must be.*nan"),
]


def _joint(**options: Any) -> Any:
    return lambda w: tl.joint_latent(w.model, **options)


def _integrate(translated: Any = None, **options: Any) -> Any:
    def call(w: World) -> Any:
        given = w.rna.copy() if translated is None else translated(w)
        return tl.integrate(w.copy("atac"), w.given(given), **options)

    return call


def _concordance(change: Any = None, **options: Any) -> Any:
    def call(w: World) -> Any:
        reference = w.mdata["rna"].copy() if change is None else change(w.mdata["rna"])
        return tl.pseudobulk_concordance(w.rna, reference, **options)

    return call


JOINT = [
    Case("joint_latent", "model", lambda w: tl.joint_latent("m"), "model must be a model of"),
    Case("joint_latent", "combine", _joint(combine="sum"), "combine='sum' is unknown"),
    Case("joint_latent", "modality", _joint(modalities=["gex"]), "'gex' is unknown"),
    Case("joint_latent", "none", _joint(modalities=[]), "names none"),
    Case("joint_latent", "number", _joint(modalities=3), "modalities"),
    Case("joint_latent", "indices", _joint(indices=[99]), "60 cells"),
    Case(
        "joint_latent",
        "one_modality",
        lambda w: tl.joint_latent(w.model, w.given(w.part("rna"))),
        "no atac modality",
    ),
    Case(
        "enhance", "through", lambda w: tl.enhance(w.model, through="all"), "through='all' is unk"
    ),
    Case("enhance", "data", lambda w: tl.enhance(w.model, 3), "an AnnData or a MuData, got int"),
    Case(
        "enhance", "depth", lambda w: tl.enhance(w.model, depth="deep"), "depth='deep' is unknown"
    ),
    Case("integrate", "cells", _integrate(lambda w: w.rna[:30].copy()), "must be the same cells"),
    Case("integrate", "kind", _integrate(kind="gex"), "kind|gex"),
    Case(
        "integrate",
        "same_kind",
        _integrate(lambda w: w.atac.copy(), kind="atac"),
        "both atac: nothing",
    ),
    Case("integrate", "run", _integrate(run="totalvi"), "run='totalvi' does not fit"),
    Case("integrate", "layer", _integrate(layer="x"), "no layer 'x'"),
    Case("integrate", "untranslated", _integrate(lambda w: w.mdata["rna"].copy()), "give kind="),
    Case("integrate", "train_kwargs", _integrate(train_kwargs=3), "train_kwargs must be a dict"),
    Case("pseudobulk_concordance", "groupby", _concordance(groupby="x"), "'x' is no column"),
    Case("pseudobulk_concordance", "groupby_list", _concordance(groupby=["x"]), "groupby must be"),
    Case(
        "pseudobulk_concordance",
        "genes",
        _concordance(lambda a: with_names(a, [f"g{i}" for i in range(18)])),
        "share 0 features",
    ),
    Case("pseudobulk_concordance", "logged", _concordance(lambda a: with_value(a, 0.5)), r"0\.5"),
    Case(
        "pseudobulk_concordance",
        "groups",
        _concordance(lambda a: with_obs(a, LABELLED, ["x"] * N_CELLS), groupby=LABELLED),
        "share no group",
    ),
    Case(
        "pseudobulk_concordance", "empty", _concordance(lambda a: a[:0].copy()), "no cells|shape"
    ),
    Case(
        "to_openproblems",
        "dataset",
        lambda w: tl.to_openproblems(w.rna, dataset_id=3),
        "dataset_id must be text",
    ),
    Case(
        "to_openproblems",
        "method",
        lambda w: tl.to_openproblems(w.mdata["rna"], dataset_id="x"),
        "give method_id=",
    ),
    Case(
        "to_openproblems",
        "mudata",
        lambda w: tl.to_openproblems(w.mdata, dataset_id="x"),
        "translated must be an AnnData",
    ),
]


def _chain(path: Any = ("atac", "rna", "protein"), models: Any = None, **options: Any) -> Any:
    def call(w: World) -> Any:
        steps = [w.model, w.protein_model] if models is None else models(w)
        return tl.translate_chain(steps, w.copy("atac"), path, **options)

    return call


CHAIN = [
    Case(
        "translate_chain",
        "few_shared",
        _chain(),
        "6 of the 18 'rna' genes.*fewer than min_shared=50%",
    ),
    Case(
        "translate_chain", "min_shared", _chain(min_shared="half"), "min_shared must be a number"
    ),
    Case("translate_chain", "short_path", _chain(path=["atac", "rna"]), "needs 1 models, got 2"),
    Case(
        "translate_chain", "one_model", _chain(models=lambda w: [w.model]), "needs 2 models, got 1"
    ),
    Case("translate_chain", "no_models", _chain(models=lambda w: []), "got 0"),
    Case("translate_chain", "strangers", _chain(models=lambda w: ["a", "b"]), "model"),
    Case(
        "translate_chain",
        "modality",
        _chain(path=["gex", "rna", "protein"]),
        "source='gex' is unknown",
    ),
    Case(
        "translate_chain",
        "middle",
        _chain(path=["rna", "atac", "rna"], models=lambda w: [w.model, w.model]),
        "stands in the middle.*no RNA",
    ),
    Case(
        "translate_chain",
        "batches",
        _chain(transform_batch=["a"], min_shared=0.1),
        "has 1 entries for 2",
    ),
    Case(
        "translate_chain",
        "batch_text",
        _chain(transform_batch="a", min_shared=0.1),
        "transform_batch must be a list",
    ),
    Case("translate_chain", "out", _chain(out="x.csv", min_shared=0.1), r"must end in \.h5ad"),
    Case(
        "translate_chain",
        "repool_rna",
        _chain(
            ["rna", "atac"],
            lambda w: [w.model],
            repool=True,
        ),
        "maps peaks onto peaks|holds 'atac' features",
    ),
    Case("translate_chain", "repool", _chain(repool="yes"), "repool must be True or False"),
    Case("translate_chain", "indices", _chain(indices=[99], min_shared=0.1), "60 cells"),
    Case("translate_chain", "option", _chain(depth="deep", min_shared=0.1), "depth='deep'"),
    Case(
        "translate_chain",
        "query",
        lambda w: tl.translate_chain([w.model], 3, ["atac", "rna"]),
        "an AnnData or a MuData",
    ),
    Case(
        "translate_dask",
        "out",
        lambda w: tl.translate_dask("m", "s.zarr", "x.h5ad", source="rna", target="atac"),
        r"must end in \.zarr",
    ),
    Case(
        "translate_dask",
        "rows",
        lambda w: tl.translate_dask(
            "m", "s", "x.zarr", source="rna", target="atac", rows_per_task="9"
        ),
        "rows_per_task must be",
    ),
    Case(
        "translate_dask",
        "rows_0",
        lambda w: tl.translate_dask(
            "m", "s", "x.zarr", source="rna", target="atac", rows_per_task=0
        ),
        "rows_per_task",
    ),
    Case(
        "translate_dask",
        "no_store",
        lambda w: tl.translate_dask(w.saved, "s.zarr", "x.zarr", source="rna", target="atac"),
        "does not exist",
    ),
    Case(
        "translate_dask",
        "no_model",
        lambda w: tl.translate_dask("nowhere", "s.zarr", "x.zarr", source="rna", target="atac"),
        "holds no model",
    ),
]


def _label(
    change: Any = None, key: Any = LABELLED, indices: Any = range(40), **options: Any
) -> Any:
    def call(w: World) -> Any:
        mdata = w.part("rna", "atac") if change is None else change(w)
        return pairing.by_label(w.given(mdata), key, indices, **options)

    return call


def _transport(change: Any = None, **options: Any) -> Any:
    given = {"condition_key": "condition", "control": "ctrl", "perturbed": "stim", **options}

    def call(w: World) -> Any:
        rna = w.mdata["rna"].copy() if change is None else change(w.mdata["rna"])
        return pairing.by_optimal_transport(w.given(rna), **{"n_pcs": 3, **given})

    return call


def _unpaired(change: Any = None, **options: Any) -> Any:
    def call(w: World) -> Any:
        rna, atac = w.mdata["rna"][:30].copy(), w.mdata["atac"][30:].copy()
        rna = rna if change is None else change(rna)
        return pairing.unpaired(w.given(rna), w.given(atac), **{"labels_key": LABELLED, **options})

    return call


def _cluster(change: Any = None, **options: Any) -> Any:
    def call(w: World) -> Any:
        mdata = w.part("rna", "atac") if change is None else change(w)
        return pairing.by_cluster(
            w.given(mdata), **{"indices": range(40), "embedding": "quick", **options}
        )

    return call


PAIRING = [
    Case("by_label", "column", _label(key="x"), r"no obs\['x'\]"),
    Case("by_label", "key_none", _label(key=None), "None|key"),
    Case(
        "by_label",
        "missing",
        _label(lambda w: with_obs(w.part("rna", "atac"), LABELLED, gap(w.mdata.obs[LABELLED]))),
        "1 of 40 training cells have no label",
    ),
    Case("by_label", "indices", _label(indices=[99]), "60 cells"),
    Case("by_label", "none", _label(indices=[]), "no cells"),
    Case("by_label", "split", _label(indices=xm.data.Split([1])), r"indices=split\.train"),
    Case("by_label", "rounds", _label(n_rounds=-1), "n_rounds=-1"),
    Case("by_label", "rounds_half", _label(n_rounds=1.5), r"n_rounds must be.*1\.5"),
    Case("by_label", "redraw", _label(redraw="yes"), "redraw must be True or False"),
    Case("by_label", "seed", _label(seed=None), "seed must be a whole number"),
    Case("by_label", "modalities", _label(modalities={"rna": "gex"}), "names 'gex'"),
    Case("by_label", "modalities_3", _label(modalities=3), "modalities"),
    Case("by_label", "one", _label(lambda w: w.part("rna")), "Two modalities"),
    Case(
        "by_label",
        "anndata",
        lambda w: pairing.by_label(w.copy("rna"), LABELLED, [0]),
        "mdata must be a MuData",
    ),
    Case(
        "by_label",
        "unmeasured",
        _label(lambda w: w.part("rna", atac=w.mdata["atac"][5:].copy())),
        "not measured in 'atac'",
    ),
    Case("by_cluster", "few", _cluster(indices=range(2)), "2 training cells cannot be"),
    Case("by_cluster", "embedding", _cluster(embedding="umap"), "embedding='umap'; known are"),
    Case(
        "by_cluster",
        "embedding_shape",
        _cluster(embedding=np.ones((3, 2))),
        r"each of the 60.*got shape \(3, 2\)",
    ),
    Case("by_cluster", "embedding_nan", _cluster(embedding=np.full((60, 2), np.nan)), "finite"),
    Case("by_cluster", "totalvi", _cluster(embedding="totalvi"), "take embedding='quick'"),
    Case(
        "by_cluster",
        "train_kwargs",
        _cluster(train_kwargs={"max_epochs": 1}),
        "say nothing to embedding='quick'",
    ),
    Case("by_cluster", "resolution", _cluster(resolution="high"), "resolution must be a number"),
    Case("by_cluster", "resolution_negative", _cluster(resolution=-1), "resolution"),
    Case("by_cluster", "rounds", _cluster(n_rounds=-1), "n_rounds=-1"),
    Case("by_cluster", "layers", _cluster(layers={"rna": "x"}), "'x'"),
    Case(
        "by_cluster",
        "logged",
        _cluster(lambda w: w.part("atac", rna=with_value(w.mdata["rna"], 0.5))),
        r"0\.5",
    ),
    Case("unpaired", "column", _unpaired(labels_key="x"), r"no obs\['x'\]"),
    Case(
        "unpaired",
        "no_shared_label",
        _unpaired(lambda a: with_obs(a, LABELLED, ["x"] * 30)),
        "share no label.*Rename labels",
    ),
    Case(
        "unpaired",
        "missing",
        _unpaired(lambda a: with_obs(a, LABELLED, gap(a.obs[LABELLED]))),
        "1 of 30 training cells have no label",
    ),
    Case("unpaired", "n_pairs", _unpaired(n_pairs=0), "n_pairs=0; it must be at least 1"),
    Case("unpaired", "n_pairs_half", _unpaired(n_pairs=1.5), "n_pairs must be a whole"),
    Case("unpaired", "indices", _unpaired(indices=[0, 1, 2]), "a pair"),
    Case("unpaired", "indices_beyond", _unpaired(indices=([99], [0])), "30 cells"),
    Case("unpaired", "modalities", _unpaired(modalities=["rna"]), "two names in modalities"),
    Case(
        "unpaired", "one_anndata", lambda w: pairing.unpaired(w.copy("rna")), "A MuData is needed"
    ),
    Case(
        "unpaired",
        "matrices",
        lambda w: pairing.unpaired(w.mdata["rna"].X, w.mdata["atac"].X),
        "AnnData",
    ),
    Case("by_optimal_transport", "key", _transport(condition_key="x"), "'x' is no column of obs"),
    Case("by_optimal_transport", "same", _transport(perturbed="ctrl"), "both 'ctrl'"),
    Case("by_optimal_transport", "absent", _transport(perturbed="ko"), "'ko' occurs nowhere"),
    Case("by_optimal_transport", "label", _transport(labels_key="x"), r"no obs\['x'\]"),
    Case(
        "by_optimal_transport", "no_shared", _transport(labels_key="condition"), "share no label"
    ),
    Case(
        "by_optimal_transport",
        "missing",
        _transport(lambda a: with_obs(a, "t", gap(a.obs[LABELLED])), labels_key="t"),
        "have no label",
    ),
    Case("by_optimal_transport", "n_pcs", _transport(n_pcs=0), "n_pcs=0; it must be at least 1"),
    Case("by_optimal_transport", "n_pcs_text", _transport(n_pcs="3"), "n_pcs must be a whole"),
    Case("by_optimal_transport", "cells", _transport(max_cells=0), "max_cells=0"),
    Case(
        "by_optimal_transport",
        "assignment",
        _transport(assignment="greedy"),
        "assignment='greedy'",
    ),
    Case(
        "by_optimal_transport",
        "indices",
        _transport(indices=range(0, 60, 2)),
        "None of the 30 training cells.*'stim'",
    ),
    Case("by_optimal_transport", "logged", _transport(lambda a: with_value(a, 0.5)), r"0\.5"),
    Case("by_optimal_transport", "layer", _transport(layer="x"), r"layers\['x'\] does not"),
    Case(
        "sampling_proportions",
        "totals",
        lambda w: pairing.sampling_proportions([[1, 2], [3, 4]], [10]),
        "totals|shape",
    ),
    Case(
        "sampling_proportions",
        "zero",
        lambda w: pairing.sampling_proportions([[0, 0], [0, 0]], [10, 10]),
        ".",
    ),
]

CASES = [*ANNOTATE, *MARKERS, *THRESHOLDS, *JOINT, *CHAIN, *PAIRING]
