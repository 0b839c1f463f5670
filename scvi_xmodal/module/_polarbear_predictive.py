"""Posterior predictive samples of a Pyro module, and what a translation keeps of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyro
import torch
from pyro.infer import Predictive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scvi_xmodal.nn import SparseRows


class PredictiveMixin:
    """Draws measurements of a target that nobody measured.

    Needs the module's ``guide``, ``_cells``, ``_decoded`` and ``_likelihood``.
    """

    guide: Any
    _cells: Any
    _decoded: Any
    _likelihood: Any

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
