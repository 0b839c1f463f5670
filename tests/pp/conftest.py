"""Small data of known structure for the preprocessing tests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scvi_xmodal.datasets._mudata import own_columns_only

if TYPE_CHECKING:
    from collections.abc import Callable

N_CELLS, N_GENES, N_PEAKS, N_PROTEINS = 40, 30, 24, 5


def fingerprint(data: AnnData | MuData) -> str:
    """Return a digest of everything a function could change by mistake."""
    digest = hashlib.sha256()
    for adata in data.mod.values() if isinstance(data, MuData) else [data]:
        matrices = [adata.X, *adata.layers.values()]
        for matrix in matrices:
            parts: list[Any] = [matrix]
            if sparse.issparse(matrix):
                parts = [matrix.data, matrix.indices, matrix.indptr]
            digest.update(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
        digest.update(adata.var.to_csv().encode() + adata.obs.to_csv().encode())
        digest.update(str(sorted(adata.uns)).encode())
    digest.update(data.obs.to_csv().encode() + data.var.to_csv().encode())
    return digest.hexdigest()


def make_mdata(modalities: dict[str, AnnData]) -> MuData:
    with own_columns_only():
        return MuData(modalities)


@pytest.fixture
def mdata(rng: np.random.Generator) -> MuData:
    """Return 40 cells with a dead gene and a dead peak, two batches, four types."""
    obs = pd.DataFrame(
        {
            "cell_type": np.tile(["B", "Mono", "NK", "T"], N_CELLS // 4),
            "batch": np.repeat(["one", "two"], N_CELLS // 2),
        },
        index=[f"cell{i}" for i in range(N_CELLS)],
    )
    genes = rng.poisson(rng.gamma(1, 2, size=N_GENES), size=(N_CELLS, N_GENES))
    genes[:, 3] = 0
    peaks = rng.poisson(rng.uniform(0.02, 0.8, size=N_PEAKS), size=(N_CELLS, N_PEAKS))
    peaks[:, 5] = 0
    proteins = rng.poisson(4, size=(N_CELLS, N_PROTEINS))

    def modality(counts: np.ndarray, names: list[str]) -> AnnData:
        matrix = sparse.csr_matrix(counts.astype(np.float32))
        return AnnData(matrix, obs=obs.copy(), var=pd.DataFrame(index=names))

    return make_mdata(
        {
            "rna": modality(genes, [f"gene{i}" for i in range(N_GENES)]),
            "atac": modality(peaks, [f"chr{i % 3 + 1}:{i * 10}-{i * 10 + 5}" for i in range(24)]),
            "protein": modality(proteins, [f"protein{i}" for i in range(N_PROTEINS)]),
        }
    )


CONTAINERS: dict[str, Callable[[np.ndarray], Any]] = {
    "dense": np.asarray,
    "csr_matrix": sparse.csr_matrix,
    "csc_matrix": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
}


@pytest.fixture(params=list(CONTAINERS))
def container(request: pytest.FixtureRequest) -> Callable[[np.ndarray], Any]:
    """Return each kind of matrix in turn."""
    return CONTAINERS[request.param]


@pytest.fixture
def digest() -> Callable[[AnnData | MuData], str]:
    """Return the function that notices changes."""
    return fingerprint


@pytest.fixture
def join() -> Callable[[dict[str, AnnData]], MuData]:
    """Return the function that builds a MuData without mudata's warning."""
    return make_mdata
