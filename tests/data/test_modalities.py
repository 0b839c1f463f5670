"""Modalities found by their features' type, else by their key."""

from __future__ import annotations

import numpy as np
import pytest
from anndata import AnnData

from scvi_xmodal.data import find_modalities, kind_of
from scvi_xmodal.data._modalities import may_be_of_kind


def _adata(feature_types=None, n_vars=2):
    adata = AnnData(np.ones((1, n_vars)))
    if feature_types is not None:
        adata.var["feature_types"] = feature_types
    return adata


@pytest.mark.parametrize(
    ("key", "feature_types", "kind"),
    [
        ("rna", None, "rna"),
        ("RNA", None, "rna"),
        ("gex", None, "rna"),
        ("rna_expression", None, "rna"),
        ("atac", None, "atac"),
        ("peaks", None, "atac"),
        ("accessibility", None, "atac"),
        ("prot", None, "protein"),
        ("ADT", None, "protein"),
        ("spliced", None, None),
        ("x", "Gene Expression", "rna"),
        ("x", "GEX", "rna"),
        ("x", "Peaks", "atac"),
        ("x", "ATAC", "atac"),
        ("x", "Antibody Capture", "protein"),
        ("x", "ADT", "protein"),
        ("rna", "Peaks", "atac"),
        ("rna", "CRISPR Guide Capture", "rna"),
        ("x", ["Peaks", "Gene Expression"], None),
        ("atac", ["Peaks", "Gene Expression"], "atac"),
    ],
)
def test_kind_of(key, feature_types, kind):
    assert kind_of(key, _adata(feature_types)) == kind


def test_kind_of_categorical_types():
    adata = _adata(["Peaks", "Peaks"])
    adata.var["feature_types"] = adata.var["feature_types"].astype("category")
    assert kind_of("x", adata) == "atac"


def test_kind_of_no_features():
    assert kind_of("rna", AnnData(np.ones((1, 0)))) == "rna"


def test_found_in_the_order_rna_atac_protein():
    found = find_modalities(
        {"adt": _adata(), "other": _adata(), "atac": _adata(), "m": _adata("Gene Expression")}
    )
    assert list(found.items()) == [("rna", "m"), ("atac", "atac"), ("protein", "adt")]


def test_nothing_is_found_among_strangers():
    assert find_modalities({"spliced": _adata(), "unspliced": _adata()}) == {}


def test_two_of_a_kind_are_refused_with_the_mend():
    with pytest.raises(ValueError, match=r"'rna' and 'gex' both.*'rna_layer': 'gex'"):
        find_modalities({"rna": _adata(), "gex": _adata()})


def test_features_of_several_kinds_are_no_modality():
    mixed = _adata(["Gene Expression", "Antibody Capture"])
    with pytest.raises(ValueError, match=r"'rna' takes rna, but 1 of 2 features are \['Antibody"):
        find_modalities({"rna": mixed, "adt": _adata()})
    # guides beside genes are nobody's proteins
    assert find_modalities({"rna": _adata(["Gene Expression", "CRISPR Guide Capture"])})


def test_features_that_say_nothing_may_be_anything():
    assert may_be_of_kind(_adata(), "atac").all()
    mixed = _adata(["Peaks", "Gene Expression", "Custom"], n_vars=3)
    assert may_be_of_kind(mixed, "atac").tolist() == [True, False, True]
