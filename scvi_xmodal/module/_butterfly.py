"""scButterfly's network over any set of modalities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from scvi.module.base import BaseModuleClass, LossOutput
from torch import nn
from torch.distributions import Normal, kl_divergence

from scvi_xmodal.module._architecture import Architecture
from scvi_xmodal.module._butterfly_predictions import PredictionMixin
from scvi_xmodal.module._depth import DepthPredictor
from scvi_xmodal.module._nets import Decoder, Encoder
from scvi_xmodal.module._partial import (
    PRESENCE,
    fit_depth,
    of_cells,
    partial_output,
    partly_decoded,
)
from scvi_xmodal.module._transforms import TRANSFORMS
from scvi_xmodal.nn import (
    Discriminator,
    Translator,
    discriminator_loss,
    partial_discriminator_loss,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from scvi_xmodal.module._spec import ModalitySpec, Path
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import Presence, SparseRows


class ButterflyVAE(PredictionMixin, BaseModuleClass):
    r"""Encoders, a variational translator, decoders and discriminators.

    .. math::
        e_s = E_s(x_s), \quad z_s \sim q(z \mid e_s), \quad
        \hat e_{st} = f_t(z_s), \quad y_t \sim p(y_t \mid D_t(\hat e_{st}))

    for every source s and target t (scButterfly, Methods). The loss of a cell is

    .. math::
        \sum_{(s, t)} w_t \, \ell_t(y_t, \hat e_{st}) + \beta \sum_s KL(q(z \mid e_s) \| N(0, 1))
        - \lambda L_{dis}

    Modalities are looped over, so two or three of any kind make the same model.

    Parameters
    ----------
    specs
        The modalities.
    architecture
        Sizes, layers and loss weights.
    n_batch
        Number of batches that the decoders are told of.

    Examples
    --------
    >>> from scvi_xmodal.module import ButterflyVAE, ModalitySpec
    >>> specs = [ModalitySpec.build(k, k, ["a", "b", "c"]) for k in ("rna", "atac")]
    >>> sorted(ButterflyVAE(specs).paths)
    [('atac', 'atac'), ('atac', 'rna'), ('rna', 'atac'), ('rna', 'rna')]
    """

    # ModuleDicts, whose entries' types torch does not tell
    transforms: Any
    encoders: Any
    decoders: Any
    pretraining_translators: Any
    discriminators: Any
    depth_predictors: Any
    shrinkages: Any
    projections: Any
    linear_paths: Any

    def __init__(
        self,
        specs: Sequence[ModalitySpec],
        architecture: Architecture | None = None,
        *,
        n_batch: int = 0,
    ):
        super().__init__()
        self.architecture = a = architecture or Architecture()
        self.n_latent = a.n_latent
        self.specs = {spec.key: spec for spec in specs}
        keys = list(self.specs)
        self.paths: tuple[Path, ...] = tuple((s, t) for s in keys for t in keys)
        self.transforms = nn.ModuleDict()
        self.encoders = nn.ModuleDict()
        self.decoders = nn.ModuleDict()
        for key, spec in self.specs.items():
            self.transforms[key] = TRANSFORMS[spec.settings.transform](spec)
            self.encoders[key] = Encoder(
                spec, n_embedding=a.n_embedding, dropout_rate=a.dropout_rate
            )
            self.decoders[key] = Decoder(
                spec,
                n_embedding=a.n_embedding,
                dropout_rate=a.dropout_rate,
                n_batch=n_batch,
                output_batch_norm=a.output_batch_norm,
            )
        heads: dict[str, Any] = {
            "n_embedding": a.n_embedding,
            "n_latent": a.n_latent,
            "head_activation": a.head_activation,
        }
        self.translator = Translator(keys, keys, **heads)
        self.pretraining_translators = nn.ModuleDict(
            {key: Translator([key], [key], **heads) for key in keys}
        )
        self.discriminators = nn.ModuleDict(
            {key: Discriminator(a.n_embedding, n_layers=a.n_discriminator_layers) for key in keys}
        )
        self.depth_predictors = nn.ModuleDict(
            {f"{s}_to_{t}": DepthPredictor() for s, t in self.paths}
        )
        self._add_blends(a.n_components, n_batch)

    def fit_statistics(
        self,
        statistics: Mapping[str, FeatureStatistics],
        *,
        paired: bool = True,
        pairs: Mapping[str, NDArray[np.int64]] | None = None,
    ) -> None:
        """Set transforms, output biases and depth predictors from the training cells.

        Parameters
        ----------
        statistics
            Statistics of each modality over the training cells.
        paired
            Whether all modalities' cells are the same, in the same order, or ``pairs`` says
            which belong together; otherwise depth is not predicted.
        pairs
            Number of each pair's cell among each modality's, of shape (n_pairs,), -1 where it
            was not measured. Between modalities without a pair the target's median depth is
            predicted.
        """
        for key, own in statistics.items():
            self.transforms[key].fit(own)
            self.decoders[key].likelihood.fit(own)
        if paired:
            fit_depth(self, statistics, pairs)

    def _get_inference_input(
        self, tensors: Mapping[str, Any], paths: Sequence[Path] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        sources = dict.fromkeys(source for source, _ in paths or self.paths)
        present = tensors.get(PRESENCE)
        if present is not None:
            fewest = 2 if self.training else 1  # batch norm cannot be computed over one cell
            sources = {s: None for s in sources if len(present.cells.get(s, ())) >= fewest}
        return {"counts": {key: tensors[key] for key in sources}}

    def _get_generative_input(
        self,
        tensors: Mapping[str, Any],
        inference_outputs: Mapping[str, Any],
        **kwargs: Any,
    ) -> dict[str, Any]:
        batch = {key: tensors.get(f"{key}_batch") for key in self.specs}
        return {"z": inference_outputs["z"], "batch": batch, "presence": tensors.get(PRESENCE)}

    def translator_of(self, paths: Sequence[Path]) -> Translator:
        """Return the translator that serves these paths: a single pretraining one or the main."""
        if len(paths) == 1 and paths[0][0] == paths[0][1]:
            return self.pretraining_translators[paths[0][0]]
        return self.translator

    def inference(
        self, counts: Mapping[str, SparseRows], paths: Sequence[Path] | None = None
    ) -> dict[str, Any]:
        """Encode the sources; latents are samples in training and means otherwise."""
        translator = self.translator_of(paths or self.paths)
        x = {key: self.transforms[key](rows) for key, rows in counts.items()}
        embedding = {key: self.encoders[key](rows) for key, rows in x.items()}
        qz = {key: translator.posterior(key, e) for key, e in embedding.items()}
        z = {key: q.rsample() if self.training else q.mean for key, q in qz.items()}
        return {"x": x, "embedding": embedding, "qz": qz, "z": z}

    def generative(
        self,
        z: Mapping[str, torch.Tensor],
        batch: Mapping[str, torch.Tensor | None],
        paths: Sequence[Path] | None = None,
        presence: Presence | None = None,
    ) -> dict[str, Any]:
        """Translate latents into each target's embeddings and the decoder's hidden units."""
        paths = paths or self.paths
        translator = self.translator_of(paths)
        if presence is not None:
            paths = [(s, t) for s, t in paths if s in z and t in z]
        translated = {(s, t): translator.decode(t, z[s]) for s, t in paths}
        if presence is not None:
            return {
                "translated": translated,
                "hidden": partly_decoded(self, translated, batch, presence),
            }
        hidden = {}
        for target in dict.fromkeys(t for _, t in paths):
            sources = [s for s, t in paths if t == target]
            for group in [sources] if self.architecture.stack_sources else [[s] for s in sources]:
                stacked = torch.cat([translated[s, target] for s in group])
                labels = batch[target]
                labels = None if labels is None else labels.view(-1).repeat(len(group))
                hidden[(*group, target)] = self.decoders[target](stacked, labels)
        return {"translated": translated, "hidden": hidden}

    def loss(
        self,
        tensors: Mapping[str, Any],
        inference_outputs: Mapping[str, Any],
        generative_outputs: Mapping[str, Any],
        kl_weight: float | torch.Tensor = 1.0,
    ) -> LossOutput:
        """Return the mean over cells of the weighted losses; reconstruction is unweighted."""
        reconstruction: dict[str, torch.Tensor] = {}
        weighted: Any = 0.0
        present = tensors.get(PRESENCE)
        # weights balance modalities against each other; alone, in pretraining, none is needed
        alone = len({key[-1] for key in generative_outputs["hidden"]}) == 1
        for (*sources, target), hidden in generative_outputs["hidden"].items():
            measured = tensors[target], inference_outputs["x"].get(target)
            if present is not None:
                measured = of_cells(measured, present.shared(sources[0], target)[1])
            nll = self._nll(target, hidden, *measured)
            by_source = nll.view(len(sources), -1)
            weight = 1.0 if alone else self.specs[target].settings.weight
            for source, own in zip(sources, by_source, strict=True):
                reconstruction[f"{source}_to_{target}"] = own
                weighted = weighted + weight * own.mean()
        standard = Normal(0.0, 1.0, validate_args=False)
        kl = {
            f"kl_{key}": self._reduce_latent(kl_divergence(qz, standard))
            for key, qz in inference_outputs["qz"].items()
        }
        if not kl:  # single cells of each modality: nothing to learn in this minibatch
            kl = {"kl": next(self.parameters()).new_zeros(1) * next(self.parameters()).sum()}
        loss = weighted + kl_weight * torch.stack([own.mean() for own in kl.values()]).sum()
        if present is not None:
            return partial_output(loss, reconstruction, kl, present)
        return LossOutput(
            loss=loss,
            reconstruction_loss=reconstruction,
            kl_local=kl,
            n_obs_minibatch=next(iter(reconstruction.values())).shape[0],
        )

    def _nll(
        self,
        target: str,
        hidden: torch.Tensor,
        counts: SparseRows,
        x: SparseRows | torch.Tensor | None,
    ) -> torch.Tensor:
        own = self.transforms[target](counts) if x is None else x
        nll = self.decoders[target].likelihood.nll(hidden, counts, own)
        if self.architecture.reduction == "mean":
            return nll / self.specs[target].n_features
        return nll

    def _reduce_latent(self, kl: torch.Tensor) -> torch.Tensor:
        return kl.mean(1) if self.architecture.reduction == "mean" else kl.sum(1)

    def discriminator_loss(
        self,
        embedding: Mapping[str, torch.Tensor],
        translated: Mapping[Path, torch.Tensor],
        presence: Presence | None = None,
    ) -> torch.Tensor:
        """Return the discriminators' loss, each fed with one other modality's translations."""
        keys = list(embedding)
        shift = 1 if len(keys) <= 2 else int(torch.randint(1, len(keys), ()))
        source = {target: keys[(i + shift) % len(keys)] for i, target in enumerate(keys)}
        fake = {target: translated[own, target] for target, own in source.items()}
        if presence is None:
            return discriminator_loss(self.discriminators, embedding, fake)
        named = {key: (source[key], own) for key, own in fake.items() if source[key] != key}
        return partial_discriminator_loss(self.discriminators, embedding, named, presence)

    def generator_parameters(self, paths: Iterable[Path]) -> list[nn.Parameter]:
        """Return the parameters that the given paths train."""
        paths = list(paths)
        parts: list[nn.Module] = [self.translator_of(paths)]
        parts += [self.encoders[s] for s in dict.fromkeys(s for s, _ in paths)]
        parts += [self.decoders[t] for t in dict.fromkeys(t for _, t in paths)]
        return [parameter for part in parts for parameter in part.parameters()]
