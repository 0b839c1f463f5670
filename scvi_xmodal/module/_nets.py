"""A modality's encoder and decoder, as its spec says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from scvi_xmodal.module._batches import BatchShares
from scvi_xmodal.module._likelihoods import LIKELIHOODS
from scvi_xmodal.nn import BlockedSparseLinear, DenseLayer, Mask

if TYPE_CHECKING:
    from scvi_xmodal.module._spec import ModalitySpec
    from scvi_xmodal.nn import SparseRows


class Encoder(nn.Module):
    """Mask, blocked first layer and dense second layer: inputs to embedding.

    scButterfly's sizes: RNA 256 then 128; ATAC 32 for each chromosome then 128; protein 128
    then 128. Dropout follows the first layer only, as in its code.

    Parameters
    ----------
    spec
        The modality.
    n_embedding
        Size of the embedding.
    dropout_rate
        Dropout after the first layer.
    """

    def __init__(self, spec: ModalitySpec, *, n_embedding: int, dropout_rate: float):
        super().__init__()
        settings = spec.settings
        n_hidden = settings.n_hidden * len(spec.blocks)
        self.mask = Mask(settings.mask_rate)
        self.first: nn.Module
        n_dense_input: int | None
        if settings.sparse_input:
            self.first = BlockedSparseLinear(spec.blocks, settings.n_hidden)
            n_dense_input = None
        else:
            self.first = nn.Identity()
            n_dense_input = spec.n_features
        self.hidden = DenseLayer(n_dense_input, n_hidden, dropout_rate=dropout_rate)
        self.embedding = DenseLayer(n_hidden, n_embedding)

    def forward(self, x: SparseRows | torch.Tensor) -> torch.Tensor:
        """Map inputs (n_cells, n_features) to embeddings (n_cells, n_embedding)."""
        return self.embedding(self.hidden(self.first(self.mask(x))))


class Decoder(nn.Module):
    """Dense first layer, then the modality's likelihood with its blocked output layer.

    Parameters
    ----------
    spec
        The modality.
    n_embedding
        Size of the embedding.
    dropout_rate
        Dropout after the first layer; at most the modality's ``max_decoder_dropout``.
    n_batch
        Number of batches that the first layer is told of, one-hot or by
        :class:`~scvi_xmodal.module.BatchShares`; below 2 it is told of none.
    output_batch_norm
        Whether outputs pass a batch norm, as in scButterfly's code.
    """

    def __init__(
        self,
        spec: ModalitySpec,
        *,
        n_embedding: int,
        dropout_rate: float,
        n_batch: int = 0,
        output_batch_norm: bool = False,
    ):
        super().__init__()
        self.batches = BatchShares(n_batch)
        n_hidden = spec.settings.n_hidden * len(spec.blocks)
        n_input = n_embedding + self.batches.n_batch
        dropout_rate = min(dropout_rate, spec.settings.max_decoder_dropout)
        self.hidden = DenseLayer(n_input, n_hidden, dropout_rate=dropout_rate)
        likelihood = LIKELIHOODS[spec.settings.likelihood]
        self.likelihood = likelihood(spec, use_batch_norm=output_batch_norm)

    def forward(self, embedding: torch.Tensor, batch: torch.Tensor | None) -> torch.Tensor:
        """Map embeddings (n_cells, n_embedding) and batches (n_cells,) to hidden units."""
        if self.batches.n_batch:
            shares = self.batches(batch)
            assert shares is not None  # the model gives batches wherever it knows any
            embedding = torch.cat([embedding, shares.to(embedding.dtype)], dim=1)
        return self.hidden(embedding)
