"""How counts arise from the decoder: output layers with their likelihoods, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scvi_xmodal.module._bernoulli import Bernoulli, TfIdfBernoulli
from scvi_xmodal.module._likelihood import Likelihood, ShrinkableLikelihood
from scvi_xmodal.module._negative_binomial import NegativeBinomial
from scvi_xmodal.module._normal import Normal

if TYPE_CHECKING:
    from scvi_xmodal.module._spec import LikelihoodName

__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "Likelihood",
    "NegativeBinomial",
    "Normal",
    "ShrinkableLikelihood",
    "TfIdfBernoulli",
]

LIKELIHOODS: dict[LikelihoodName, type[Likelihood]] = {
    "nb": NegativeBinomial,
    "bernoulli": Bernoulli,
    "tfidf": TfIdfBernoulli,
    "normal": Normal,
}
