from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse

from scvi_xmodal import datasets

SETS = {
    "cortex_snareseq": {"rna": (2000, 1355), "atac": (2000, 5606)},
    "bmmc_multiome": {"rna": (500, 600), "atac": (500, 600)},
    "bmmc_citeseq": {"rna": (600, 1000), "protein": (600, 134)},
}


def _assert_raw_counts(adata):
    assert isinstance(adata.X, sparse.csr_matrix)
    assert adata.X.dtype == np.float32
    np.testing.assert_array_equal(adata.X.data, np.round(adata.X.data))
    assert adata.X.data.min() > 0
    assert adata.var_names.is_unique
    assert adata.obs_names.is_unique


@pytest.mark.smoke
@pytest.mark.parametrize("name", SETS)
def test_paired_sets_hold_raw_counts_of_the_same_cells(name):
    with warnings.catch_warnings():
        # What Python shows to users; deprecations that packages owe each other it doesn't.
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", FutureWarning)
        mdata = getattr(datasets, name)()
    assert {key: adata.shape for key, adata in mdata.mod.items()} == SETS[name]
    for adata in mdata.mod.values():
        _assert_raw_counts(adata)
        assert list(adata.obs_names) == list(mdata.obs_names)
        assert list(adata.obs["cell_type"]) == list(mdata.obs["cell_type"])
        assert {"cell_type", "batch"} <= set(adata.obs)


@pytest.mark.smoke
def test_kang_has_every_cell_type_in_both_conditions():
    with warnings.catch_warnings():
        # What Python shows to users; deprecations that packages owe each other it doesn't.
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("error", FutureWarning)
        adata = datasets.kang_pbmc()
    assert adata.shape == (1556, 1267)
    _assert_raw_counts(adata)
    counts = adata.obs.groupby(["cell_type", "condition"], observed=False).size()
    assert len(counts) == 10
    assert (counts > 0).all()


@pytest.mark.parametrize("name", [*SETS, "kang_pbmc"])
def test_provenance_names_source_citation_and_licence(name):
    provenance = getattr(datasets, name)().uns["provenance"]
    assert {"dataset", "source", "citation", "doi", "licence"} <= set(provenance)
    assert all(isinstance(value, str) for value in provenance.values())
    assert provenance["doi"].startswith("10.")
    assert provenance["doi"] in getattr(datasets, name).__doc__


@pytest.mark.parametrize("name", ["cortex_snareseq", "bmmc_multiome"])
def test_peaks_are_named_after_their_coordinates(name):
    var = getattr(datasets, name)()["atac"].var
    names = (
        var["chrom"].astype(str) + ":" + var["start"].astype(str) + "-" + var["end"].astype(str)
    )
    assert list(names) == list(var.index)
    assert (var["start"] < var["end"]).all()


def test_each_call_returns_data_of_its_own():
    first = datasets.kang_pbmc()
    first.X.data[:] = 0
    first.obs["cell_type"] = "gone"
    second = datasets.kang_pbmc()
    assert second.X.data.min() > 0
    assert second.obs["cell_type"].nunique() == 5


def test_only_the_data_sets_are_public():
    assert not hasattr(datasets, "read_bundled")
    assert sorted(datasets.__all__) == datasets.__all__
