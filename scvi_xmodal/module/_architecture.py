"""The choices that make a Butterfly, and the two sets of them that have names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Architecture:
    """Sizes, layers and loss weights of :class:`~scvi_xmodal.module.ButterflyVAE`.

    Parameters
    ----------
    n_embedding
        Size of encoder outputs and decoder inputs.
    n_latent
        Size of the latent.
    dropout_rate
        Dropout after the first layer of encoders and decoders; in decoders of proteins at most
        .1.
    reduction
        ``"sum"`` over features, a true likelihood, or ``"mean"`` over elements, as published.
    adversarial_weight
        Weight of the discriminators' loss in the generator's.
    adversarial_gate
        The term counts only while the discriminators' loss is below this value
        (chance: 1.386 for two modalities; 2.079 for three, of which it asks much more).
    n_discriminator_layers
        2 as in scButterfly's paper, 1 as in its code.
    output_batch_norm
        Whether decoders end in a batch norm, as in scButterfly's code.
    head_activation
        Whether the latent's heads end in batch norm and LeakyReLU, as published.
    stack_sources
        Whether the decodings of all sources share one pass, and so its batch statistics.
    n_components
        Components of a source that its linear paths read
        (:class:`~scvi_xmodal.module.LinearPath`); 0 for no linear path, as published. There is
        none either where decoders know batches, which a regression does not.
    """

    n_embedding: int = 128
    n_latent: int = 32
    dropout_rate: float = 0.6
    reduction: Literal["sum", "mean"] = "sum"
    adversarial_weight: float = 10.0
    adversarial_gate: float = 1.35
    n_discriminator_layers: int = 2
    output_batch_norm: bool = False
    head_activation: bool = False
    stack_sources: bool = True
    n_components: int = 20


PUBLISHED = Architecture(
    n_latent=128,
    dropout_rate=0.1,
    reduction="mean",
    adversarial_weight=1.0,
    n_discriminator_layers=1,
    output_batch_norm=True,
    head_activation=True,
    stack_sources=False,
    n_components=0,
)
"""scButterfly 0.0.9 as its code runs."""
