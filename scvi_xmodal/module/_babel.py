"""BABEL's network over any set of modalities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from scvi.module.base import BaseModuleClass, LossOutput
from torch import nn

from scvi_xmodal.module._babel_nets import DECODERS, ENCODERS
from scvi_xmodal.module._protein_head import ProteinHead
from scvi_xmodal.module._spec import KindDefaults
from scvi_xmodal.module._transforms import TRANSFORMS
from scvi_xmodal.module._uncertainty import UncertaintyMixin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module._spec import ModalitySpec, Path
    from scvi_xmodal.module._standardize import StandardScores
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows

BABEL_DEFAULTS: dict[Kind, KindDefaults] = {
    "rna": KindDefaults("log_normalize", "nb", 64, 0.0, 1.0),
    "atac": KindDefaults("binary", "bernoulli", 32, 0.0, 1.33, by_chromosome=True),
    "protein": KindDefaults("clr", "normal", 64, 0.0, 1.0, sparse_input=False),
}
"""BABEL's layer sizes and loss weights; proteins, which its paper only decodes, as RNA."""


class PointMass(NamedTuple):
    """A latent that is known exactly: its mean, and variances of 0, (n_cells, n_latent)."""

    mean: torch.Tensor
    variance: torch.Tensor


class BabelAE(UncertaintyMixin, BaseModuleClass):
    r"""Encoders into one latent and decoders out of it, each with each.

    .. math::
        z_s = E_s(x_s), \quad L = \sum_{(s, t)} w_t \, \ell_t(y_t, D_t(z_s))

    For RNA and ATAC these are the four paths of BABEL's loss (Methods, "BABEL Training"),

    .. math::
        L = L_{NB}(r, r_{RNA}) + \beta L_{BCE}(a, a_{ATAC}) + \beta L_{BCE}(a, a_{RNA})
        + L_{NB}(r, r_{ATAC}),

    each term the mean over cells and features, as in the published code; the paper's
    :math:`\beta = 1.33` presumes that (sums would weight ATAC by its many peaks). Every decoder
    is called once for each source, so that batch norm sees one source at a time. Latents are
    points; nothing but the cross terms aligns them.

    Modalities are looped over, so three make the same model with nine paths.

    Parameters
    ----------
    specs
        The modalities, with :data:`BABEL_DEFAULTS` or like settings.
    n_latent
        Size of the latent.

    Examples
    --------
    >>> from scvi_xmodal.module import BABEL_DEFAULTS, BabelAE, ModalitySpec
    >>> specs = [
    ...     ModalitySpec.build(k, k, ["a", "b", "c"], settings=BABEL_DEFAULTS[k])
    ...     for k in ("rna", "atac")
    ... ]
    >>> sorted(BabelAE(specs).paths)
    [('atac', 'atac'), ('atac', 'rna'), ('rna', 'atac'), ('rna', 'rna')]
    """

    # ModuleDicts, whose entries' types torch does not tell
    transforms: Any
    encoders: Any
    decoders: Any

    def __init__(self, specs: Sequence[ModalitySpec], *, n_latent: int = 16):
        super().__init__()
        self.n_latent = n_latent
        self.specs = {spec.key: spec for spec in specs}
        self.paths: tuple[Path, ...] = tuple((s, t) for s in self.specs for t in self.specs)
        self.transforms = nn.ModuleDict()
        self.encoders = nn.ModuleDict()
        self.decoders = nn.ModuleDict()
        for key, spec in self.specs.items():
            self.transforms[key] = TRANSFORMS[spec.settings.transform](spec)
            self.encoders[key] = ENCODERS[spec.kind](spec, n_latent=n_latent)
            self.decoders[key] = DECODERS[spec.kind](spec, n_latent=n_latent)
        self.protein_head: ProteinHead | None = None

    def fit_statistics(
        self,
        statistics: Mapping[str, FeatureStatistics],
        scores: Mapping[str, StandardScores],
    ) -> None:
        """Set transforms, standard scores and the median library from the training cells."""
        for key, own in statistics.items():
            self.transforms[key].fit(own)
        for key, own_scores in scores.items():
            self.encoders[key].standardize.fit(own_scores)
            self.decoders[key].median_library.fill_(statistics[key].median_library)

    def on_load(self, model: Any, **kwargs: Any) -> None:
        """Make room for the protein head's weights if the model was saved with one."""
        head = getattr(model, "protein_head_", None)
        if head is not None:
            self.protein_head = ProteinHead(
                self.n_latent, len(head["names"]), activation=head["activation"]
            )

    def _get_inference_input(
        self, tensors: Mapping[str, Any], paths: Sequence[Path] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        sources = dict.fromkeys(source for source, _ in paths or self.paths)
        return {"counts": {key: tensors[key] for key in sources}}

    def _get_generative_input(
        self, tensors: Mapping[str, Any], inference_outputs: Mapping[str, Any], **kwargs: Any
    ) -> dict[str, Any]:
        return {"z": inference_outputs["z"]}

    def inference(
        self, counts: Mapping[str, SparseRows], paths: Sequence[Path] | None = None
    ) -> dict[str, Any]:
        """Transform and encode the sources."""
        x = {key: self.transforms[key](rows) for key, rows in counts.items()}
        return {"x": x, "z": {key: self.encoders[key](own) for key, own in x.items()}}

    def generative(
        self, z: Mapping[str, torch.Tensor], paths: Sequence[Path] | None = None
    ) -> dict[str, Any]:
        """Decode every source's latent into its targets' hidden units, one call each."""
        return {"hidden": {(s, t): self.decoders[t](z[s]) for s, t in paths or self.paths}}

    def loss(
        self,
        tensors: Mapping[str, Any],
        inference_outputs: Mapping[str, Any],
        generative_outputs: Mapping[str, Any],
        kl_weight: float | torch.Tensor = 1.0,
    ) -> LossOutput:
        """Return the mean over cells of the weighted losses; reconstruction is unweighted.

        There is no KL divergence, so ``kl_weight`` changes nothing.
        """
        x, reconstruction = dict(inference_outputs["x"]), {}
        weighted = []
        for (source, target), hidden in generative_outputs["hidden"].items():
            if target not in x:
                x[target] = self.transforms[target](tensors[target])
            nll = self.decoders[target].nll(hidden, tensors[target], x[target])
            reconstruction[f"{source}_to_{target}"] = nll
            weighted.append(self.specs[target].settings.weight * nll.mean())
        return LossOutput(
            loss=torch.stack(weighted).sum(),
            reconstruction_loss=reconstruction,
            kl_local={"kl": torch.zeros_like(nll)},
            n_obs_minibatch=nll.shape[0],
        )

    def generator_parameters(self, paths: Iterable[Path]) -> list[nn.Parameter]:
        """Return the parameters that the given paths train; the protein head's never."""
        paths = list(paths)
        parts = [self.encoders[s] for s in dict.fromkeys(s for s, _ in paths)]
        parts += [self.decoders[t] for t in dict.fromkeys(t for _, t in paths)]
        return [parameter for part in parts for parameter in part.parameters()]

    @torch.inference_mode()
    def latent(self, source: str, counts: SparseRows) -> PointMass:
        """Return latents of shape (n_cells, n_latent) for counts (n_cells, n_features)."""
        z = self.encoders[source](self.transforms[source](counts))
        return PointMass(z, torch.zeros_like(z))

    @torch.inference_mode()
    def translate(
        self,
        counts: SparseRows,
        source: str,
        target: str,
        *,
        batch: torch.Tensor | None = None,
        total: torch.Tensor | None = None,
        via: str | None = None,
    ) -> dict[str, torch.Tensor]:
        """Translate counts of the source into the target's ``X`` and further layers.

        Parameters
        ----------
        counts
            Counts of shape (n_cells, n_features of the source).
        source, target
            The modalities; a target that has no decoder is the protein head's.
        batch, total
            Unused: the network knows neither batches nor depth.
        via
            Expression modality that is inferred first and encoded again; ``None`` for none.
        """
        z = self.latent(source, counts).mean
        if via is not None and via != source:
            z = self.latent_of_inferred(via, z)
        if target in self.decoders:
            return self.decoders[target].predict(self.decoders[target](z))
        assert self.protein_head is not None  # the model knows no such target without it
        return {"X": self.protein_head(z)}

    def _hidden(self, target: str, z: torch.Tensor, batch: torch.Tensor | None) -> torch.Tensor:
        return self.decoders[target](z)

    def _likelihood(self, target: str) -> Any:
        return self.decoders[target]

    def latent_of_inferred(self, key: str, z: torch.Tensor) -> torch.Tensor:
        """Infer expression from latents and encode it as if measured, (n_cells, n_latent).

        Inferred means are size-normalised as counts are, then logged, standardised and clipped.
        """
        decoder = self.decoders[key]
        mean = decoder.predict(decoder(z))["mean"]
        scale = decoder.median_library / mean.sum(1, keepdim=True).clamp(min=1e-12)
        return self.encoders[key].encode_dense(torch.log1p(mean * scale))

    def sample(self, *args: object, **kwargs: Any) -> torch.Tensor:
        """Not part of this model's vocabulary: its latents are points."""
        raise TypeError("BabelAE has no sample(); its latents are points: use translate(...).")
