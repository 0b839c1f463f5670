"""A small paired experiment with the awkward things in it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scvi_xmodal.datasets._mudata import own_columns_only

N_CELLS, N_TRAIN = 70, 50


@pytest.fixture(autouse=True)
def _mudata_rules():
    with own_columns_only():
        yield


@pytest.fixture
def train():
    return np.random.default_rng(5).choice(N_CELLS, N_TRAIN, replace=False)


@pytest.fixture
def held_out(train):
    return np.setdiff1d(np.arange(N_CELLS), train)


@pytest.fixture
def mdata():
    """RNA, ATAC and protein that share a state; one gene, peak and cell are empty."""
    rng = np.random.default_rng(0)
    state = rng.normal(size=(N_CELLS, 3))
    depth = np.exp(rng.normal(scale=0.5, size=(N_CELLS, 1)))

    def counts(n_features, base):
        rate = base * depth * np.exp(0.7 * state @ rng.normal(size=(3, n_features)))
        return rng.poisson(rate).astype(np.float32)

    parts = {"rna": counts(24, 1.0), "atac": counts(40, 0.4), "protein": counts(6, 8.0)}
    parts["rna"][:, 3] = parts["atac"][:, 5] = 0
    parts["rna"][2] = parts["atac"][2] = parts["protein"][2] = 0
    names = [f"cell{i}" for i in range(N_CELLS)]
    obs = pd.DataFrame({"cell_type": np.where(state[:, 0] > 0, "a", "b")}, index=names)
    adatas = {
        key: AnnData(
            sparse.csr_matrix(values),
            obs=obs.copy(),
            var=pd.DataFrame(index=[f"{key}{j}" for j in range(values.shape[1])]),
        )
        for key, values in parts.items()
    }
    n_peaks = adatas["atac"].n_vars
    adatas["atac"].var["chrom"] = np.where(np.arange(n_peaks) % 3, "chr1", "chr2")
    adatas["atac"].var["start"] = np.arange(n_peaks) * 100
    return MuData(adatas)


@pytest.fixture
def dense_profile():
    """Return profiles by plain numpy, with statistics of the given training rows."""

    def compute(mdata, kind, train):
        counts = np.asarray(mdata[kind].X.todense(), dtype=np.float64)
        if kind == "atac":
            return (counts > 0).astype(float)
        if kind == "protein":
            geometric_mean = np.exp(np.log(counts + 1).mean(1, keepdims=True))
            return np.log((counts + 1) / geometric_mean)
        library = counts.sum(1, keepdims=True)
        median = np.median(library[train][library[train] > 0])
        return np.log1p(np.divide(counts * median, library, where=library > 0, out=counts * 0))

    return compute
