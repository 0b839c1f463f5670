"""Sparse rows with the awkward things in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.utils._python_dispatch import TorchDispatchMode

from scvi_xmodal.nn import SparseRows

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = [(5,), (1,), (4, 0, 1, 7), (0, 3), (2, 2, 2), (3, 0)]
"""Block sizes: one block, one feature, empty blocks at every place, odd and even ones."""


@pytest.fixture(params=BLOCKS, ids=str)
def blocks(request: pytest.FixtureRequest) -> tuple[int, ...]:
    return request.param


@pytest.fixture
def random_csr() -> Callable[..., sparse.csr_matrix]:
    """Return a function that draws CSR rows, two in five of them empty."""

    def build(n_rows, n_columns, *, seed=0, dtype=np.float64, kind="normal", density=0.5):
        rng = np.random.default_rng(seed)
        draw = {"normal": rng.normal, "unit": rng.uniform, "ones": np.ones}[kind]
        dense = draw(size=(n_rows, n_columns)) if kind != "ones" else draw((n_rows, n_columns))
        dense *= rng.random((n_rows, n_columns)) < density
        if n_rows > 2:
            dense[[0, n_rows // 2]] = 0
        matrix = sparse.csr_matrix(dense.astype(dtype))
        matrix.sort_indices()
        return matrix

    return build


@pytest.fixture
def random_rows(random_csr) -> Callable[..., SparseRows]:
    """Return a function that draws the same rows as tensors."""

    def build(*args, **kwargs) -> SparseRows:
        return SparseRows.from_scipy(random_csr(*args, **kwargs))

    return build


@pytest.fixture
def block_of() -> Callable[[tuple[int, ...]], torch.Tensor]:
    """Return a function that gives the block of each feature."""

    def build(blocks: tuple[int, ...]) -> torch.Tensor:
        return torch.repeat_interleave(torch.arange(len(blocks)), torch.tensor(blocks))

    return build


class LargestTensor(TorchDispatchMode):
    """Remembers the size of the largest tensor that any operation returned."""

    n_elements = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for part in result if isinstance(result, tuple | list) else [result]:
            if isinstance(part, torch.Tensor):
                self.n_elements = max(self.n_elements, part.numel())
        return result


@pytest.fixture
def largest_tensor() -> LargestTensor:
    """Return a context manager that watches all tensors made inside it."""
    return LargestTensor()
