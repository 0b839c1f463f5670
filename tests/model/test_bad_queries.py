"""Queries that cannot be translated: the message names the offender and the mend."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData


def _renamed(adata):
    query = adata.copy()
    query.var_names = [f"ENSG{number:05d}" for number in range(adata.n_vars)]
    return query


def _one_renamed(adata):
    query = adata.copy()
    query.var_names = ["gene_0_old", *adata.var_names[1:]]
    return query


def _repeated(adata):
    query = adata.copy()
    query.var_names = [adata.var_names[1], *adata.var_names[1:]]
    return query


def _empty(adata):
    return AnnData(obs=adata.obs, var=adata.var)


BAD = {
    "missing_genes": (
        lambda mdata: mdata["rna"][:, 3:],
        r"lack 3 of the model's 18 'rna' features, such as \['gene_0', 'gene_1', 'gene_2'\]"
        r".*pp\.align_features",
    ),
    "other_names": (
        lambda mdata: _renamed(mdata["rna"]),
        r"lack 18 of the model's 18.*own are named \['ENSG00000'.*rename them",
    ),
    "one_other_name": (
        lambda mdata: _one_renamed(mdata["rna"]),
        r"lack 1 of the model's 18 'rna' features, such as \['gene_0'\]",
    ),
    "repeated_names": (
        lambda mdata: _repeated(mdata["rna"]),
        r"query's features are not unique.*'gene_1'.*var_names_make_unique",
    ),
    "other_modality": (
        lambda mdata: mdata["atac"],
        r"query holds 'atac' features, but source='rna'.*source='atac'",
    ),
    "without_the_source": (
        lambda mdata: MuData({"atac": mdata["atac"].copy()}),
        r"query has no rna modality to translate from; it has \['atac'\]",
    ),
    "stranger": (
        lambda mdata: MuData({"spliced": mdata["rna"].copy()}),
        r"no rna modality .*\['spliced'\].*Rename the modality to 'rna'",
    ),
    "no_cells": (lambda mdata: mdata["rna"][:0], "The query has no cells"),
    "no_cells_mudata": (lambda mdata: mdata[:0].copy(), "The query has no cells"),
    "no_counts": (lambda mdata: _empty(mdata["rna"]), "query.X is empty: the query needs counts"),
    "array": (lambda mdata: mdata["rna"].X.toarray(), "an AnnData or a MuData, got ndarray"),
    "matrix": (lambda mdata: mdata["rna"].X, "an AnnData or a MuData, got csr_matrix"),
    "frame": (lambda mdata: mdata["rna"].to_df(), "an AnnData or a MuData, got DataFrame"),
    "mapping": (lambda mdata: dict(mdata.mod), "an AnnData or a MuData, got dict"),
    "missing_file": (lambda mdata: "nowhere.h5ad", r"'nowhere\.h5ad' does not exist"),
}


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
@pytest.mark.parametrize(("query", "message"), BAD.values(), ids=BAD)
def test_it_is_refused(trained, query, message):
    query = query(trained.original)
    with pytest.raises(ValueError, match=message):
        trained.model.translate(query, source="rna", target="atac")
    with pytest.raises(ValueError, match=message):
        trained.model.get_latent_representation(query, modality="rna")


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "indices are empty: there are no cells to translate"),
        ([0, 60], "indices go from 0 to 60, but there are 60 cells"),
        ([-1], "indices go from -1 to -1"),
        (np.ones(7, bool), r"mask indices has shape \(7,\), but there are 60 cells"),
        (["cell_1"], "indices must be row numbers or a mask"),
        (pd.Series([1.5]), "indices must be row numbers or a mask, got dtype float64"),
    ],
    ids=["none", "beyond", "negative", "mask", "names", "fraction"],
)
@pytest.mark.parametrize("given", [True, False], ids=["query", "training"])
def test_indices(trained, given, indices, message):
    query = trained.original["rna"] if given else None
    with pytest.raises(ValueError, match=message):
        trained.model.translate(query, source="rna", target="atac", indices=indices)
    with pytest.raises(ValueError, match=message):
        trained.model.get_latent_representation(query, modality="rna", indices=indices)


def test_missing_layer(trained):
    query = trained.original["rna"].copy()
    query.layers["raw"] = query.X
    with pytest.raises(ValueError, match=r"query.layers\['counts'\] does not exist.*\['raw'\]"):
        trained.model.translate(query, source="rna", target="atac", layer="counts")


def test_a_bad_value_in_a_cell_that_is_not_asked_for(trained):
    query = trained.original["rna"].copy()
    query.X = query.X.toarray()
    query.X[50, 3] = 0.5
    options = {"source": "rna", "target": "atac"}
    assert trained.model.translate(query, **options, indices=range(40)).n_obs == 40
    with pytest.raises(ValueError, match=r"query\.X holds 0\.5"):
        trained.model.translate(query, **options)


def test_only_the_source_is_looked_at(trained):
    query = trained.original.copy()
    query["atac"].X = query["atac"].X * 0.5
    assert trained.model.translate(query, source="rna", target="atac").n_obs == 60
    with pytest.raises(ValueError, match=r"query\['atac'\]\.X holds 0\.5"):
        trained.model.translate(query, source="atac", target="rna")
