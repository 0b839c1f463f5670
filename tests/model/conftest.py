"""Three tiny trained models, each trained once, and what tests compare with."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import scvi

import scvi_xmodal as xm
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import Split
from scvi_xmodal.model import Butterfly

if TYPE_CHECKING:
    from collections.abc import Callable

    from anndata import AnnData
    from mudata import MuData

N_CELLS = 60


class Trained(NamedTuple):
    """A trained model, the data it was trained on, and an untouched copy of them."""

    model: Butterfly
    mdata: MuData
    original: MuData
    split: Split


def _simulate(**options: Any) -> MuData:
    sizes = {"n_cells": N_CELLS, "n_genes": 18, "n_peaks": 36, "n_chromosomes": 3}
    return xm.datasets.synthetic(
        **{**sizes, "atac_density": 0.3, "rna_depth": 300, "seed": 0, **options}
    )


def _train(original: MuData, setup: dict[str, Any], **options: Any) -> Trained:
    mdata = original.copy()
    split = Split(range(40), range(40, 50), range(50, N_CELLS))
    scvi.settings.seed = 0
    Butterfly.setup_mudata(mdata, **setup)
    model = Butterfly(mdata, n_latent=6, n_embedding=16, **options)
    model.train(4, pretrain_epochs=1, split=split, enable_progress_bar=False)
    return Trained(model, mdata, original, split)


@pytest.fixture(scope="session")
def simulate() -> Callable[..., MuData]:
    """Return the simulator with this folder's sizes."""
    return _simulate


@pytest.fixture
def mdata() -> MuData:
    """Fresh data of one batch."""
    return _simulate()


@pytest.fixture
def quick() -> dict[str, Any]:
    """The shortest training there is."""
    return {"max_epochs": 1, "pretrain_epochs": 1, "enable_progress_bar": False}


@pytest.fixture(scope="session")
def trained() -> Trained:
    """RNA and ATAC."""
    return _train(_simulate(), {})


@pytest.fixture(scope="session")
def batched() -> Trained:
    """RNA and ATAC of two batches, which the decoders know."""
    original = _simulate(n_batches=2, batch_effect=1.0)
    return _train(original, {"batch_key": "batch"})


@pytest.fixture(scope="session")
def with_protein() -> Trained:
    """RNA, ATAC and protein."""
    return _train(_simulate(n_proteins=5), {})


@pytest.fixture
def snapshot() -> Callable[[AnnData | MuData], bytes]:
    """Return a function that freezes all that an object holds, to compare before and after."""

    def freeze(data: AnnData | MuData) -> bytes:
        parts = [
            type(data).__name__,
            data.is_view,
            data.obs.to_dict(),
            data.var.to_dict(),
            _plain(data.uns),
            {name: value.tobytes() for name, value in data.obsm.items()},
        ]
        if hasattr(data, "mod"):
            parts += [(key, freeze(adata)) for key, adata in data.mod.items()]
        else:
            matrices = {"X": data.X, **{name: data.layers[name] for name in layer_names(data)}}
            parts += [(name, _matrix(matrix)) for name, matrix in matrices.items()]
        return pickle.dumps(parts)

    return freeze


def _plain(uns: Any) -> Any:
    if hasattr(uns, "items"):
        return {key: _plain(value) for key, value in uns.items()}
    return uns.tobytes() if hasattr(uns, "tobytes") else copy.deepcopy(uns)


def _matrix(matrix: Any) -> tuple[Any, ...]:
    if hasattr(matrix, "indptr"):
        arrays = (matrix.data, matrix.indices, matrix.indptr)
        return (type(matrix).__name__, str(matrix.dtype), *(array.tobytes() for array in arrays))
    return (type(matrix).__name__, str(matrix.dtype), matrix[:].tobytes())
