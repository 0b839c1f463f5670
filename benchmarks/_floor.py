"""What a training step must cost on this machine: operations and bytes by measured rates."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.simulate import Size

N_HIDDEN = 32


@dataclass(frozen=True)
class Rates:
    """Measured rates of one thread.

    Parameters
    ----------
    flops
        Operations per second of a float32 product, a multiply-add counting as two: the better
        of a large square one and one in the decoder's shape.
    bytes
        Bytes read and written per second in an array larger than the caches.
    sigmoids
        Sigmoids in the cache per second.
    logarithms
        Logarithms in the cache per second.
    """

    flops: float
    bytes: float
    sigmoids: float
    logarithms: float

    @classmethod
    def measure(cls) -> Rates:
        """Measure them, each the best of some repetitions."""
        a, b = torch.randn(128, N_HIDDEN), torch.randn(1536, N_HIDDEN)
        square = torch.randn(1024, 1024)
        large = torch.zeros(1 << 26)
        tile = torch.rand(128, 1536).add_(0.1)
        out = torch.empty_like(tile)
        return cls(
            flops=2
            * max(
                1024**3 / _best(lambda: square @ square),
                a.numel() * b.shape[0] / _best(lambda: torch.mm(a, b.t(), out=out)),
            ),
            bytes=8 * large.numel() / _best(lambda: large.add_(1.0)),
            sigmoids=tile.numel() / _best(lambda: torch.sigmoid(tile, out=out)),
            logarithms=tile.numel() / _best(lambda: torch.log(tile, out=out)),
        )


def floor(size: Size, *, n_sources: int, n_weights: int, batch: int, rates: Rates) -> pd.DataFrame:
    """Return the least milliseconds of each part of a step that reads and decodes ATAC.

    Parameters
    ----------
    size
        The data.
    n_sources
        Sources that ATAC is decoded from: 2 in the integrative phase, 1 in pretraining.
    n_weights
        Weights that Adam updates.
    batch
        Cells in a minibatch.
    rates
        What the machine can do.
    """
    logits = n_sources * batch * size.n_peaks
    touched = size.n_peaks * -math.expm1(-batch * size.density)
    row = 4 * N_HIDDEN
    parts = {
        "decoder: three products (logits, two gradients)": 3 * 2 * logits * N_HIDDEN / rates.flops,
        "decoder: one sigmoid a logit": logits / rates.sigmoids,
        "decoder: one logarithm for two logits": logits / 2 / rates.logarithms,
        # each row of weights that is touched read forward, its gradient read and written
        "encoder and targets: rows of weights": 2 * 3 * touched * row / rates.bytes,
        # parameter, gradient and two moments read; parameter and moments written
        "Adam: seven passes over the weights": 7 * 4 * n_weights / rates.bytes,
    }
    table = pd.DataFrame({"ms": pd.Series(parts) * 1000})
    table.loc["sum"] = table["ms"].sum()
    return table


def _best(call: Callable[[], object], repetitions: int = 20) -> float:
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)
