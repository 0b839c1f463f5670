"""BABEL's encoders and decoders, one of each for every kind of modality."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from scvi_xmodal.module._standardize import Standardize
from scvi_xmodal.nn import (
    BlockedDense,
    BlockedLinear,
    BlockedSparseLinear,
    NormPReLU,
    dispersed_negative_binomial,
)

if TYPE_CHECKING:
    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module._spec import ModalitySpec
    from scvi_xmodal.nn import SparseRows

N_CHROMOSOME = 16
"""Units that a chromosome is encoded to, and decoded from."""
_LOG_MEAN = (math.log(1e-5), math.log(1e6))
_DISPERSION = (1e-4, 1e3)


def dense_layer(n_input: int, n_output: int) -> nn.Linear:
    """Return a linear layer with Xavier-uniform weights, as all of BABEL's."""
    linear = nn.Linear(n_input, n_output)
    nn.init.xavier_uniform_(linear.weight)
    return linear


def normed_layer(n_input: int, n_output: int) -> nn.Sequential:
    """Return a linear layer with batch norm and PReLU."""
    return nn.Sequential(dense_layer(n_input, n_output), NormPReLU(n_output))


class ExpressionEncoder(nn.Module):
    """Standardised expression to 64 units to the latent (BABEL, Methods, "Architecture").

    Parameters
    ----------
    spec
        The modality.
    n_latent
        Size of the latent.
    """

    def __init__(self, spec: ModalitySpec, *, n_latent: int):
        super().__init__()
        n_hidden = spec.settings.n_hidden
        self.standardize = Standardize(spec.n_features)
        self.first = BlockedSparseLinear((spec.n_features,), n_hidden)
        self.activation = NormPReLU(n_hidden)
        self.latent = normed_layer(n_hidden, n_latent)

    def forward(self, x: SparseRows) -> torch.Tensor:
        """Map log-normalised rows (n_cells, n_genes) to latents (n_cells, n_latent)."""
        everywhere = self.standardize.floor @ self.first.weight
        return self.latent(self.activation(self.first(self.standardize(x)) + everywhere))

    def encode_dense(self, x: torch.Tensor) -> torch.Tensor:
        """Map dense log-normalised values, as a decoder infers them, to latents."""
        hidden = self.standardize.dense(x) @ self.first.weight + self.first.bias
        return self.latent(self.activation(hidden))


class AccessibilityEncoder(nn.Module):
    """Each chromosome to 32, then 16 units; all of them to the latent.

    For 22 autosomes the 16 units make the paper's 352-dimensional layer.

    Parameters
    ----------
    spec
        The modality.
    n_latent
        Size of the latent.
    """

    def __init__(self, spec: ModalitySpec, *, n_latent: int):
        super().__init__()
        n_blocks, n_hidden = len(spec.blocks), spec.settings.n_hidden
        self.first = BlockedSparseLinear(spec.blocks, n_hidden)
        self.activation = NormPReLU(n_blocks * n_hidden, n_blocks=n_blocks)
        self.second = BlockedDense(n_blocks, n_hidden, N_CHROMOSOME)
        self.second_activation = NormPReLU(n_blocks * N_CHROMOSOME, n_blocks=n_blocks)
        self.latent = normed_layer(n_blocks * N_CHROMOSOME, n_latent)

    def forward(self, x: SparseRows) -> torch.Tensor:
        """Map binary rows (n_cells, n_peaks) to latents (n_cells, n_latent)."""
        hidden = self.activation(self.first(x))
        return self.latent(self.second_activation(self.second(hidden)))


class ProteinEncoder(nn.Sequential):
    """CLR values to 64 units to the latent: the expression encoder's sizes.

    Not in the paper, which encodes no protein.

    Parameters
    ----------
    spec
        The modality.
    n_latent
        Size of the latent.
    """

    def __init__(self, spec: ModalitySpec, *, n_latent: int):
        n_hidden = spec.settings.n_hidden
        super().__init__(normed_layer(spec.n_features, n_hidden), normed_layer(n_hidden, n_latent))


class ExpressionDecoder(nn.Module):
    r"""Latent to 64 units to the mean and dispersion of every gene in every cell.

    .. math::
        \tilde y_{ij} \sim NB(\mu_{ij}, \theta_{ij}), \quad
        \mu = \exp(h W_\mu + b_\mu), \quad \theta = \text{softplus}(h W_\theta + b_\theta)

    for size-normalised counts :math:`\tilde y_{ij} = y_{ij} \, \text{median}(l) / l_i`, with the
    median of the training cells (BABEL, Methods). As in the published code, means are kept
    within 1e-5 and 1e6 and dispersions within 1e-4 and 1e3; beyond, gradients are 0. Its third,
    unused head is left out.

    Parameters
    ----------
    spec
        The modality.
    n_latent
        Size of the latent.
    """

    median_library: torch.Tensor

    def __init__(self, spec: ModalitySpec, *, n_latent: int):
        super().__init__()
        n_hidden = spec.settings.n_hidden
        self.hidden = normed_layer(n_latent, n_hidden)
        self.log_mean = dense_layer(n_hidden, spec.n_features)
        self.dispersion = dense_layer(n_hidden, spec.n_features)
        self.register_buffer("median_library", torch.tensor(1.0))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Map latents (n_cells, n_latent) to hidden units (n_cells, 64)."""
        return self.hidden(z)

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: Any) -> torch.Tensor:
        """Return the mean over genes of the negative log-likelihood, of shape (n_cells,)."""
        scale = self.median_library / counts.row_sums().clamp(min=1)
        y = counts.with_values(counts.values * scale[counts.row_index()])
        theta = F.softplus(self.dispersion(hidden)).clamp(*_DISPERSION)
        return dispersed_negative_binomial(self._log_mean(hidden), theta, y) / counts.n_columns

    def predict(self, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return means at the median library and their log1p, of shape (n_cells, n_genes)."""
        mean = torch.exp(self._log_mean(hidden))
        return {"X": torch.log1p(mean), "mean": mean}

    def moments(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return mean and variance of counts at a total, by default the median library."""
        mean = torch.exp(self._log_mean(hidden))
        if total is not None:
            mean = mean * (total / self.median_library)[:, None]
        theta = F.softplus(self.dispersion(hidden)).clamp(*_DISPERSION)
        return mean, mean + mean.square() / theta

    def _log_mean(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.log_mean(hidden).clamp(*_LOG_MEAN)


class AccessibilityDecoder(nn.Module):
    r"""Latent to 16 units a chromosome, each chromosome to 32 and to its peaks.

    .. math::
        b_{ij} \sim \text{Bernoulli}(p_{ij}), \quad
        p_{ij} = \sigma(h_{ic(j)} \cdot w_j + b_j)

    for binary peaks b (BABEL, Methods). Logits and loss are fused, so the matrix of cells x
    peaks is never formed in training. Of the published code's three heads a chromosome only the
    one that it uses exists. Blocks and targets have one chromosome order, which there they need
    not have.

    Parameters
    ----------
    spec
        The modality.
    n_latent
        Size of the latent.
    """

    def __init__(self, spec: ModalitySpec, *, n_latent: int):
        super().__init__()
        n_blocks, n_hidden = len(spec.blocks), spec.settings.n_hidden
        self.first = normed_layer(n_latent, n_blocks * N_CHROMOSOME)
        self.second = BlockedDense(n_blocks, N_CHROMOSOME, n_hidden)
        self.activation = NormPReLU(n_blocks * n_hidden, n_blocks=n_blocks)
        self.output = BlockedLinear(spec.blocks, n_hidden)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Map latents (n_cells, n_latent) to hidden units (n_cells, 32 * n_chromosomes)."""
        return self.activation(self.second(self.first(z)))

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: SparseRows) -> torch.Tensor:
        """Return the mean over peaks of the binary cross-entropy, of shape (n_cells,)."""
        no_offset = hidden.new_zeros(x.n_rows)
        return self.output.bernoulli_nll(hidden, x, no_offset) / x.n_columns

    def predict(self, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the peaks' probabilities, of shape (n_cells, n_peaks)."""
        return {"X": torch.sigmoid(self.output(hidden))}

    def moments(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return mean and variance of open peaks, whatever the total."""
        mean = torch.sigmoid(self.output(hidden))
        return mean, mean * (1 - mean)


class ProteinDecoder(nn.Module):
    """Latent to 64 units to CLR values, by squared errors: the paper's loss for proteins.

    Parameters
    ----------
    spec
        The modality.
    n_latent
        Size of the latent.
    """

    def __init__(self, spec: ModalitySpec, *, n_latent: int):
        super().__init__()
        self.hidden = normed_layer(n_latent, spec.settings.n_hidden)
        self.output = dense_layer(spec.settings.n_hidden, spec.n_features)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Map latents (n_cells, n_latent) to hidden units (n_cells, 64)."""
        return self.hidden(z)

    def nll(self, hidden: torch.Tensor, counts: SparseRows, x: torch.Tensor) -> torch.Tensor:
        """Return the mean over proteins of the squared errors, of shape (n_cells,)."""
        return (x - self.output(hidden)).square().mean(1)

    def predict(self, hidden: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return CLR values of shape (n_cells, n_proteins)."""
        return {"X": self.output(hidden)}

    def moments(
        self, hidden: torch.Tensor, total: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return CLR values, for which squared errors imply no variance."""
        return self.output(hidden), None


ENCODERS: dict[Kind, type[nn.Module]] = {
    "rna": ExpressionEncoder,
    "atac": AccessibilityEncoder,
    "protein": ProteinEncoder,
}
DECODERS: dict[Kind, type[nn.Module]] = {
    "rna": ExpressionDecoder,
    "atac": AccessibilityDecoder,
    "protein": ProteinDecoder,
}
