"""Mistakes at registering data and building models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from _world import N_CELLS, Case, World, gap, with_matrix, with_names, with_obs, with_value

import scvi_xmodal as xm

Butterfly, Babel = xm.model.Butterfly, xm.model.Babel


def _setup(change: Any = None, **arguments: Any) -> Any:
    """Set up RNA and ATAC, after a change of the RNA, or with other arguments."""

    def call(w: World) -> None:
        mdata = w.part("rna", "atac")
        if change is not None:
            # not copied, because AnnData copies and checks what some mistakes put there
            changed = change(w.mdata["rna"])
            mdata = w.part("atac", rna=w.mdata["rna"])
            mdata.mod["rna"] = changed
        Butterfly.setup_mudata(w.given(mdata), **arguments)

    return call


def _whole(change: Any, **arguments: Any) -> Any:
    """Set up a MuData made from the world's."""
    return lambda w: Butterfly.setup_mudata(w.given(change(w)), **arguments)


def _obs(values: Any, **arguments: Any) -> Any:
    return _whole(lambda w: with_obs(w.part("rna", "atac"), "column", values(w)), **arguments)


_NEGATIVE = "a negative value: raw counts are needed"
_VALUES = {
    "nan": (np.nan, r"rna\.X holds nan: replace missing values"),
    "inf": (np.inf, r"rna\.X holds inf: replace missing values"),
    "minus_inf": (-np.inf, r"rna\.X holds -inf"),
    "negative": (-1, rf"rna\.X holds -1\.0, {_NEGATIVE}.*rna_layer='counts'"),
    "fraction": (0.5, r"rna\.X holds 0\.5, which is not a whole number.*rna_layer='counts'"),
}
_DTYPES = {
    "object": (object, "dtype object: numbers are needed"),
    "text": ("U4", "dtype <U4: numbers are needed"),
    "complex": (complex, "dtype complex128: numbers are needed"),
    "float16": (np.float16, r"dtype float16.*convert the original counts"),
    "dates": ("datetime64[s]", "numbers are needed"),
}
_FORMATS = ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")


def _fractions(fmt: str) -> Any:
    def change(adata: Any) -> Any:
        matrix = adata.X.astype(np.float64).tolil()
        matrix[3, 2] = 0.5
        return with_matrix(adata, matrix.asformat(fmt))

    return change


def _dense(adata: Any, dtype: Any) -> Any:
    return with_matrix(adata, adata.X.toarray().astype(np.int64).astype(dtype))


def _renamed(first: Any) -> Any:
    return lambda adata: with_names(adata, [first, *adata.var_names[1:]])


def _masked(adata: Any) -> Any:
    return with_matrix(adata, np.ma.masked_equal(adata.X.toarray(), 0))


def _few(w: World, **rows: Any) -> Any:
    parts = {key: w.mdata[key][own].copy() for key, own in rows.items()}
    return w.part(**{}, **parts)


COUNTS = [
    *(
        Case(
            "setup_mudata",
            f"{kind}_{name}",
            _setup(lambda a, v=value, d=kind == "dense": with_value(a, v, dense=d)),
            message,
        )
        for name, (value, message) in _VALUES.items()
        for kind in ("dense", "sparse")
    ),
    *(
        Case("setup_mudata", f"dtype_{name}", _setup(lambda a, d=dtype: _dense(a, d)), message)
        for name, (dtype, message) in _DTYPES.items()
    ),
    *(
        Case("setup_mudata", f"fraction_in_{fmt}", _setup(_fractions(fmt)), r"holds 0\.5")
        for fmt in _FORMATS
    ),
    Case("setup_mudata", "masked_array", _setup(_masked), r"rna\.X has \d+ masked values.*filled"),
    Case(
        "setup_mudata",
        "no_matrix",
        _setup(lambda a: with_matrix(a, None)),
        r"rna\.X is empty: name the layer that holds the counts, such as rna_layer='counts'",
    ),
    Case(
        "setup_mudata",
        "logged",
        _setup(lambda a: with_matrix(a, np.log1p(a.X))),
        "not a whole number.*normalised or log-transformed",
    ),
    Case("setup_mudata", "no_cells", _whole(lambda w: w.part("rna", "atac")[:0].copy()), r"\(0, "),
    Case(
        "setup_mudata",
        "no_genes",
        _setup(lambda a: a[:, :0].copy()),
        r"rna\.X has shape \(60, 0\)",
    ),
]

NAMES = [
    Case(
        "setup_mudata",
        "repeated_gene",
        _setup(lambda a: with_names(a, [a.var_names[1], *a.var_names[1:]])),
        "features of 'rna' are not unique.*'gene_1'.*var_names_make_unique",
    ),
    *(
        Case("setup_mudata", f"gene_named_{name}", _setup(_renamed(value)), "need names, but 1")
        for name, value in {"none": None, "nan": np.nan, "nothing": ""}.items()
    ),
    Case(
        "setup_mudata",
        "repeated_cells",
        _whole(lambda w: w.part(rna=w.mdata["rna"][[0] * 20], atac=w.mdata["atac"][[0] * 20])),
        "appears twice in 'rna'. Make obs_names unique",
    ),
    Case(
        "setup_mudata",
        "other_cells",
        _whole(lambda w: w.part(rna=w.mdata["rna"][:40], atac=w.mdata["atac"][20:])),
        "not paired: 'rna' has 40, 'atac' has 40, and 20.*intersect_obs.*pairing='unpaired'",
    ),
    Case(
        "setup_mudata",
        "cells_in_another_order",
        _whole(lambda w: w.part("rna", atac=w.mdata["atac"][::-1].copy())),
        "'atac' stand in another order.*Rebuild it",
    ),
]

SETUP_ARGUMENTS = [
    Case("setup_mudata", "anndata", lambda w: Butterfly.setup_mudata(w.copy("rna")), "a MuData"),
    *(
        Case("setup_mudata", f"data_{value!r}", lambda w, v=value: Butterfly.setup_mudata(v), "Mu")
        for value in (None, "data.h5mu", {"rna": 1}, 3)
    ),
    Case("setup_mudata", "one_modality", _whole(lambda w: w.part("rna")), "Two modalities are"),
    Case(
        "setup_mudata",
        "two_rnas",
        _whole(lambda w: w.part("rna", "atac", gex=w.mdata["rna"].copy())),
        "'rna' and 'gex' both look like rna. Name the one",
    ),
    Case(
        "setup_mudata",
        "unknown_modalities",
        _whole(lambda w: w.part(one=w.mdata["rna"].copy(), two=w.mdata["atac"].copy())),
        r"Two modalities.*\['one', 'two'\]",
    ),
    Case("setup_mudata", "no_such_layer", _setup(rna_layer="raw"), r"layers\['raw'\] does not"),
    Case("setup_mudata", "layer_3", _setup(rna_layer=3), "rna_layer must be text, or None.*got 3"),
    Case("setup_mudata", "layer_list", _setup(atac_layer=["x"]), r"atac_layer must.*\['x'\]"),
    Case("setup_mudata", "protein_absent", _setup(protein_layer="x"), "no protein modality"),
    Case("setup_mudata", "modalities_list", _setup(modalities=["rna"]), "must be a dict"),
    Case("setup_mudata", "modalities_empty", _setup(modalities={}), "Two modalities"),
    Case("setup_mudata", "modalities_key", _setup(modalities={"x": "rna"}), "has the key 'x'"),
    Case("setup_mudata", "modalities_name", _setup(modalities={"rna_layer": "x"}), "names 'x'"),
    Case(
        "setup_mudata",
        "one_for_both",
        _setup(modalities={"rna_layer": "rna", "atac_layer": "rna"}),
        r"'rna' for \['rna_layer', 'atac_layer'\]; give each its own",
    ),
    Case("setup_mudata", "pairing", _setup(pairing="random"), "'measured' or 'unpaired'"),
    Case("setup_mudata", "mistyped", _setup(batchkey="batch"), "no argument 'batchkey'"),
    Case("setup_mudata", "no_such_batch", _setup(batch_key="donor"), "'donor' is no column"),
    Case("setup_mudata", "batch_list", _setup(batch_key=["batch"]), "batch_key must be text"),
    Case("setup_mudata", "no_such_label", _setup(labels_key="type"), "'type' is no column"),
    Case("setup_mudata", "labels_3", _setup(labels_key=3), "labels_key must be text.*got 3"),
    Case(
        "setup_mudata",
        "batch_of_barcodes",
        _obs(lambda w: list(w.mdata.obs_names), batch_key="column"),
        "batch_key='column' has a value of its own for each of 60 cells, such as .'cell_0'",
    ),
    Case(
        "setup_mudata",
        "batch_of_numbers",
        _obs(lambda w: np.linspace(0, 1, N_CELLS), batch_key="column"),
        "a value of its own for each of 60 cells.*groups cells",
    ),
    Case(
        "setup_mudata",
        "labels_of_barcodes",
        _obs(lambda w: list(w.mdata.obs_names), labels_key="column"),
        "labels_key='column' has a value of its own",
    ),
    Case(
        "setup_mudata",
        "transposed",
        _whole(lambda w: w.part("atac", rna=w.mdata["rna"].T.copy())),
        r"features of 'rna' are named as the cells of 'atac', such as 'cell_0'.*mdata\['rna'\]\.T",
    ),
    Case(
        "setup_mudata",
        "peaks_normalised",
        _whole(lambda w: w.part("rna", atac=with_value(w.mdata["atac"], 0.5))),
        r"atac\.X holds 0\.5.*atac_layer='counts'",
    ),
    Case(
        "setup_mudata",
        "batch_missing",
        _obs(lambda w: gap(w.mdata.obs["batch"]), batch_key="column"),
        "batch_key='column' is missing for 1 cells. Fill it",
    ),
    Case(
        "setup_mudata",
        "label_missing",
        _obs(lambda w: gap(w.mdata.obs["cell_type"]), labels_key="column"),
        "labels_key='column' is missing for 1 cells",
    ),
    Case(
        "setup_mudata",
        "batch_mixed",
        _obs(lambda w: pd.Series([1, "a"] * 30, w.mdata.obs_names), batch_key="column"),
        r"types \['int', 'str'\]: make them text",
    ),
    Case(
        "setup_mudata",
        "batch_lists",
        _obs(lambda w: pd.Series([[1]] * 60, w.mdata.obs_names), batch_key="column"),
        r"types \['list'\]: make them text",
    ),
    Case(
        "setup_mudata",
        "unpaired_no_such_batch",
        _setup(pairing="unpaired", batch_key="donor"),
        "batch_key='donor' is no column of mdata.obs",
    ),
    Case(
        "setup_mudata",
        "unpaired_no_such_label",
        _setup(pairing="unpaired", labels_key="type"),
        r"no obs\['type'\]",
    ),
]


def _conditions(change: Any = None, **arguments: Any) -> Any:
    named = {"condition_key": "condition", "control": "ctrl", "perturbed": "stim", **arguments}

    def call(w: World) -> None:
        rna = w.mdata["rna"].copy() if change is None else change(w.mdata["rna"])
        Butterfly.setup_anndata(w.given(rna), **named)

    return call


PERTURBATION = [
    Case("setup_anndata", "no_key", _conditions(condition_key=None), "give condition_key="),
    Case("setup_anndata", "no_such_key", _conditions(condition_key="x"), "'x' is no column"),
    Case("setup_anndata", "key_3", _conditions(condition_key=3), "condition_key must be text"),
    Case("setup_anndata", "same", _conditions(perturbed="ctrl"), "both 'ctrl': two different"),
    Case("setup_anndata", "absent", _conditions(perturbed="ko"), "'ko' occurs nowhere.*'stim'"),
    Case("setup_anndata", "absent_control", _conditions(control="wt"), "control='wt' occurs no"),
    Case("setup_anndata", "list", _conditions(control=["ctrl"]), "control must be one value"),
    Case("setup_anndata", "labels", _conditions(labels_key="x"), r"no obs\['x'\]"),
    Case("setup_anndata", "batch", _conditions(batch_key="x"), r"no obs\['x'\]"),
    Case("setup_anndata", "layer", _conditions(layer="x"), r"layers\['x'\] does not exist"),
    Case("setup_anndata", "mistyped", _conditions(label_key="x"), "no argument 'label_key'"),
    Case("setup_anndata", "fraction", _conditions(lambda a: with_value(a, 0.5)), r"holds 0\.5"),
    Case(
        "setup_anndata",
        "missing_labels",
        _conditions(lambda a: with_obs(a, "type", gap(a.obs["cell_type"])), labels_key="type"),
        "have no label",
    ),
    Case(
        "setup_anndata",
        "mudata",
        lambda w: Butterfly.setup_anndata(
            w.given(w.part("rna", "atac")), "condition", "ctrl", "stim"
        ),
        "an AnnData",
    ),
    Case("setup_anndata", "babel", lambda w: Babel.setup_anndata(w.copy("rna")), "setup_mudata"),
]


def _unpaired(change: Any = None, **arguments: Any) -> Any:
    named = {"labels_key": "cell_type", **arguments}

    def call(w: World) -> Any:
        rna, atac = w.mdata["rna"][:30].copy(), w.mdata["atac"][30:].copy()
        rna = rna if change is None else change(rna)
        return Butterfly.from_unpaired(w.given(rna), w.given(atac), **named)

    return call


UNPAIRED = [
    Case("from_unpaired", "no_label", _unpaired(labels_key=None), "labels_key must be text"),
    Case("from_unpaired", "no_such_label", _unpaired(labels_key="x"), r"no obs\['x'\]"),
    Case("from_unpaired", "no_such_batch", _unpaired(batch_key="x"), r"no obs\['x'\]"),
    Case("from_unpaired", "layers_list", _unpaired(layers=["x"]), "layers must be a dict"),
    Case("from_unpaired", "layers_name", _unpaired(layers={"gex": "x"}), r"layers names \['gex'"),
    Case("from_unpaired", "no_such_layer", _unpaired(layers={"rna": "x"}), r"layers\['x'\] does"),
    Case("from_unpaired", "one_kind", _unpaired(modalities=("rna", "rna")), "must be two of"),
    Case("from_unpaired", "unknown_kind", _unpaired(modalities=("rna", "gex")), "must be two of"),
    Case("from_unpaired", "modalities_3", _unpaired(modalities=3), "modalities=3 must be two of"),
    Case("from_unpaired", "preset", _unpaired(preset="x"), "preset='x' is unknown"),
    Case("from_unpaired", "dict", lambda w: Butterfly.from_unpaired({}, {}, "x"), "an AnnData"),
    Case("from_unpaired", "fraction", _unpaired(lambda a: with_value(a, 0.5)), r"holds 0\.5"),
    Case(
        "from_unpaired",
        "missing_labels",
        _unpaired(lambda a: with_obs(a, "cell_type", gap(a.obs["cell_type"]))),
        "have no label",
    ),
]


def _build(**arguments: Any) -> Any:
    return lambda w: w.untrained(**arguments)


def _babel(**arguments: Any) -> Any:
    return lambda w: Babel(w.babel.adata, **arguments)


MODELS = [
    Case(
        "Butterfly", "not_set_up", lambda w: Butterfly(w.given(w.part("rna", "atac"))), "setup_m"
    ),
    Case("Butterfly", "nothing", lambda w: Butterfly(), "needs the data that setup_mudata"),
    Case(
        "Butterfly", "path", lambda w: Butterfly("x.h5mu"), "adata must be an AnnData or a MuData"
    ),
    Case("Butterfly", "preset", _build(preset="big"), "preset='big' is unknown; there are"),
    Case("Butterfly", "preset_list", _build(preset=["default"]), "is unknown"),
    Case("Butterfly", "likelihood", _build(gene_likelihood="zinb"), "'zinb' is unknown"),
    Case("Butterfly", "target", _build(atac_target="counts"), "'counts' is unknown"),
    Case("Butterfly", "mask_key", _build(mask_rate={"gex": 0.1}), "mask_rate names 'gex'"),
    Case("Butterfly", "mask_of_1", _build(mask_rate={"rna": 1.0}), r"mask_rate\['rna'\].*below 1"),
    Case("Butterfly", "mask_text", _build(mask_rate={"rna": "0.1"}), r"got '0\.1'"),
    Case("Butterfly", "mask_number", _build(mask_rate=0.1), "mask_rate must be a dict"),
    Case("Butterfly", "weight", _build(loss_weight={"rna": -1}), r"loss_weight\['rna'\] must.*-1"),
    Case("Butterfly", "weight_nan", _build(loss_weight={"rna": np.nan}), "got nan"),
    Case("Butterfly", "latent_0", _build(n_latent=0), "n_latent must be a whole.*got 0"),
    Case("Butterfly", "latent_text", _build(n_latent="8"), "n_latent must be a whole.*got '8'"),
    Case("Butterfly", "latent_2.5", _build(n_latent=2.5), r"n_latent must be a whole.*got 2\.5"),
    Case("Butterfly", "embedding", _build(n_embedding=-1), "n_embedding must be"),
    Case("Butterfly", "dropout_1", _build(dropout_rate=1), "dropout_rate.*below 1, got 1"),
    Case("Butterfly", "dropout", _build(dropout_rate=-0.1), "dropout_rate must be"),
    Case("Butterfly", "reduction", _build(reduction="max"), r"reduction must be one of \['sum'"),
    Case("Butterfly", "adversarial", _build(adversarial_weight=-1), "adversarial_weight must be"),
    Case("Butterfly", "gate", _build(adversarial_gate="low"), "adversarial_gate must be a number"),
    Case("Butterfly", "layers", _build(n_discriminator_layers=0), "n_discriminator_layers must"),
    Case("Butterfly", "flag", _build(stack_sources="yes"), "stack_sources must be True or False"),
    Case("Butterfly", "mistyped", _build(n_latents=3), "no argument 'n_latents'"),
    Case("Babel", "latent_0", _babel(n_latent=0), "n_latent must be at least 1"),
    Case("Babel", "latent_text", _babel(n_latent="16"), "n_latent must be a whole number"),
    Case("Babel", "weight", _babel(atac_weight=-1), "atac_weight at least 0, got .*-1"),
    Case("Babel", "weight_nan", _babel(atac_weight=np.nan), "atac_weight must be a number"),
    Case("Babel", "batches", lambda w: Babel(w.batched.adata), "not registered|knows no batches"),
]

CASES = [*COUNTS, *NAMES, *SETUP_ARGUMENTS, *PERTURBATION, *UNPAIRED, *MODELS]
