"""Mistakes at putting experiments together, and at what no other table has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from _world import Case, World, gap, with_matrix, with_names, with_obs, with_value
from mudata import MuData

import scvi_xmodal as xm
from scvi_xmodal.model import Butterfly, Polarbear

if TYPE_CHECKING:
    from anndata import AnnData

join = xm.pp.join_single_assay


def _join(change: Any = None, *, mdata: Any = None, assay: str = "rna", **options: Any) -> Any:
    """Join single-assay cells, after a change of them, to paired ones."""

    def call(w: World) -> Any:
        paired = w.part("rna", "atac")[:20].copy() if mdata is None else mdata(w)
        paired = w.given(paired) if hasattr(paired, "obs") else paired
        single = w.mdata[assay][30:].copy()
        single = single if change is None else change(single)
        single = w.given(single) if hasattr(single, "obs") else single
        return join(paired, **{assay: single, **options})

    return call


def _features(change: Any) -> Any:
    return lambda adata: with_names(adata, map(change, adata.var_names))


def _renamed(names: Any) -> Any:
    return lambda adata: with_names(adata, names(adata))


def _without_batch(adata: AnnData) -> AnnData:
    del adata.obs["batch"]
    return adata


def _without_labels(rna: AnnData, atac: AnnData) -> tuple[AnnData, AnnData]:
    del atac.obs["cell_type"]
    return rna, atac


def _shifted(peak: str) -> str:
    chromosome, place = peak.split(":")
    return f"{chromosome}:{int(place.split('-')[0]) + 7}-{int(place.split('-')[1]) + 7}"


JOIN = [
    *(
        Case("join_single_assay", f"mdata_{name}", _join(mdata=lambda w, v=value: v), message)
        for name, value, message in (
            ("none", None, "mdata must be a MuData.*got None"),
            ("path", "cells.h5mu", "mdata must be a MuData"),
            ("dict", {"rna": 1}, "mdata must be a MuData"),
        )
    ),
    Case("join_single_assay", "mdata_anndata", _join(mdata=lambda w: w.mdata["rna"]), "a MuData"),
    *(
        Case("join_single_assay", name, _join(lambda a, v=value: v), message)
        for name, value, message in (
            ("path", "cells.h5ad", "rna= must be an AnnData or a list of them, got str"),
            ("paths", ["cells.h5ad"], "rna1 must be an AnnData, got str"),
            ("number", 3, "rna= must be an AnnData or a list of them, got int"),
            ("none", None, "rna= must be an AnnData or a list of them, got NoneType"),
            ("nones", [None], "rna1 must be an AnnData, got NoneType"),
            ("array", np.ones((2, 2)), "rna= must be an AnnData or a list"),
            ("dict", {"a": 1}, "rna= must be an AnnData or a list"),
        )
    ),
    Case(
        "join_single_assay",
        "mudata",
        _join(lambda a: MuData({"rna": a})),
        "rna= must be an AnnData or a list of them, got MuData",
    ),
    Case("join_single_assay", "matrix", _join(lambda a: a.X), "must be an AnnData or a list"),
    Case("join_single_assay", "no_cells", _join(lambda a: a[:0].copy()), "has no cells: leave it"),
    Case(
        "join_single_assay",
        "repeated_cells",
        _join(lambda a: a[[0, 0, 1]].copy()),
        "'cell_30' appears twice in rna1. Make obs_names unique",
    ),
    Case(
        "join_single_assay",
        "repeated_paired_cells",
        _join(
            mdata=lambda w: w.part(rna=w.mdata["rna"][[0, 0, 1]], atac=w.mdata["atac"][[0, 0, 1]])
        ),
        "appears twice in 'rna'. Make obs_names unique",
    ),
    Case(
        "join_single_assay",
        "other_peaks",
        _join(_features(_shifted), assay="atac"),
        r"atac1 lacks \d+ of the 36 'atac' features.*xm\.pp\.repool_peaks\(other, mdata\['atac'\]",
    ),
    Case(
        "join_single_assay",
        "peaks_named_otherwise",
        _join(_features(lambda peak: peak.replace("chr", "")), assay="atac"),
        r"lacks 36 of the 36.*repool_peaks",
    ),
    Case(
        "join_single_assay",
        "fewer_genes",
        _join(lambda a: a[:, 4:].copy()),
        r"rna1 lacks 4 of the 18 'rna' features.*'gene_0'.*align_features\(other",
    ),
    Case("join_single_assay", "other_species", _join(_features(str.upper)), "lacks 18.*'GENE_0'"),
    Case(
        "join_single_assay",
        "ensembl",
        _join(_renamed(lambda a: [f"ENSG{i:011}" for i in range(a.n_vars)])),
        "lacks 18 of the 18.*such as.*'ENSG00000000000'",
    ),
    Case(
        "join_single_assay",
        "repeated_genes",
        _join(_renamed(lambda a: ["gene_1", *a.var_names[:-1]])),
        "rna1.*not unique.*var_names_make_unique|lacks 1 of the 18",
    ),
    Case(
        "join_single_assay",
        "repeated_besides",
        _join(
            lambda a: with_names(
                xm.datasets.synthetic(n_cells=20, n_genes=20, n_peaks=4)["rna"],
                [*a.var_names, "twin", "twin"],
            )
        ),
        "not unique.*var_names_make_unique",
    ),
    Case(
        "join_single_assay",
        "atac_as_rna",
        lambda w: join(w.part("rna", "atac"), rna=w.copy("atac")),
        "rna1 lacks 18 of the 18 'rna' features.*its own are named.*chr",
    ),
    Case(
        "join_single_assay",
        "no_protein",
        _join(assay="protein"),
        "protein= was given, but mdata has no protein modality; it has",
    ),
    Case("join_single_assay", "column", _join(obs_keys=["donor"]), "no column 'donor'"),
    Case("join_single_assay", "column_text", _join(obs_keys="donor"), "no column 'donor'"),
    Case(
        "join_single_assay",
        "column_of_one",
        _join(_without_batch, obs_keys=["batch"]),
        "rna1 has no column 'batch' in obs; it has",
    ),
    Case("join_single_assay", "columns_3", _join(obs_keys=3), "obs_keys must be text or a list"),
    Case("join_single_assay", "columns_none", _join(obs_keys=None), "obs_keys must be text or"),
    Case("join_single_assay", "mistyped", _join(RNA=1), "RNA", TypeError),
    Case(
        "join_single_assay",
        "logged_and_set_up",
        lambda w: Polarbear.setup_mudata(_join(lambda a: with_matrix(a, np.log1p(a.X)))(w)),
        r"rna\.X holds .*not a whole number",
    ),
    Case(
        "join_single_assay",
        "no_matrix",
        _join(lambda a: with_matrix(a, None)),
        r"rna1\.X is empty: put the counts there",
    ),
]


def _typed(mdata: MuData) -> MuData:
    for key, name in (("rna", "Gene Expression"), ("atac", "Peaks")):
        mdata.mod[key].var["feature_types"] = name
    return mdata


def _unpaired(change: Any = None, swapped: bool = False, **options: Any) -> Any:
    def call(w: World) -> Any:
        rna, atac = w.mdata["rna"][:30].copy(), w.mdata["atac"][30:].copy()
        for part in (rna, atac):
            part.obs["cell_type"] = w.mdata.obs["cell_type"].reindex(part.obs_names)
        rna.var["feature_types"], atac.var["feature_types"] = "Gene Expression", "Peaks"
        rna, atac = (rna, atac) if change is None else change(rna, atac)
        parts = [w.given(part) for part in (rna, atac)]
        parts = parts[::-1] if swapped else parts
        return Butterfly.from_unpaired(*parts, "cell_type", **options)

    return call


def _trained_unpaired(change: Any) -> Any:
    return lambda w: _unpaired(change)(w).train(1, pretrain_epochs=0)


UNPAIRED = [
    Case("from_unpaired", "swapped", _unpaired(swapped=True), "rna takes rna, but.*this is atac"),
    Case("from_unpaired", "twice", _unpaired(lambda r, a: (r, r)), "atac takes atac, but.*is rna"),
    Case(
        "setup_mudata",
        "modalities_swapped",
        lambda w: Butterfly.setup_mudata(
            w.given(_typed(w.part("rna", "atac"))),
            modalities={"rna_layer": "atac", "atac_layer": "rna"},
        ),
        "rna_layer takes rna, but var.'feature_types'. says that this is atac",
    ),
    Case(
        "from_unpaired", "no_cells", _unpaired(lambda r, a: (r[:0].copy(), a)), r"\(0, |no cells"
    ),
    Case("from_unpaired", "no_genes", _unpaired(lambda r, a: (r[:, :0].copy(), a)), r"\(30, 0\)"),
    Case("from_unpaired", "negative", _unpaired(lambda r, a: (with_value(r, -1), a)), "-1"),
    Case("from_unpaired", "nan", _unpaired(lambda r, a: (with_value(r, np.nan), a)), "holds nan"),
    Case(
        "from_unpaired",
        "repeated_cells",
        _unpaired(lambda r, a: (r[[0, 0, 1]].copy(), a)),
        "appears twice in 'rna'",
    ),
    Case(
        "from_unpaired",
        "repeated_genes",
        _unpaired(lambda r, a: (with_names(r, ["g", "g", *r.var_names[2:]]), a)),
        "features of 'rna' are not unique",
    ),
    Case(
        "from_unpaired",
        "label_of_one",
        _unpaired(_without_labels),
        r"no obs\['cell_type'\]",
    ),
    Case("from_unpaired", "mistyped", _unpaired(label_key="x"), "no argument 'label_key'"),
    Case("from_unpaired", "mudata", lambda w: Butterfly.from_unpaired(w.mdata, "x", "y"), "AnnDa"),
    Case(
        "from_unpaired",
        "no_shared_label",
        _trained_unpaired(lambda r, a: (with_obs(r, "cell_type", ["B"] * 30), a)),
        "share no label.*Rename labels",
    ),
]


def _conditions(change: Any = None, **arguments: Any) -> Any:
    named = {"condition_key": "condition", "control": "ctrl", "perturbed": "stim", **arguments}

    def call(w: World) -> None:
        rna = w.mdata["rna"].copy() if change is None else change(w.mdata["rna"])
        Butterfly.setup_anndata(w.given(rna), **named)

    return call


def _perturb(**options: Any) -> Any:
    given = {"source": "control", "target": "perturbed", **options}
    return lambda w: w.perturbation.translate(**given)


PERTURBATION = [
    Case("setup_anndata", "swapped_arguments", _conditions(control="condition"), "occurs nowhere"),
    Case("setup_anndata", "capital", _conditions(control="Ctrl"), "'Ctrl' occurs nowhere.*'ctrl'"),
    Case("setup_anndata", "no_cells", _conditions(lambda a: a[:0].copy()), "occurs nowhere|cells"),
    Case("setup_anndata", "no_genes", _conditions(lambda a: a[:, :0].copy()), r"\(60, 0\)"),
    Case("setup_anndata", "nan", _conditions(lambda a: with_value(a, np.nan)), "X holds nan"),
    Case("setup_anndata", "negative", _conditions(lambda a: with_value(a, -1)), "X holds -1"),
    Case(
        "setup_anndata",
        "repeated_genes",
        _conditions(lambda a: with_names(a, ["g", "g", *a.var_names[2:]])),
        "not unique.*'g'.*var_names_make_unique",
    ),
    Case(
        "setup_anndata",
        "missing_batch",
        _conditions(lambda a: with_obs(a, "b", gap(a.obs["batch"])), batch_key="b"),
        "have no label|missing for 1",
    ),
    Case(
        "setup_anndata", "path", lambda w: Butterfly.setup_anndata("x", "c", "a", "b"), "AnnData"
    ),
    Case("setup_anndata", "none", lambda w: Butterfly.setup_anndata(None, "c", "a", "b"), "AnnD"),
    Case(
        "setup_anndata",
        "number",
        _conditions(lambda a: with_obs(a, "condition", [0, 1] * 30), control=2, perturbed=1),
        r"control=2 occurs nowhere in obs\['condition'\], which has",
    ),
    Case("translate", "condition", _perturb(source="ctrl"), r"source='ctrl'.*\['control'"),
    Case("translate", "condition_target", _perturb(target="stim"), "target='stim' is unknown"),
    Case(
        "translate",
        "cells_of_the_other_condition",
        lambda w: w.perturbation.translate(
            w.given(w.mdata["rna"][1::2].copy()), source="control", target="perturbed"
        ),
        "'stim'|perturbed",
    ),
    Case("translate", "condition_indices", _perturb(indices=[60]), "60 cells"),
    Case("translate", "condition_no_indices", _perturb(indices=[]), "empty"),
    Case("translate", "condition_names", _perturb(indices=["cell_1"]), "row numbers or a mask"),
    Case("translate", "conditions_both", _perturb(source=("control", "perturbed")), "."),
]


def _baseline(name: str, *args: Any, **options: Any) -> Any:
    return lambda w: getattr(xm.baselines, name)(*args, **options)


DATA = [
    Case(
        "open_backed", "missing", lambda w: xm.data.open_backed("nowhere.h5ad"), "does not exist"
    ),
    Case("open_backed", "number", lambda w: xm.data.open_backed(3), "path must be a path, got 3"),
    Case("open_backed", "ending", lambda w: xm.data.open_backed(w.file("a.csv")), r"'\.csv'"),
    Case(
        "open_backed",
        "text",
        lambda w: xm.data.open_backed(w.file("t.h5ad", "x")),
        "cannot be read as .h5ad",
    ),
    Case("Mean", "argument", _baseline("Mean", 3), "argument", TypeError),
    Case("DepthOnly", "argument", _baseline("DepthOnly", k=3), "argument", TypeError),
    Case(
        "Baseline.translate",
        "several",
        lambda w: w.ridge.translate(w.part("rna", "atac"), source=("rna", "atac"), target="rna"),
        r"source=\('rna', 'atac'\)",
    ),
    Case(
        "Baseline.fit",
        "mosaic",
        lambda w: xm.baselines.Mean().fit(w.given(w.mosaic.copy())),
        "10 of the 60 training cells have no 'rna'.*intersect_obs",
    ),
    Case(
        "Baseline.fit",
        "not_updated",
        lambda w: xm.baselines.Mean().fit(w.given(_stale(w))),
        r"mdata\.update\(\)",
    ),
    Case(
        "by_label",
        "not_updated",
        lambda w: xm.pairing.by_label(w.given(_stale(w)), "cell_type", range(5, 40)),
        r"mdata\.update\(\)",
    ),
    Case("split", "not_updated", lambda w: xm.pp.split(w.given(_stale(w))), r"mdata\.update\(\)"),
    Case(
        "select_features",
        "not_updated",
        lambda w: xm.pp.select_features(w.given(_stale(w)), indices=range(40)),
        r"mdata\.update\(\)",
    ),
]


def _stale(w: World) -> MuData:
    mdata = w.part("rna", "atac")
    mdata.mod["rna"] = mdata["rna"][5:].copy()
    return mdata


CASES = [*JOIN, *UNPAIRED, *PERTURBATION, *DATA]
