"""Fixtures that every test may use."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

from scvi_xmodal import datasets

if TYPE_CHECKING:
    from mudata import MuData

_XLA_FLAGS = os.environ.get("XLA_FLAGS", "")

# An example's time says more about what else the machine is doing than about the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    # Importing scvi takes seconds: a test that doesn't need it must not pay for it.
    if "scvi" in sys.modules:
        sys.modules["scvi"].settings.seed = 0
        # scvi-tools lengthens it at every seed: after thousands no process could be started
        os.environ["XLA_FLAGS"] = _XLA_FLAGS
    elif "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def rng() -> np.random.Generator:
    """Return numpy's generator with a fixed seed, fresh for each test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def synthetic_mdata() -> MuData:
    """Return 300 simulated cells in RNA, ATAC and protein, two batches. Copy it to change it."""
    return datasets.synthetic(
        n_cells=300,
        n_genes=80,
        n_peaks=200,
        n_proteins=12,
        n_batches=2,
        batch_effect=0.2,
        atac_density=0.1,
    )


@pytest.fixture(scope="session")
def cortex() -> MuData:
    """Return the bundled cortex set. Copy it to change it."""
    return datasets.cortex_snareseq()
