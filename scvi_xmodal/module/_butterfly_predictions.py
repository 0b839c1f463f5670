"""What a trained Butterfly says of cells: latents, translations, depths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from scvi_xmodal.module._likelihood import ShrinkableLikelihood
from scvi_xmodal.module._partial import PRESENCE, mean_of_posteriors, mean_over_sources
from scvi_xmodal.module._uncertainty import UncertaintyMixin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.distributions import Normal

    from scvi_xmodal.module._spec import Path
    from scvi_xmodal.nn import SparseRows


class PredictionMixin(UncertaintyMixin):
    """Predicts out of the networks that :class:`~scvi_xmodal.module.ButterflyVAE` builds."""

    encoders: Any
    decoders: Any
    translator: Any
    depth_predictors: Any
    shrinkages: Any

    @torch.inference_mode()
    def latent(self, source: str | tuple[str, ...], counts: Any) -> Normal:
        """Return q(z) of shape (n_cells, n_latent) for counts (n_cells, n_features).

        For several sources ``counts`` is a minibatch of them, whose posteriors are averaged.
        """
        if not isinstance(source, str):
            return mean_of_posteriors(
                {key: self.latent(key, counts[key]) for key in source if key in counts},
                counts.get(PRESENCE),
            )
        embedding = self.encoders[source](self.transforms[source](counts))
        return self.translator.posterior(source, embedding)

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
            Counts of shape (n_cells, n_features of the source); of several sources a minibatch.
        source, target
            The modalities.
        batch
            Batches to decode in, of shape (n_cells,).
        total
            Totals to predict at, of shape (n_cells,); by default the training median.
        z
            Latents to decode, of shape (n_cells, n_latent); by default the posterior means.
        """
        z = self.latent(source, counts).mean if z is None else z
        hidden = self._hidden(target, z, batch)
        return self._likelihood(target).predict(hidden, total, **self._share(source, target))

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
        shares: Sequence[float],
        *,
        batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the loss of measured cells for each share of :class:`Shrinkage`.

        Parameters
        ----------
        path
            Source and target.
        counts, measured
            The same cells' counts of the source and of the target.
        shares
            Shares to try.
        batch
            Batches to decode in, of shape (n_cells,).
        """
        source, target = path
        hidden = self._hidden(target, self.latent(source, counts).mean, batch)
        return self._likelihood(target).losses_at(hidden, measured, shares)

    def _share(self, source: str | tuple[str, ...], target: str) -> dict[str, torch.Tensor]:
        """Return the path's share as a keyword; of several sources their shares' mean."""
        if not self.shrinks(target):
            return {}
        sources = (source,) if isinstance(source, str) else source
        shares = [self.shrinkages[f"{own}_to_{target}"].share for own in sources]
        return {"share": torch.stack(shares).mean()}

    def _moments_of(
        self, source: Any, target: str, hidden: torch.Tensor, total: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self._likelihood(target).moments(hidden, total, **self._share(source, target))

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
