"""Small counts in every layout that a user may have."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import zarr
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

import scvi_xmodal as xm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from anndata import AnnData
    from mudata import MuData

IN_MEMORY = (
    "dense",
    "csr_matrix",
    "csc_matrix",
    "coo_matrix",
    "csr_array",
    "csc_array",
    "int64",
    "bool",
    "unsorted",
)
ON_DISK = ("h5ad_csr", "h5ad_dense", "zarr_csr", "zarr_dense")


@pytest.fixture(scope="session")
def counts() -> np.ndarray:
    """Counts of shape (13, 7) with an empty row and an empty column."""
    values = np.random.default_rng(0).poisson(0.8, size=(13, 7)).astype(np.float32)
    values[4] = 0
    values[:, 2] = 0
    return values


@pytest.fixture
def as_layout(tmp_path: Path) -> Callable[[np.ndarray, str], Any]:
    """Return a function that turns a dense array into a layout of the given name."""

    def convert(values: np.ndarray, layout: str) -> Any:
        if layout == "dense":
            return values.copy()
        if layout == "int64":
            return sparse.csr_matrix(values.astype(np.int64))
        if layout == "bool":
            return sparse.csr_matrix(values > 0)
        if layout == "unsorted":
            return _unsorted(values)
        if layout in IN_MEMORY:
            return getattr(sparse, layout)(values)
        store, form = layout.split("_")
        matrix = values if form == "dense" else getattr(sparse, f"{form}_matrix")(values)
        path = tmp_path / f"{layout}.{store}"
        group = h5py.File(path, "w") if store == "h5ad" else zarr.open_group(str(path), mode="w")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="zarr v3 autosharding")
            write_elem(group, "X", matrix)
        return group["X"] if form == "dense" else sparse_dataset(group["X"])

    return convert


def _unsorted(values: np.ndarray) -> sparse.csr_matrix:
    """Return CSR whose column indices descend within each row."""
    csr = sparse.csr_matrix(values)
    rows = np.repeat(np.arange(csr.shape[0]), np.diff(csr.indptr))
    order = np.lexsort((-csr.indices, rows))
    parts = (csr.data[order], csr.indices[order], csr.indptr)
    return sparse.csr_matrix(parts, shape=csr.shape)


@pytest.fixture
def small() -> MuData:
    """RNA of 9 genes and ATAC of 12 peaks on three chromosomes in 20 cells."""
    return xm.datasets.synthetic(
        n_cells=20, n_genes=9, n_peaks=12, n_chromosomes=3, atac_density=0.4, seed=1
    )


@pytest.fixture
def rna(small: MuData) -> AnnData:
    """The RNA of ``small``."""
    return small["rna"].copy()
