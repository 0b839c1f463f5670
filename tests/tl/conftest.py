"""Translations of known quality and the cells they are compared with."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

N_CELLS, N_GENES, LIBRARY = 90, 30, 200.0
TYPES = np.array(["B", "T", "NK"])


def _record(adata, kind):
    adata.uns["scvi_xmodal"] = {"source": "other", "target": kind, "target_kind": kind}
    return adata


@pytest.fixture
def rates():
    """Return expected shares of genes by type, of shape (3, n_genes)."""
    rng = np.random.default_rng(3)
    share = rng.gamma(1.0, size=(1, N_GENES)) * rng.gamma(2.0, size=(3, N_GENES))
    return share / share.sum(axis=1, keepdims=True)


@pytest.fixture
def measured(rates):
    """Return counts of cells of three types."""
    rng = np.random.default_rng(4)
    groups = np.arange(N_CELLS) % 3
    depth = rng.integers(100, 400, (N_CELLS, 1))
    adata = AnnData(sparse.csr_matrix(rng.poisson(rates[groups] * depth).astype(np.float32)))
    adata.obs_names = [f"cell{i}" for i in range(N_CELLS)]
    adata.var_names = [f"gene{j}" for j in range(N_GENES)]
    adata.obs["cell_type"] = pd.Categorical(TYPES[groups])
    return adata


@pytest.fixture
def rna(rates):
    """Return a translation of other cells of these types, genes in another order."""
    rng = np.random.default_rng(5)
    groups = rng.permutation(np.arange(60) % 3)
    expected = LIBRARY * rates[groups] * np.exp(rng.normal(scale=0.1, size=(60, N_GENES)))
    adata = AnnData(np.log1p(expected).astype(np.float32), layers={"mean": expected})
    adata.obs_names = [f"other{i}" for i in range(60)]
    adata.var_names = [f"gene{j}" for j in range(N_GENES)]
    adata.obs["cell_type"] = pd.Categorical(TYPES[groups])
    return _record(adata[:, rng.permutation(N_GENES)].copy(), "rna")


@pytest.fixture
def atac():
    """Return predicted accessibility; peak 2 g and 2 g + 1 are those of type g."""
    rng = np.random.default_rng(6)
    groups = np.arange(60) % 3
    values = rng.uniform(0.05, 0.15, (60, 8))
    for group in range(3):
        columns = [2 * group, 2 * group + 1]
        values[np.ix_(groups == group, columns)] += 0.5
    adata = AnnData(values.astype(np.float32))
    adata.obs_names = [f"cell{i}" for i in range(60)]
    adata.var_names = [f"chr1:{1000 * j}-{1000 * j + 500}" for j in range(8)]
    adata.obs["cell_type"] = pd.Categorical(TYPES[groups])
    return _record(adata, "atac")
