"""Time the sparse encoder layer and the fused decoder layer by themselves."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import torch

from scvi_xmodal.nn import BlockedLinear, BlockedSparseLinear, SparseRows

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from scipy.sparse import csr_matrix

    from benchmarks._probe import Recorder

N_HIDDEN, N_SOURCES, WARM_UP = 32, 2, 2


def time_layers(
    recorder: Recorder, counts: csr_matrix, chromosome: np.ndarray, *, batch: int, steps: int
) -> None:
    """Time forward and backward of each layer over minibatches, as in an integrative step."""
    blocks = [len(list(group)) for _, group in groupby(chromosome)]
    cuts = [slice(i * batch, (i + 1) * batch) for i in range(len(counts.indptr) // batch)]
    rows = [SparseRows.from_scipy(counts[cut]).binarized() for cut in cuts or [slice(None)]]
    encoder, decoder = BlockedSparseLinear(blocks, N_HIDDEN), BlockedLinear(blocks, N_HIDDEN)

    def encode(x: SparseRows) -> torch.Tensor:
        return encoder(x).sum()

    def decode(x: SparseRows) -> torch.Tensor:
        hidden = torch.randn(N_SOURCES * x.n_rows, len(blocks) * N_HIDDEN, requires_grad=True)
        return decoder.bernoulli_nll(hidden, x, torch.zeros(x.n_rows)).mean()

    parts: list[tuple[str, Callable[[SparseRows], torch.Tensor], torch.nn.Module]]
    parts = [("encoder_layer", encode, encoder), ("decoder_layer", decode, decoder)]
    for name, forward, layer in parts:
        recorder.start()
        for step in range(WARM_UP + steps):
            forward(rows[step % len(rows)]).backward()
            layer.zero_grad()
            recorder.lap()
        recorder.finish(name, "step", batch, skip=WARM_UP)
