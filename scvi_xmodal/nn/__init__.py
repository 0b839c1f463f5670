"""Layers and losses on tensors."""

from __future__ import annotations

from scvi_xmodal.nn._bag import bag_product
from scvi_xmodal.nn._chromosome import BlockedLinear, BlockedSparseLinear
from scvi_xmodal.nn._dense import DenseLayer
from scvi_xmodal.nn._discriminator import (
    Discriminator,
    discriminator_loss,
    partial_discriminator_loss,
)
from scvi_xmodal.nn._dispersed import dispersed_negative_binomial
from scvi_xmodal.nn._expected_log1p import expected_log1p, expected_log1p_table
from scvi_xmodal.nn._mask import Mask
from scvi_xmodal.nn._negative_binomial import negative_binomial_kernel
from scvi_xmodal.nn._prelu import BlockedDense, NormPReLU
from scvi_xmodal.nn._presence import Presence
from scvi_xmodal.nn._softplus import softplus_sum
from scvi_xmodal.nn._sparse import SparseRows
from scvi_xmodal.nn._translator import Translator
from scvi_xmodal.nn._zero_inflated import zero_inflation

__all__ = [
    "BlockedDense",
    "BlockedLinear",
    "BlockedSparseLinear",
    "DenseLayer",
    "Discriminator",
    "Mask",
    "NormPReLU",
    "Presence",
    "SparseRows",
    "Translator",
    "bag_product",
    "discriminator_loss",
    "dispersed_negative_binomial",
    "expected_log1p",
    "expected_log1p_table",
    "negative_binomial_kernel",
    "partial_discriminator_loss",
    "softplus_sum",
    "zero_inflation",
]
