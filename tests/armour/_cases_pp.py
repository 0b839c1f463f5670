"""Mistakes at what comes before training."""

from __future__ import annotations

from typing import Any

import numpy as np
from _world import Case, World, gap, with_matrix, with_names, with_obs, with_value
from anndata import AnnData

import scvi_xmodal as xm

pp = xm.pp


def _on(function: Any, key: str | None, change: Any = None, *args: Any, **options: Any) -> Any:
    """Call a function on a modality, or all of them, after a change."""

    def call(w: World) -> Any:
        data = w.part("rna", "atac") if key is None else w.mdata[key].copy()
        data = data if change is None else change(data)
        return function(w.given(data), *args, **options)

    return call


def _named(*names: str) -> Any:
    """Return a change to other peaks, without coordinates in columns."""

    def change(adata: Any) -> Any:
        rest = [f"chr1:{number}00-{number}50" for number in range(1, adata.n_vars + 1)]
        return with_names(AnnData(adata.X.copy()), [*names, *rest[len(names) :]])

    return change


def _column(name: str, value: Any) -> Any:
    def change(adata: Any) -> Any:
        changed = with_names(AnnData(adata.X.copy(), var=adata.var.copy()), range(adata.n_vars))
        column = changed.var[name].astype(object)
        column.iloc[0] = value
        changed.var[name] = column
        return changed

    return change


def _counts(value: Any) -> Any:
    return lambda adata: with_value(adata, value)


NOTHING = _named("peak1", "peak2")
REVERSED = _named("chr1:20-10")

SELECTING = [
    Case("select_features", "none", lambda w: pp.select_features(None), "data must be an AnnData"),
    Case(
        "select_features", "genes_0", _on(pp.select_features, None, n_top_genes=0), "n_top_genes"
    ),
    Case(
        "select_features",
        "genes_half",
        _on(pp.select_features, None, n_top_genes=1.5),
        r"got 1\.5",
    ),
    Case("select_features", "genes_text", _on(pp.select_features, None, n_top_genes="9"), "'9'"),
    Case(
        "select_features",
        "fraction",
        _on(pp.select_features, None, min_peak_fraction=2),
        "min_peak_fraction",
    ),
    Case(
        "select_features",
        "fractions",
        _on(pp.select_features, None, min_peak_fraction=0.5, max_peak_fraction=0.1),
        "max_peak_fraction",
    ),
    Case(
        "select_features",
        "split",
        lambda w: pp.select_features(w.given(w.part("rna", "atac")), indices=xm.data.Split([1])),
        r"indices=split\.train",
    ),
    Case("select_features", "indices", _on(pp.select_features, None, indices=[99]), "60 cells"),
    Case("select_features", "no_indices", _on(pp.select_features, None, indices=[]), "no cells"),
    Case("select_features", "mask", _on(pp.select_features, None, indices=[True] * 59), "mask"),
    Case("select_features", "layers", _on(pp.select_features, None, layers=["x"]), "be a dict"),
    Case("select_features", "layer", _on(pp.select_features, None, layers={"rna": "x"}), "'x'"),
    Case("select_features", "layers_key", _on(pp.select_features, None, layers={"x": "y"}), "'x'"),
    Case("select_features", "logged", _on(pp.select_features, "rna", _counts(0.5)), r"0\.5"),
    Case("select_features", "nan", _on(pp.select_features, "rna", _counts(np.nan)), "nan"),
    Case(
        "select_features",
        "nothing_open",
        _on(pp.select_features, "atac", lambda a: with_matrix(a, a.X * 0)),
        "peak",
    ),
]

FILTERS = [
    Case("filter_cells_by_genes", "path", lambda w: pp.filter_cells_by_genes("x"), "data must be"),
    Case(
        "filter_cells_by_genes",
        "order",
        _on(pp.filter_cells_by_genes, "rna", min_genes=9, max_genes=3),
        "min_genes",
    ),
    Case(
        "filter_cells_by_genes",
        "text",
        _on(pp.filter_cells_by_genes, "rna", min_genes="9"),
        "min_genes must be a whole number, got '9'",
    ),
    Case(
        "filter_cells_by_genes",
        "negative",
        _on(pp.filter_cells_by_genes, "rna", min_genes=-1),
        "min_genes=-1|-1",
    ),
    Case("filter_cells_by_genes", "nobody", _on(pp.filter_cells_by_genes, "rna"), "[Nn]o cell"),
    Case(
        "filter_cells_by_genes",
        "modality",
        _on(pp.filter_cells_by_genes, None, modality="gex"),
        r"no modality 'gex'.*\['rna', 'atac'\]",
    ),
    Case(
        "filter_cells_by_genes",
        "modality_of_anndata",
        _on(pp.filter_cells_by_genes, "rna", modality="rna"),
        "needs a MuData",
    ),
    Case(
        "filter_cells_by_genes",
        "layer",
        _on(pp.filter_cells_by_genes, "rna", layer="x"),
        r"layers\['x'\] does not exist",
    ),
    Case(
        "filter_cells_by_genes",
        "negative_counts",
        _on(pp.filter_cells_by_genes, "rna", _counts(-1), min_genes=1),
        "negative",
    ),
    Case("filter_peaks", "min_negative", _on(pp.filter_peaks, "atac", min_cells=-1), "min_cells"),
    Case("filter_peaks", "min_text", _on(pp.filter_peaks, "atac", min_cells="5"), "min_cells"),
    Case("filter_peaks", "fraction", _on(pp.filter_peaks, "atac", max_fraction=0), "max_fraction"),
    Case("filter_peaks", "fraction_2", _on(pp.filter_peaks, "atac", max_fraction=2), "max_frac"),
    Case("filter_peaks", "fraction_nan", _on(pp.filter_peaks, "atac", max_fraction=np.nan), "nan"),
    Case("filter_peaks", "indices", _on(pp.filter_peaks, "atac", indices=[-1]), "-1"),
    Case("filter_peaks", "none_left", _on(pp.filter_peaks, "atac", min_cells=60), "[Nn]o"),
    Case("filter_peaks", "frame", lambda w: pp.filter_peaks(w.mdata.obs), "data must be an AnnD"),
    Case("filter_peaks", "counts", _on(pp.filter_peaks, "atac", _counts(0.5)), r"0\.5"),
]


def _split(**options: Any) -> Any:
    return lambda w: pp.split(w.given(w.part("rna", "atac")), **options)


SPLITTING = [
    Case("split", "none", lambda w: pp.split(None), "data must be an AnnData or a MuData"),
    Case("split", "by", _split(by="donor"), "by='donor'; known are"),
    Case(
        "split",
        "validation_by",
        _split(by="batch", validation_by="batch"),
        "validation_by='batch'",
    ),
    Case(
        "split", "validation_by_list", _split(validation_by=["cell"]), "known are .'same', 'cell'"
    ),
    Case("split", "by_list", _split(by=["cell"]), "known are"),
    Case("split", "folds_1", _split(n_folds=1), "n_folds"),
    Case("split", "folds_many", _split(n_folds=61), "60 cells cannot be cut into n_folds=61"),
    Case("split", "folds_text", _split(n_folds="5"), "n_folds must be a whole number"),
    Case("split", "fold_5", _split(n_folds=5, fold=5), "fold=5"),
    Case("split", "fold_negative", _split(fold=-1), "fold=-1"),
    Case("split", "fold_half", _split(fold=0.5), r"fold must be a whole number, got 0\.5"),
    Case("split", "seed_negative", _split(seed=-1), "seed must be a whole number of at least 0"),
    Case("split", "seed_text", _split(seed="a"), "seed must be.*'a'"),
    Case("split", "seed_nan", _split(seed=np.nan), "seed must be.*nan"),
    Case("split", "validation", _split(validation_fraction=1), "validation_fraction=1; it must"),
    Case("split", "validation_text", _split(validation_fraction="x"), "validation_fraction must"),
    Case("split", "key", _split(by="batch", key="donor"), r"no obs\['donor'\]"),
    Case("split", "key_3", _split(by="batch", key=3), "key must be text"),
    Case("split", "key_for_cells", _split(key="batch"), "by='batch'"),
    Case("split", "exclude_text", _split(by="batch", exclude="b"), r"exclude=\['b'\]"),
    Case("split", "exclude_unknown", _split(by="batch", exclude=["b"]), r"exclude names \['b'\]"),
    Case("split", "exclude_3", _split(by="batch", exclude=3), "exclude must be text or a list"),
    Case("split", "too_few_labels", _split(by="batch", n_folds=5), "2 different labels"),
    Case("split", "layer", _split(by="cluster", layer="x"), r"layers\['x'\] does not exist"),
    Case(
        "split",
        "missing_labels",
        lambda w: pp.split(
            w.given(with_obs(w.mdata["rna"], "batch", gap(w.mdata.obs["batch"]))), by="batch"
        ),
        r"1 of 60 cells have no label.*exclude=\[None\]",
    ),
    Case(
        "split",
        "cluster_counts",
        lambda w: pp.split(w.given(with_value(w.mdata["rna"], 0.5)), by="cluster"),
        r"0\.5",
    ),
]


def _rotate(split: Any = None, **options: Any) -> Any:
    def call(w: World) -> Any:
        data = w.part("rna", "atac")
        own = pp.split(data) if split is None else split
        return pp.rotate_validation(w.given(data), own, **options)

    return call


ROTATING = [
    Case(
        "rotate_validation",
        "none",
        lambda w: pp.rotate_validation(None, xm.data.Split(range(9))),
        "data must be an AnnData or a MuData",
    ),
    Case("rotate_validation", "split", _rotate(range(9)), "split must be a split, as xm.pp"),
    Case("rotate_validation", "range", _rotate(xm.data.Split([60])), "data have 60"),
    Case("rotate_validation", "by", _rotate(by="donor"), "by='donor'; known are"),
    Case("rotate_validation", "one", _rotate(n_rotations=1), "n_rotations=1; it takes 2"),
    Case("rotate_validation", "text", _rotate(n_rotations="5"), "n_rotations must be a whole"),
    Case("rotate_validation", "many", _rotate(n_rotations=49), "48 training and validation cells"),
    Case("rotate_validation", "key", _rotate(by="batch", key="donor"), r"no obs\['donor'\]"),
    Case("rotate_validation", "key_for_cells", _rotate(key="batch"), "by='batch'"),
    Case("rotate_validation", "seed", _rotate(seed=-1), "seed must be a whole number"),
    Case("rotate_validation", "batches", _rotate(by="batch", n_rotations=3), "2 different labels"),
]


ALIGNING = [
    Case(
        "align_features", "matrix", lambda w: pp.align_features(w.mdata["rna"].X, ["a"]), "AnnDa"
    ),
    Case("align_features", "mudata", _on(pp.align_features, None, None, ["a"]), "an AnnData"),
    Case("align_features", "missing", _on(pp.align_features, "rna", None, ["gene_0", "x"]), "'x'"),
    Case(
        "align_features", "none_shared", _on(pp.align_features, "rna", None, ["x"]), "None is sh"
    ),
    Case("align_features", "empty", _on(pp.align_features, "rna", None, []), "reference must be"),
    Case("align_features", "text", _on(pp.align_features, "rna", None, "gene_0"), "must be names"),
    Case("align_features", "none", _on(pp.align_features, "rna", None, None), "must be names"),
    Case("align_features", "twice", _on(pp.align_features, "rna", None, ["a", "a"]), "not unique"),
    Case(
        "align_features",
        "repeated",
        _on(pp.align_features, "rna", lambda a: with_names(a, ["g"] * a.n_vars), ["g"]),
        "not unique.*var_names_make_unique",
    ),
    Case(
        "align_features",
        "zero_shared",
        _on(pp.align_features, "rna", None, ["x"], missing="zero"),
        "None is shared",
    ),
    Case(
        "align_features",
        "choice",
        _on(pp.align_features, "rna", None, ["gene_0"], missing="drop"),
        "missing='drop'; known are",
    ),
    Case(
        "align_features",
        "match",
        _on(pp.align_features, "rna", None, ["gene_0"], match="gene_ids"),
        "match='gene_ids' is no column",
    ),
    Case(
        "align_features",
        "match_list",
        _on(pp.align_features, "rna", None, ["gene_0"], match=["name"]),
        "match must be text",
    ),
    Case(
        "align_features",
        "versions",
        _on(pp.align_features, "rna", None, ["gene_0"], strip_versions="yes"),
        "strip_versions must be True or False",
    ),
]

PEAKS = [
    Case("annotate_peaks", "names", _on(pp.annotate_peaks, "atac", NOTHING), "'peak1', 'peak2'"),
    Case("annotate_peaks", "reversed", _on(pp.annotate_peaks, "atac", REVERSED), "'chr1:20-10'"),
    Case(
        "annotate_peaks", "empty", _on(pp.annotate_peaks, "atac", _named("chr1:5-5")), "chr1:5-5"
    ),
    *(
        Case(
            "annotate_peaks",
            f"{name}_{value!r}",
            _on(pp.annotate_peaks, "atac", _column(name, value)),
            "1 of 36 peaks have no coordinates",
        )
        for name, value in [
            ("start", -5),
            ("start", np.nan),
            ("start", "x"),
            ("start", 0.5),
            ("end", 0),
            ("end", None),
            ("end", np.inf),
            ("chrom", None),
            ("chrom", ""),
        ]
    ),
    Case("annotate_peaks", "none", lambda w: pp.annotate_peaks(None), "data must be"),
    Case("annotate_peaks", "choice", _on(pp.annotate_peaks, "atac", on_error="skip"), "'skip'"),
    Case("annotate_peaks", "modality", _on(pp.annotate_peaks, None, modality="x"), "no modality"),
    Case(
        "annotate_peaks", "rna_only", lambda w: pp.annotate_peaks(w.given(w.part("rna"))), "atac"
    ),
    Case(
        "repool_peaks",
        "no_coordinates",
        lambda w: pp.repool_peaks(w.given(NOTHING(w.mdata["atac"])), w.mdata["atac"]),
        "have no coordinates.*chrom:start-end",
    ),
    Case(
        "repool_peaks",
        "target_without",
        lambda w: pp.repool_peaks(w.copy("atac"), ["peak1"]),
        "The target: 1 of 1 peaks",
    ),
    Case(
        "repool_peaks",
        "reversed",
        lambda w: pp.repool_peaks(w.copy("atac"), ["chr1:20-10"]),
        "start < end",
    ),
    Case(
        "repool_peaks",
        "no_overlap",
        lambda w: pp.repool_peaks(w.copy("atac"), ["chr99:10-20"]),
        "overlap",
    ),
    Case(
        "repool_peaks",
        "repeated",
        lambda w: pp.repool_peaks(w.copy("atac"), ["chr1:10-20", "chr1:10-20"]),
        "not unique",
    ),
    Case("repool_peaks", "no_target", lambda w: pp.repool_peaks(w.copy("atac"), []), "reference"),
    Case("repool_peaks", "mudata", lambda w: pp.repool_peaks(w.mdata, ["chr1:1-2"]), "AnnData"),
    Case(
        "repool_peaks",
        "layer",
        lambda w: pp.repool_peaks(w.copy("atac"), w.mdata["atac"], layer="x"),
        r"layers\['x'\]",
    ),
    Case(
        "repool_peaks",
        "counts",
        lambda w: pp.repool_peaks(w.given(with_value(w.mdata["atac"], -1)), w.mdata["atac"]),
        "negative",
    ),
    Case(
        "merge_overlapping_peaks",
        "names",
        _on(pp.merge_overlapping_peaks, "atac", NOTHING),
        "no c",
    ),
    Case("merge_overlapping_peaks", "mudata", _on(pp.merge_overlapping_peaks, None), "AnnData"),
    Case(
        "merge_overlapping_peaks",
        "layer",
        _on(pp.merge_overlapping_peaks, "atac", layer=3),
        "layer must be text",
    ),
    Case("union_peaks", "nothing", lambda w: pp.union_peaks(), "No peaks were given"),
    Case(
        "union_peaks", "names", lambda w: pp.union_peaks(["peak1"]), "Peak set 1.*no coordinates"
    ),
    Case("union_peaks", "text", lambda w: pp.union_peaks("chr1:1-2"), "must be names"),
    Case("liftover", "no_chain", _on(pp.liftover, "atac", None, "/nowhere"), "no chain file"),
    Case("liftover", "chain_3", _on(pp.liftover, "atac", None, 3), "chain must be a path"),
    Case(
        "liftover",
        "no_chain_file",
        lambda w: pp.liftover(w.copy("atac"), w.file("text.chain", "these are no chains\n")),
        "is no chain file",
    ),
    Case("liftover", "names", _on(pp.liftover, "atac", NOTHING, "/nowhere"), "no coordinates"),
    Case("liftover", "reversed", _on(pp.liftover, "atac", REVERSED, "/nowhere"), "no coordinates"),
    Case(
        "liftover",
        "resize",
        _on(pp.liftover, "atac", None, "/nowhere", max_resize=-1),
        "max_resize=-1",
    ),
    Case(
        "liftover",
        "other_assembly",
        lambda w: pp.liftover(
            w.copy("atac"),
            w.file(
                "other.chain",
                "chain 1000 chr77 1000 + 0 1000 chr78 1000 + 0 1000 1\n1000\n\n",
            ),
        ),
        "lifts only 0 of 36 peaks.*another assembly",
    ),
    Case(
        "exclude_chromosomes", "text", _on(pp.exclude_chromosomes, "atac", None, "chrX"), "'chrX"
    ),
    Case("exclude_chromosomes", "number", _on(pp.exclude_chromosomes, "atac", None, 3), "got 3"),
    Case("exclude_chromosomes", "none", lambda w: pp.exclude_chromosomes(None), "data must be"),
    Case("exclude_chromosomes", "protein", _on(pp.exclude_chromosomes, "protein"), "gene|chrom"),
    Case(
        "exclude_chromosomes",
        "all",
        _on(pp.exclude_chromosomes, "atac", None, ["chr1", "chr2", "chr3"]),
        "No feature of 'adata' would be left",
    ),
    Case(
        "exclude_chromosomes",
        "genes_list",
        _on(pp.exclude_chromosomes, "atac", None, genes=["gene_0"]),
        r"genes must be a pandas\.DataFrame",
    ),
]

TRANSFORMS = [
    Case("clr", "negative", lambda w: pp.clr([[1, -1]]), "must not be negative"),
    Case("clr", "nan", lambda w: pp.clr([[1, np.nan]]), "negative or missing"),
    Case("clr", "inf", lambda w: pp.clr([[1, np.inf]]), "inf|finite"),
    Case("clr", "anndata", lambda w: pp.clr(w.copy("protein")), "A matrix is needed"),
    Case("clr", "vector", lambda w: pp.clr([1, 2]), r"got shape \(2,\)"),
    Case("clr", "text", lambda w: pp.clr([["a"]]), "numbers are needed"),
    Case("clr", "none", lambda w: pp.clr(None), "matrix|shape"),
    Case("clr", "pseudocount", lambda w: pp.clr([[1]], pseudocount=0), "must be positive"),
    Case("clr", "pseudocount_text", lambda w: pp.clr([[1]], pseudocount="1"), "pseudocount must"),
    Case("fit_tfidf", "vector", lambda w: pp.fit_tfidf([1, 2]), r"shape \(2,\)"),
    Case("fit_tfidf", "anndata", lambda w: pp.fit_tfidf(w.copy("atac")), "A matrix is needed"),
    Case("fit_tfidf", "text", lambda w: pp.fit_tfidf([["a"]]), "numbers are needed"),
    Case("fit_tfidf", "nan", lambda w: pp.fit_tfidf([[1.0, np.nan]]), "nan"),
    Case("fit_tfidf", "negative", lambda w: pp.fit_tfidf([[1, -1]]), "negative"),
    Case("tfidf", "statistics", lambda w: pp.tfidf([[1]], {"idf": 1}), "what fit_tfidf returned"),
    Case("tfidf", "peaks", lambda w: pp.tfidf([[1, 2]], pp.fit_tfidf([[1]])), "have 1 peaks"),
    Case(
        "inverse_tfidf", "depth", lambda w: pp.inverse_tfidf([[1]], pp.fit_tfidf([[1]]), -1), "-1"
    ),
    Case(
        "inverse_tfidf",
        "depth_shape",
        lambda w: pp.inverse_tfidf([[1]], pp.fit_tfidf([[1]]), [1, 2]),
        r"depth has shape \(2,\)",
    ),
    Case(
        "inverse_tfidf",
        "depth_text",
        lambda w: pp.inverse_tfidf([[1]], pp.fit_tfidf([[1]]), "all"),
        "depth must be finite numbers",
    ),
]


def _gathered(change: Any, **options: Any) -> Any:
    return lambda w: pp.to_mudata(change(w), **options)


GATHERING = [
    Case("to_mudata", "matrix", _gathered(lambda w: w.mdata["rna"].X), "An AnnData with feature"),
    Case("to_mudata", "none", _gathered(lambda w: None), "got NoneType"),
    Case("to_mudata", "untyped", _gathered(lambda w: w.copy("rna")), "no column 'feature_types'"),
    Case("to_mudata", "empty", _gathered(lambda w: {}), "two modalities are needed"),
    Case("to_mudata", "one", _gathered(lambda w: {"rna": w.copy("rna")}), r"Only \['rna'\]"),
    Case("to_mudata", "frames", _gathered(lambda w: {"rna": w.mdata.obs}), "must be an AnnData"),
    Case(
        "to_mudata",
        "cells_differ",
        _gathered(lambda w: {"rna": w.mdata["rna"][:9], "atac": w.mdata["atac"][3:]}),
        "6 are in all. Keep those with cells='shared'",
    ),
    Case(
        "to_mudata",
        "no_shared_cells",
        _gathered(
            lambda w: {"rna": w.mdata["rna"][:9], "atac": w.mdata["atac"][9:]}, cells="shared"
        ),
        "Their names differ",
    ),
    Case(
        "to_mudata",
        "repeated_cells",
        _gathered(lambda w: {"rna": w.mdata["rna"][[0, 0]], "atac": w.mdata["atac"][[0, 1]]}),
        "appears twice in 'rna'",
    ),
    Case("to_mudata", "choice", _gathered(lambda w: {}, cells="all"), "cells='all'; known are"),
    Case(
        "to_mudata",
        "two_rnas",
        _gathered(lambda w: {"rna": w.copy("rna"), "gex": w.copy("rna")}),
        "both look like rna",
    ),
]

CASES = [*SELECTING, *FILTERS, *SPLITTING, *ROTATING, *ALIGNING, *PEAKS, *TRANSFORMS, *GATHERING]
