"""What a trained Polarbear says of cells: latents, translations and samples of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyro
import torch
from pyro.infer import Predictive

from scvi_xmodal.module._uncertainty import UncertaintyMixin

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyro.distributions as dist

    from scvi_xmodal.nn import SparseRows


class PredictiveMixin(UncertaintyMixin):
    """Translates, and draws measurements of a target that nobody measured.

    Needs the module's ``guide``, ``posterior``, ``across``, ``_cells`` and ``_decoded``.
    """

    decoders: Any
    depth_predictors: Any
    guide: Any
    posterior: Any
    across: Any
    _cells: Any
    _decoded: Any

    def simulator(
        self,
        tensors: Mapping[str, Any],
        path: tuple[str, str],
        total: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Generate a path's target, which nobody observed, at totals of shape (n_cells,)."""
        source, target = path
        with self._cells(tensors[source], None):
            hidden = self._decoded(tensors, path)
            return pyro.sample(target, self._likelihood(target).distribution(hidden, total))

    @torch.inference_mode()
    def predictive(
        self,
        counts: SparseRows,
        source: str,
        target: str,
        *,
        n_samples: int,
        batch: torch.Tensor | None = None,
        total: torch.Tensor | None = None,
        own_batch: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Draw from the posterior predictive distribution by :class:`pyro.infer.Predictive`.

        Parameters are those of ``translate``; torch's global generator draws.

        Returns
        -------
        Measurements under the target's name, of shape (n_samples, n_cells, n_features), and the
        latents behind them, ``"z"``.
        """
        path = (source, target)
        own_batch = batch if own_batch is None else own_batch
        tensors: dict[str, Any] = {source: counts, "encoder_batch": own_batch}
        if batch is not None:
            tensors[f"{target}_batch"] = batch
        draw = Predictive(
            partial(self.simulator, path=path, total=total),
            guide=partial(self.guide, path=path),
            num_samples=n_samples,
            return_sites=("z", target),
        )
        return draw(tensors)

    @staticmethod
    def summary_of_samples(samples: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return mean and standard deviation of samples as layers, (n_cells, n_features).

        Parameters
        ----------
        samples
            Samples of shape (n_samples, n_cells, n_features).

        Examples
        --------
        >>> import torch
        >>> from scvi_xmodal.module import PolarbearVAE
        >>> layers = PolarbearVAE.summary_of_samples(torch.tensor([0.0, 1, 5])[:, None, None])
        >>> {name: values.item() for name, values in layers.items()}
        {'predictive_mean': 2.0, 'predictive_std': 2.645751...}
        """
        spread = samples.std(0) if len(samples) > 1 else torch.zeros_like(samples[0])
        return {"predictive_mean": samples.mean(0), "predictive_std": spread}

    @torch.inference_mode()
    def latent(
        self, source: str, counts: SparseRows, own_batch: torch.Tensor | None = None
    ) -> dist.Normal:
        """Return q(z) of shape (n_cells, n_latent) for counts (n_cells, n_features)."""
        return self.posterior(source, {source: counts, "encoder_batch": own_batch})

    @torch.inference_mode()
    def translate(
        self,
        counts: SparseRows,
        source: str,
        target: str,
        *,
        batch: torch.Tensor | None = None,
        total: torch.Tensor | None = None,
        own_batch: torch.Tensor | None = None,
        z: torch.Tensor | None = None,
        n_samples: int | None = None,
    ) -> dict[str, torch.Tensor]:
        """Translate counts of the source into the target's ``X`` and further layers.

        Parameters
        ----------
        counts
            Counts of shape (n_cells, n_features of the source).
        source, target
            The modalities.
        batch
            Batches to decode in, of shape (n_cells,).
        total
            Totals to predict at, of shape (n_cells,); by default the training median.
        own_batch
            Batches to encode in, of shape (n_cells,), -1 where unknown; by default ``batch``.
        z
            The source's latents, of shape (n_cells, n_latent); by default the posterior means.
        n_samples
            Posterior predictive samples to draw, whose mean and deviation become layers.
        """
        own_batch = batch if own_batch is None else own_batch
        z = self.latent(source, counts, own_batch).mean if z is None else z
        hidden = self._hidden_of(source, target, z, batch)
        layers = self._likelihood(target).predict(hidden, total)
        if n_samples is not None:
            options: dict[str, Any] = {"batch": batch, "total": total, "own_batch": own_batch}
            drawn = self.predictive(counts, source, target, n_samples=n_samples, **options)
            layers |= self.summary_of_samples(drawn[target])
        return layers

    def _hidden(self, target: str, z: torch.Tensor, batch: torch.Tensor | None) -> torch.Tensor:
        return self.decoders[target](z, batch)

    def _hidden_of(
        self, source: str, target: str, z: torch.Tensor, batch: torch.Tensor | None
    ) -> torch.Tensor:
        return self._hidden(target, self.across(z, (source, target)), batch)

    def _likelihood(self, target: str) -> Any:
        return self.decoders[target].likelihood

    def _latent_in(
        self, source: str, counts: SparseRows, batch: torch.Tensor | None
    ) -> dist.Normal:
        return self.latent(source, counts, batch)

    @torch.inference_mode()
    def predict_depth(self, counts: SparseRows, source: str, target: str) -> torch.Tensor:
        """Return the target's total to expect for source counts, of shape (n_cells,)."""
        return self.depth_predictors[f"{source}_to_{target}"](counts)
