"""Mistakes at scores, figures, baselines and data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from _world import N_CELLS, Case, World, with_names, with_obs, with_value
from anndata import AnnData

import scvi_xmodal as xm

metrics, pl, baselines, datasets = xm.metrics, xm.pl, xm.baselines, xm.datasets

ONES, NANS = np.ones((4, 3)), np.full((4, 3), np.nan)
PAIRED = [
    "auroc_flat",
    "auroc_per_cell",
    "auroc_per_feature",
    "average_precision_flat",
    "average_precision_per_cell",
    "average_precision_per_feature",
    "pearson_flat",
    "pearson_per_cell",
    "pearson_per_feature",
    "ranking_flat",
    "ranking_per_cell",
    "ranking_per_feature",
    "rmse_flat",
    "rmse_per_feature",
    "spearman_flat",
    "spearman_per_cell",
    "spearman_per_feature",
    "calibration",
]
WRONG: dict[str, tuple[Any, Any, str]] = {
    "shapes": (ONES, ONES[:3], r"truth has shape \(4, 3\) and prediction \(3, 3\)"),
    "nan": (ONES, NANS, "holds nan: scores need finite values"),
    "truth_nan": (NANS, ONES, "holds nan"),
    "text": (ONES, ONES.astype(str), "numbers are needed"),
    "vector": (ONES[0], ONES[0], r"must be of shape \(n_cells, n_features\)"),
    "none": (None, ONES, "shape|dtype"),
    "anndata": (AnnData(ONES), ONES, "must be a matrix, not an AnnData"),
}


def _scored(name: str, truth: Any, prediction: Any, **options: Any) -> Any:
    return lambda w: getattr(metrics, name)(truth, prediction, **options)


ARRAYS = [
    *(
        Case(name, wrong, _scored(name, truth, prediction), message)
        for name in PAIRED
        for wrong, (truth, prediction, message) in WRONG.items()
    ),
    *(
        Case(
            name,
            f"max_entries_{value!r}",
            _scored(name, ONES, ONES, max_entries=value),
            "max_entries",
        )
        for name in ("auroc_flat", "average_precision_flat", "ranking_flat", "spearman_flat")
        for value in (0, -1, "many", 1.5)
    ),
    Case(
        "calibration", "bins", _scored("calibration", ONES, ONES, n_bins=0), "n_bins=0: at least"
    ),
    Case(
        "calibration", "bins_text", _scored("calibration", ONES, ONES, n_bins="9"), "n_bins must"
    ),
    Case("calibration", "range", _scored("calibration", ONES, ONES * 2), "between 0 and 1"),
    Case(
        "cluster_agreement",
        "lengths",
        lambda w: metrics.cluster_agreement(["a"], ["a", "b"]),
        "1 labels were given for 2",
    ),
    Case("leiden_clusters", "nan", lambda w: metrics.leiden_clusters(NANS), "holds nan"),
    Case(
        "leiden_clusters", "vector", lambda w: metrics.leiden_clusters(ONES[0]), "must be of shape"
    ),
    Case(
        "leiden_clusters",
        "names",
        lambda w: metrics.leiden_clusters(ONES, names=["a"]),
        r"names must be of shape \(4,\)",
    ),
    Case(
        "leiden_clusters",
        "resolution",
        lambda w: metrics.leiden_clusters(ONES, resolution=-1),
        "resolution must be",
    ),
    Case(
        "leiden_clusters",
        "components",
        lambda w: metrics.leiden_clusters(ONES, n_components="5"),
        "n_components must",
    ),
    Case(
        "leiden_clusters",
        "neighbors",
        lambda w: metrics.leiden_clusters(ONES, n_neighbors=1.5),
        "n_neighbors must",
    ),
    Case(
        "leiden_clusters",
        "neighbors_0",
        lambda w: metrics.leiden_clusters(np.eye(9), n_neighbors=0),
        "n_neighbors",
    ),
    Case(
        "leiden_clusters", "seed", lambda w: metrics.leiden_clusters(ONES, seed=-1), "seed must be"
    ),
    Case(
        "principal_components",
        "vector",
        lambda w: metrics.principal_components(ONES[0]),
        "must be of shape",
    ),
    Case("principal_components", "nan", lambda w: metrics.principal_components(NANS), "nan"),
    Case(
        "principal_components",
        "components",
        lambda w: metrics.principal_components(np.eye(5), n_components=0),
        "n_components",
    ),
    Case(
        "evaluate_annotation",
        "lengths",
        lambda w: metrics.evaluate_annotation(["a"], ["a", "b"]),
        "1 true labels were given for 2",
    ),
    Case(
        "evaluate_annotation",
        "none",
        lambda w: metrics.evaluate_annotation([None], ["a"]),
        "Not one cell has a true label",
    ),
    Case(
        "evaluate_annotation",
        "names",
        lambda w: metrics.evaluate_annotation(pd.Series(["a"], ["x"]), pd.Series(["a"], ["y"])),
        "cannot be matched by name",
    ),
    Case(
        "evaluate_annotation",
        "unsure",
        lambda w: metrics.evaluate_annotation(["a"], ["a"], unsure=3),
        "unsure must be text",
    ),
]


def _evaluate(
    change: Any = None, truth: Any = None, function: str = "evaluate_translation", **options: Any
) -> Any:
    """Score translated RNA after a change of it or of the truth."""

    def call(w: World) -> Any:
        prediction = w.rna.copy() if change is None else change(w)
        measured = w.mdata["rna"].copy() if truth is None else truth(w)
        measured = w.given(measured) if hasattr(measured, "obs") else measured
        prediction = w.given(prediction) if hasattr(prediction, "obs") else prediction
        return getattr(metrics, function)(prediction, measured, **options)

    return call


def _both(name: str, message: str, *args: Any, **options: Any) -> list[Case]:
    return [
        Case(function, name, _evaluate(*args, function=function, **options), message)
        for function in ("evaluate_translation", "evaluate_features")
    ]


TABLES = [
    *_both("empty_dict", "is an empty dict", lambda w: {}),
    *_both("matrix", "is a ndarray: an AnnData is needed", lambda w: w.rna.X),
    *_both("mudata", "is a MuData: an AnnData is needed", lambda w: w.mdata),
    *_both(
        "nan",
        "holds nan",
        lambda w: AnnData(np.full((60, 18), np.nan), w.rna.obs, w.rna.var, dict(w.rna.uns)),
    ),
    *_both("no_cells", "nothing to score", lambda w: w.rna[:0].copy()),
    *_both("unknown_kind", "kind='gex' is unknown", kind="gex"),
    *_both("wrong_kind", "of one kind", kind="atac"),
    *_both("no_kind", "give kind=", lambda w: AnnData(w.rna.X, w.rna.obs, w.rna.var)),
    *_both("repeated_cells", "appears more than once", lambda w: w.rna[[0, 0]].copy()),
    *_both("two_kinds", "of one kind", lambda w: {"a": w.rna, "b": w.atac}),
    *_both("other_sizes", "the same cells", lambda w: {"a": w.rna, "b": w.rna[:9].copy()}),
    *_both("truth_none", "truth must be an AnnData or a MuData", None, lambda w: 3),
    *_both("truth_logged", r"holds 0\.5", None, lambda w: with_value(w.mdata["rna"], 0.5)),
    *_both(
        "other_genes",
        "lacks 18 of the prediction's 18",
        None,
        lambda w: with_names(w.mdata["rna"], [f"g{i}" for i in range(18)]),
    ),
    *_both(
        "other_cells",
        "share no cells",
        None,
        lambda w: with_names(w.mdata["rna"], [f"x{i}" for i in range(N_CELLS)], axis="obs"),
    ),
    *_both("fewer_cells", "of which 30 are the same", None, lambda w: w.mdata["rna"][:30].copy()),
    *_both("without_kind", "none of which is rna", None, lambda w: w.part("atac")),
    *_both("layer", "no layer 'x'", layer="x"),
    *_both("layer_3", "layer must be text", layer=3),
    *_both("reference", "reference is a int", reference=3),
    Case("evaluate_translation", "labels", _evaluate(labels_key="x"), "x"),
    Case("evaluate_translation", "labels_3", _evaluate(labels_key=3), "labels_key must be text"),
    Case("evaluate_translation", "seed", _evaluate(seed="a"), "seed must be a whole"),
    Case(
        "evaluate_translation", "per_feature", _evaluate(per_feature="yes"), "per_feature must be"
    ),
    Case(
        "evaluate_translation",
        "clustering",
        _evaluate(labels_key="cell_type", clustering=3),
        "an AnnData is needed",
    ),
    *(
        Case(
            "evaluate_perturbation",
            name,
            lambda w, o=options: metrics.evaluate_perturbation(
                w.rna, w.mdata["rna"], w.mdata["rna"], **o
            ),
            message,
        )
        for name, options, message in (
            ("n_top", {"n_top": 1}, "n_top=1 must be above 1"),
            ("n_top_text", {"n_top": "9"}, "n_top must be a whole"),
            ("resamples", {"n_resamples": 0}, "n_resamples=0"),
            ("fraction", {"fraction": 0}, "fraction=0 between|fraction=0"),
            ("fraction_text", {"fraction": "all"}, "fraction must be a number"),
            ("replace", {"replace": "no"}, "replace must be True or"),
            ("few_genes", {"n_top": 10}, "at least 20 are needed for n_top=10"),
            ("seed", {"seed": -1}, "seed must be"),
        )
    ),
    Case(
        "evaluate_perturbation",
        "one_cell",
        lambda w: metrics.evaluate_perturbation(
            w.rna, w.mdata["rna"][:1].copy(), w.mdata["rna"], n_top=2
        ),
        "at least 2 are needed",
    ),
    Case(
        "evaluate_perturbation",
        "control",
        lambda w: metrics.evaluate_perturbation(w.rna, w.mdata["rna"], 3, n_top=2),
        "control is a int",
    ),
]

FIGURES = [
    Case("pl.calibration", "nothing", lambda w: pl.calibration({}), "no curve to draw"),
    Case("pl.calibration", "number", lambda w: pl.calibration(3), "curves"),
    Case("pl.calibration", "log", lambda w: pl.calibration({}, log="yes"), "log must be True or"),
    Case("pl.confusion", "lengths", lambda w: pl.confusion(["a"], ["a", "b"]), "1 true labels"),
    Case(
        "pl.confusion", "normalize", lambda w: pl.confusion(["a"], ["a"], normalize=3), "normalize"
    ),
    Case(
        "pl.feature_scores",
        "list",
        lambda w: pl.feature_scores([1]),
        r"table must be a pandas\.DataFrame",
    ),
    Case(
        "pl.feature_scores",
        "scores",
        lambda w: pl.feature_scores(pd.DataFrame({"a": [1.0]})),
        "name its scores",
    ),
    Case(
        "pl.feature_scores",
        "unknown",
        lambda w: pl.feature_scores(pd.DataFrame({"a": [1.0]}), scores="b"),
        "scores names 'b'",
    ),
    Case(
        "pl.feature_scores",
        "empty",
        lambda w: pl.feature_scores(pd.DataFrame({"a": [np.nan]}), scores="a"),
        "No feature has a value",
    ),
    Case(
        "pl.feature_scores",
        "bins",
        lambda w: pl.feature_scores(pd.DataFrame({"a": [1.0]}), scores="a", bins="x"),
        "bins must be a whole",
    ),
    Case("pl.history", "untrained", lambda w: pl.history(w.untrained()), "no history to draw"),
    Case("pl.history", "number", lambda w: pl.history(3), "history"),
    Case("pl.history", "metric", lambda w: pl.history(w.model, metrics="x"), "metrics names 'x'"),
    Case(
        "pl.history",
        "axes",
        lambda w: pl.history(w.model, axes=[1, 2, 3, 4, 5, 6, 7]),
        "7 axes were given",
    ),
    Case("pl.marker", "feature", lambda w: pl.marker(w.rna, "x"), "no feature 'x'"),
    Case("pl.marker", "none", lambda w: pl.marker(w.rna, []), "No feature is named"),
    Case("pl.marker", "layer", lambda w: pl.marker(w.rna, "gene_0", layer="x"), "no layer 'x'"),
    Case(
        "pl.marker",
        "embedding",
        lambda w: pl.marker(w.rna, "gene_0", embedding=np.ones((3, 2))),
        r"\(60, 2\) is needed",
    ),
    Case(
        "pl.marker",
        "basis",
        lambda w: pl.marker(w.rna, "gene_0", embedding=w.mdata["rna"], basis="X_x"),
        r"no obsm\['X_x'\]",
    ),
    Case("pl.marker", "features_3", lambda w: pl.marker(w.rna, 3), "features must be text or"),
    Case(
        "pl.prediction_density",
        "level",
        lambda w: pl.prediction_density(w.rna, w.mdata["rna"], level="genes"),
        "level='genes' is unknown",
    ),
    Case(
        "pl.prediction_density",
        "grid",
        lambda w: pl.prediction_density(w.rna, w.mdata["rna"], grid_size="x"),
        "grid_size must be",
    ),
    Case(
        "pl.prediction_density",
        "grid_0",
        lambda w: pl.prediction_density(w.rna, w.mdata["rna"], grid_size=0),
        "grid_size",
    ),
    Case(
        "pl.prediction_density",
        "cells",
        lambda w: pl.prediction_density(w.rna, w.mdata["rna"][:9].copy()),
        "of which 9 are the same",
    ),
    Case("pl.pseudobulk", "number", lambda w: pl.pseudobulk(3), "concordance"),
    Case(
        "pl.pseudobulk",
        "groups",
        lambda w: pl.pseudobulk(xm.tl.pseudobulk_concordance(w.rna, w.mdata["rna"]), groups=["x"]),
        "groups names 'x'",
    ),
    Case(
        "pl.translation_umap",
        "color",
        lambda w: pl.translation_umap(w.mdata["atac"], w.rna, color="x"),
        "color='x' is no column",
    ),
    Case(
        "pl.translation_umap",
        "numbers",
        lambda w: pl.translation_umap(
            w.mdata["atac"], with_obs(w.rna, "n", np.arange(60) / 7), color="n"
        ),
        "holds numbers; labels are needed",
    ),
    Case(
        "pl.translation_umap",
        "basis",
        lambda w: pl.translation_umap(w.mdata["atac"], w.rna, color="cell_type", basis="pca"),
        "basis='pca' is unknown",
    ),
    Case(
        "pl.translation_umap",
        "palette",
        lambda w: pl.translation_umap(w.mdata["atac"], w.rna, color="cell_type", palette=["red"]),
        "palette must be a dict",
    ),
    Case(
        "pl.translation_umap",
        "untranslated",
        lambda w: pl.translation_umap(w.mdata["atac"], w.mdata["rna"], color="cell_type"),
        "AnnData that translate returned",
    ),
    Case(
        "pl.label_colors", "many", lambda w: pl.label_colors(range(5000)), "use a coarser column"
    ),
    Case("pl.label_colors", "number", lambda w: pl.label_colors(3), "labels"),
]


def _fit(change: Any = None, baseline: Any = baselines.Mean, **options: Any) -> Any:
    def call(w: World) -> Any:
        mdata = w.part("rna", "atac") if change is None else change(w)
        mdata = w.given(mdata) if hasattr(mdata, "obs") else mdata
        return baseline().fit(mdata, **options)

    return call


def _ridge(**options: Any) -> Any:
    given = {"source": "rna", "target": "atac", **options}
    return lambda w: w.ridge.translate(w.copy("rna"), **given)


GENES = pd.DataFrame({"chrom": ["chr1"], "start": [5], "end": [50], "strand": ["+"]}, index=["g"])
BASELINES = [
    Case("Baseline.fit", "anndata", _fit(lambda w: w.mdata["rna"].copy()), "fitted on a MuData"),
    Case("Baseline.fit", "none", _fit(lambda w: None), "got NoneType"),
    Case("Baseline.fit", "one", _fit(lambda w: w.part("rna")), "only .*were recognised"),
    Case("Baseline.fit", "indices", _fit(indices=[99]), "60 cells"),
    Case("Baseline.fit", "no_indices", _fit(indices=[]), "no cells to learn from"),
    Case("Baseline.fit", "split", _fit(indices=xm.data.Split([1])), r"split\.train"),
    Case("Baseline.fit", "layer", _fit(rna_layer="x"), r"layers\['x'\]|'x'"),
    Case("Baseline.fit", "layer_3", _fit(rna_layer=3), "rna_layer must be text"),
    Case("Baseline.fit", "protein_layer", _fit(protein_layer="x"), "no protein modality"),
    Case(
        "Baseline.fit",
        "logged",
        _fit(lambda w: w.part("atac", rna=with_value(w.mdata["rna"], 0.5))),
        r"0\.5",
    ),
    Case(
        "Baseline.fit",
        "unmeasured",
        _fit(lambda w: w.part("rna", atac=w.mdata["atac"][5:])),
        "have no 'atac' measurement",
    ),
    Case(
        "Baseline.translate",
        "unfitted",
        lambda w: baselines.Mean().translate(w.mdata["rna"], source="rna", target="atac"),
        "not fitted",
    ),
    Case("Baseline.translate", "source", _ridge(source="gex"), "source='gex'"),
    Case("Baseline.translate", "target", _ridge(target="rna"), "it knows rna to atac"),
    Case("Baseline.translate", "target_list", _ridge(target=["atac"]), "target"),
    Case("Baseline.translate", "layer", _ridge(layer="x"), "does not exist"),
    Case("Baseline.translate", "layer_3", _ridge(layer=3), "layer must be text"),
    Case("Baseline.translate", "indices", _ridge(indices=[99]), "60 cells"),
    Case("Baseline.translate", "repool", _ridge(repool="yes"), "repool must be True or False"),
    Case(
        "Baseline.translate",
        "genes",
        lambda w: w.ridge.translate(w.mdata["rna"][:, 3:].copy(), source="rna", target="atac"),
        "lack 3 of the model's 18",
    ),
    Case(
        "KNN", "neighbors", lambda w: _fit(baseline=lambda: baselines.KNN(0))(w), "n_neighbors=0"
    ),
    Case(
        "KNN",
        "neighbors_text",
        lambda w: _fit(baseline=lambda: baselines.KNN("9"))(w),
        "n_neighbors must be",
    ),
    Case(
        "Ridge",
        "components",
        lambda w: _fit(baseline=lambda: baselines.Ridge(0))(w),
        "n_components=0",
    ),
    Case(
        "Ridge",
        "components_text",
        lambda w: _fit(baseline=lambda: baselines.Ridge("9"))(w),
        "n_components must be",
    ),
    Case(
        "Ridge",
        "alpha",
        lambda w: _fit(baseline=lambda: baselines.Ridge(alpha=-1))(w),
        "alpha=-1 is negative",
    ),
    Case(
        "Ridge",
        "alpha_text",
        lambda w: _fit(baseline=lambda: baselines.Ridge(alpha="x"))(w),
        "alpha must be",
    ),
    Case(
        "GeneActivity",
        "genes",
        lambda w: baselines.GeneActivity(["Actb"]).fit(w.part("rna", "atac")),
        "DataFrame of genes is needed",
    ),
    Case(
        "GeneActivity",
        "columns",
        lambda w: baselines.GeneActivity(GENES[["chrom"]]).fit(w.part("rna", "atac")),
        "lacks the columns",
    ),
    Case(
        "GeneActivity",
        "reversed",
        lambda w: baselines.GeneActivity(GENES.assign(end=1)).fit(w.part("rna", "atac")),
        "start < end",
    ),
    Case(
        "GeneActivity",
        "strand",
        lambda w: baselines.GeneActivity(GENES.assign(strand=".")).fit(w.part("rna", "atac")),
        "it is '[+]' or '-'",
    ),
    Case(
        "GeneActivity",
        "twice",
        lambda w: baselines.GeneActivity(pd.concat([GENES, GENES])).fit(w.part("rna", "atac")),
        "more than once",
    ),
    Case(
        "GeneActivity",
        "ceiling",
        lambda w: baselines.GeneActivity(GENES, ceiling=0).fit(w.part("rna", "atac")),
        "ceiling=0 must be above 0",
    ),
    Case(
        "ActivityRule",
        "window",
        lambda w: baselines.GeneActivity(GENES, baselines.ActivityRule(window=-1)).fit(
            w.part("rna", "atac")
        ),
        "window=-1 must be above 0",
    ),
]

SIZES = (
    "n_cells",
    "n_genes",
    "n_peaks",
    "n_proteins",
    "n_chromosomes",
    "n_latent",
    "n_cell_types",
    "n_batches",
)
DATASETS = [
    *(
        Case(
            "synthetic",
            f"{name}_{value!r}",
            lambda w, n=name, v=value: datasets.synthetic(**{n: v}),
            f"{name} must be",
        )
        for name in SIZES
        for value in (-1, 1.5, "9")
    ),
    Case(
        "synthetic", "density", lambda w: datasets.synthetic(atac_density=0), "atac_density must"
    ),
    Case(
        "synthetic",
        "density_text",
        lambda w: datasets.synthetic(atac_density="x"),
        "atac_density must",
    ),
    Case("synthetic", "depth", lambda w: datasets.synthetic(rna_depth=-1), "rna_depth must be"),
    Case(
        "synthetic", "depth_nan", lambda w: datasets.synthetic(rna_depth=np.nan), "rna_depth must"
    ),
    Case(
        "synthetic", "effect", lambda w: datasets.synthetic(batch_effect=-1), "batch_effect must"
    ),
    Case("synthetic", "seed", lambda w: datasets.synthetic(seed=-1), "seed must be"),
    Case(
        "true_mean", "modality", lambda w: datasets.true_mean(w.mdata, "gex"), "no truth|Unknown"
    ),
    Case("true_mean", "anndata", lambda w: datasets.true_mean(w.mdata["rna"], "rna"), "a MuData"),
    Case("gene_table", "assembly", lambda w: datasets.gene_table("hg18"), "'hg18' is not bundled"),
    Case("gene_table", "list", lambda w: datasets.gene_table(["hg38"]), "is not bundled"),
    Case("read", "missing", lambda w: datasets.read("nowhere.h5mu"), "does not exist"),
    Case(
        "read", "ending", lambda w: datasets.read(w.file("cells.loom")), r"ends in '\.loom'; known"
    ),
    Case(
        "read",
        "garbage",
        lambda w: datasets.read(w.file("garbage.h5ad", "no HDF5")),
        "cannot be read as .h5ad",
    ),
    Case(
        "read",
        "garbage_h5mu",
        lambda w: datasets.read(w.file("garbage.h5mu", "no HDF5")),
        "cannot be read as .h5mu",
    ),
    Case("read", "number", lambda w: datasets.read(3), "path must be a path, got 3"),
    Case("read_10x", "missing", lambda w: datasets.read_10x("nowhere.h5"), "does not exist"),
    Case(
        "read_10x",
        "garbage",
        lambda w: datasets.read_10x(w.file("garbage.h5", "no HDF5")),
        "is no 10x matrix",
    ),
    Case("read_10x", "number", lambda w: datasets.read_10x(3), "path must be a path, got 3"),
]

CASES = [*ARRAYS, *TABLES, *FIGURES, *BASELINES, *DATASETS]
