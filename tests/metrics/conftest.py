"""A small simulated experiment with predictions of known quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse


@dataclass
class Experiment:
    """Measured test and training cells of one kind, and a prediction near the true rates."""

    kind: str
    truth: AnnData
    reference: AnnData
    prediction: AnnData


def _counts(rate, kind, rng):
    draw = rng.poisson(rate) if kind != "atac" else 2 * rng.binomial(1, rate)
    return AnnData(sparse.csr_matrix(draw.astype(np.float32)))


def _rate(kind, rng, groups, n_features):
    rate = rng.gamma(2, size=(3, n_features))[groups] * rng.gamma(9, 1 / 9, (len(groups), 1))
    return np.clip(rate / 10, 0, 0.9) if kind == "atac" else rate


def make_experiment(kind: str, n_cells: int = 90, n_features: int = 40) -> Experiment:
    """Simulate three groups of cells; the prediction is the rate with noise, on its scale."""
    rng = np.random.default_rng(5)
    groups = np.arange(2 * n_cells) % 3
    rate = _rate(kind, rng, groups, n_features)
    cells = _counts(rate, kind, rng)
    cells.obs_names = [f"cell{i}" for i in range(2 * n_cells)]
    cells.var_names = [f"feature{j}" for j in range(n_features)]
    cells.obs["cell_type"] = pd.Categorical(np.array(["B", "T", "NK"])[groups])
    values = {
        "rna": np.log1p(rate / rate.sum(axis=1, keepdims=True) * n_features * 2),
        "atac": rate,
        "protein": np.log(rate + 0.5) - np.log(rate + 0.5).mean(axis=1, keepdims=True),
    }[kind]
    values = np.clip(values + rng.normal(scale=0.02, size=rate.shape), *_RANGE[kind])
    prediction = AnnData(values[:n_cells].astype(np.float32), obs=cells.obs[:n_cells])
    prediction.var_names = cells.var_names
    prediction.uns["scvi_xmodal"] = {"target": kind, "target_kind": kind, "model": "Simulated"}
    return Experiment(kind, cells[:n_cells].copy(), cells[n_cells:].copy(), prediction)


_RANGE = {"rna": (0, None), "atac": (0, 1), "protein": (-np.inf, np.inf)}


@pytest.fixture(params=["rna", "atac", "protein"])
def experiment(request) -> Experiment:
    """Return an experiment of each kind."""
    return make_experiment(request.param)


@pytest.fixture
def rna() -> Experiment:
    """Return an RNA experiment."""
    return make_experiment("rna")


@pytest.fixture
def protein() -> Experiment:
    """Return a protein experiment."""
    return make_experiment("protein")


@pytest.fixture
def atac() -> Experiment:
    """Return an ATAC experiment."""
    return make_experiment("atac")


@pytest.fixture
def as_mudata():
    """Return a function that puts counts beside another modality, under a given key."""

    def wrap(adata: AnnData, key: str) -> MuData:
        other = AnnData(np.ones((adata.n_obs, 2), dtype=np.float32), obs=adata.obs[[]])
        other.var_names = ["other1", "other2"]
        return MuData({"something": other, key: adata})

    return wrap
