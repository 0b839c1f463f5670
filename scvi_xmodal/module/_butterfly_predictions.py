"""What a trained Butterfly says of cells: latents, translations, depths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from scvi_xmodal.module._inputs import Inputs
from scvi_xmodal.module._likelihood import ShrinkableLikelihood
from scvi_xmodal.module._linear_path import Blend, LinearPath, Projection
from scvi_xmodal.module._partial import (
    PRESENCE,
    mean_of_blends,
    mean_of_posteriors,
    mean_over_sources,
)
from scvi_xmodal.module._shrinkage import Shrinkage
from scvi_xmodal.module._uncertainty import UncertaintyMixin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch.distributions import Normal

    from scvi_xmodal.module._spec import Path
    from scvi_xmodal.nn import SparseRows


class PredictionMixin(UncertaintyMixin):
    """Predicts out of the networks that :class:`~scvi_xmodal.module.ButterflyVAE` builds."""

    paths: tuple[Path, ...]
    encoders: Any
    decoders: Any
    translator: Any
    depth_predictors: Any
    shrinkages: Any
    projections: Any
    linear_paths: Any

    def _add_blends(self, n_components: int, n_batch: int) -> None:
        """Add what predictions are blended by: shares, and linear paths between modalities."""
        shrinkable = [(s, t) for s, t in self.paths if self.shrinks(t)]
        self.shrinkages = nn.ModuleDict({f"{s}_to_{t}": Shrinkage() for s, t in shrinkable})
        # a regression knows no batch to predict in
        across = [(s, t) for s, t in shrinkable if s != t and n_components and n_batch <= 1]
        self.linear_paths = nn.ModuleDict(
            {f"{s}_to_{t}": LinearPath(self.specs[t].n_features) for s, t in across}
        )
        self.projections = nn.ModuleDict(
            {s: Projection(self.specs[s].n_features) for s in dict.fromkeys(s for s, _ in across)}
        )

    def fit_batches(self, batches: Mapping[str, NDArray[np.int64]]) -> None:
        """Count the batches of each modality's training cells, of shape (n_cells,).

        Cells of batches without any are decoded in the others' average.
        """
        for key, codes in batches.items():
            self.decoders[key].batches.fit(codes)

    @torch.inference_mode()
    def latent(self, source: str | tuple[str, ...], counts: Any) -> Normal:
        """Return q(z) of shape (n_cells, n_latent) for counts (n_cells, n_features).

        For several sources ``counts`` is a minibatch of them, whose posteriors are averaged.
        """
        return self._posterior(source, Inputs(self.transforms, source, counts))

    def _posterior(self, source: str | tuple[str, ...], inputs: Inputs) -> Normal:
        own = {
            key: self.translator.posterior(key, self.encoders[key](inputs[key]))
            for key in inputs.counts
        }
        return own[source] if isinstance(source, str) else mean_of_posteriors(own, inputs.presence)

    @torch.inference_mode()
    def translate(
        self,
        counts: Any,
        source: str | tuple[str, ...],
        target: str,
        *,
        batch: torch.Tensor | None = None,
        total: torch.Tensor | None = None,
        z: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Translate counts of the source into the target's ``X`` and further layers.

        Parameters
        ----------
        counts
            Counts of shape (n_cells, n_features of the source); of several sources a minibatch;
            ``None`` for what the network alone decodes from ``z``.
        source, target
            The modalities.
        batch
            Batches to decode in, of shape (n_cells,).
        total
            Totals to predict at, of shape (n_cells,); by default the training median.
        z
            Latents to decode, of shape (n_cells, n_latent); by default the posterior means.
        """
        inputs = Inputs(self.transforms, source, counts)
        z = self._posterior(source, inputs).mean if z is None else z
        given = {} if counts is None else self._blends(inputs, source, target)
        hidden = self._hidden(target, z, batch)
        return self._likelihood(target).predict(hidden, total, **given)

    def shrinks(self, target: str) -> bool:
        """Tell whether predictions of a target are drawn towards its base rates."""
        likelihood = self._likelihood(target)
        return isinstance(likelihood, ShrinkableLikelihood) and likelihood.norm is None

    @torch.inference_mode()
    def losses_at(
        self,
        path: Path,
        counts: SparseRows,
        measured: SparseRows,
        weights: Sequence[tuple[float, float]],
        *,
        batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of measured cells for each pair of weights, (n_weights, n_cells).

        Parameters
        ----------
        path
            Source and target.
        counts, measured
            The same cells' counts of the source and of the target.
        weights
            Shares of the decoder's and of the linear path's deviations from the base rates.
        batch
            Batches to decode in, of shape (n_cells,).
        """
        source, target = path
        likelihood = self._likelihood(target)
        inputs = Inputs(self.transforms, source, counts)
        z = self._posterior(source, inputs).mean
        outputs = likelihood.outputs(self._hidden(target, z, batch))
        scores, coefficients = self._line(inputs, source, target)
        candidates = (
            Blend(outputs.new_tensor(share), scale * scores, coefficients)(
                outputs.clone(), likelihood.base
            )
            for share, scale in weights
        )
        return likelihood.losses(candidates, measured, self.transforms[target](measured))

    def for_components(self, source: str, counts: SparseRows) -> SparseRows | torch.Tensor:
        """Return what the source's components are taken of, of the counts' shape."""
        transform = self.transforms[source]
        return transform.for_components(transform(counts))

    def _given(self, counts: Any, source: str | tuple[str, ...], target: str) -> dict[str, Any]:
        return self._blends(Inputs(self.transforms, source, counts), source, target)

    def _blends(
        self, inputs: Inputs, source: str | tuple[str, ...], target: str
    ) -> dict[str, Any]:
        """Return how outputs are blended, as a keyword; of several sources the blends' mean."""
        if not self.shrinks(target):
            return {}
        own = {key: self._blend(inputs, key, target) for key in inputs.counts}
        if isinstance(source, str):
            return {"blend": own[source]}
        return {"blend": mean_of_blends(own, inputs.presence)}

    def _scores(self, inputs: Inputs, source: str) -> torch.Tensor:
        """Return the cells' scores on the source's components, (n_cells, n_components)."""
        return self.projections[source](self.transforms[source].for_components(inputs[source]))

    def _blend(self, inputs: Inputs, source: str, target: str) -> Blend:
        name = f"{source}_to_{target}"
        share = self.shrinkages[name].share
        path = self.linear_paths[name] if name in self.linear_paths else None
        if path is None or not path.is_used:
            return Blend(share, *self._no_line(inputs, source, target))
        scores = path.weight * path.scale * path(self._scores(inputs, source))
        return Blend((1 - path.weight) * share, scores, path.coefficients)

    def _line(self, inputs: Inputs, source: str, target: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scores and coefficients of a path, whatever its weight."""
        name = f"{source}_to_{target}"
        if name not in self.linear_paths or not self.linear_paths[name].is_fitted:
            return self._no_line(inputs, source, target)
        path = self.linear_paths[name]
        return path(self._scores(inputs, source)), path.coefficients

    def _no_line(
        self, inputs: Inputs, source: str, target: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        base = self._likelihood(target).base
        return base.new_zeros(inputs.counts[source].n_rows, 0), base.new_zeros(0, base.shape[0])

    def _hidden(self, target: str, z: torch.Tensor, batch: torch.Tensor | None) -> torch.Tensor:
        return self.decoders[target](self.translator.decode(target, z), batch)

    def _likelihood(self, target: str) -> Any:
        return self.decoders[target].likelihood

    @torch.inference_mode()
    def predict_depth(
        self, counts: Any, source: str | tuple[str, ...], target: str
    ) -> torch.Tensor:
        """Return the target's total to expect for source counts, of shape (n_cells,).

        Of several sources it is the geometric mean of what each predicts.
        """
        if not isinstance(source, str):
            own = {
                k: self.predict_depth(counts[k], k, target).log() for k in source if k in counts
            }
            return mean_over_sources(own, counts.get(PRESENCE)).exp()
        return self.depth_predictors[f"{source}_to_{target}"](counts)

    def sample(self, *args: object, **kwargs: Any) -> torch.Tensor:
        """Not part of this model's vocabulary: draw latents and give them to `translate`."""
        raise TypeError("ButterflyVAE has no sample(); use translate(..., z=qz.sample()).")
