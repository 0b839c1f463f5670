"""Polarbear's generative model and guide, in Pyro."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyro
import torch
from pyro import distributions as dist
from pyro import poutine
from scvi.module.base import PyroBaseModuleClass
from torch import nn

from scvi_xmodal.module._depth import DepthPredictor
from scvi_xmodal.module._polarbear_nets import PolarbearDecoder, PolarbearEncoder
from scvi_xmodal.module._polarbear_predictive import PredictiveMixin
from scvi_xmodal.module._spec import KindDefaults
from scvi_xmodal.module._transforms import TRANSFORMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind
    from scvi_xmodal.module._spec import ModalitySpec, Path
    from scvi_xmodal.module._statistics import FeatureStatistics
    from scvi_xmodal.nn import SparseRows

POLARBEAR_DEFAULTS: dict[Kind, KindDefaults] = {
    "rna": KindDefaults("log_normalize", "nb", 256, 0.5, 1.0),
    "atac": KindDefaults("tfidf", "bernoulli", 32, 0.3, 1.0, by_chromosome=True),
    "protein": KindDefaults("clr", "normal", 128, 0.0, 1.0, sparse_input=False),
}
"""Inputs, masks and layer sizes of each kind of modality."""


class PolarbearVAE(PredictiveMixin, PyroBaseModuleClass):
    r"""One autoencoder a modality and one linear map between latents for each direction.

    For a cell measured in the source s, with batch b,

    .. math::
        z_s \sim N(0, I), \quad
        y_t \sim p(y_t \mid D_t(T_{s \to t} z_s, b)), \quad
        q(z_s \mid x_s) = N(E_s(\tilde x_s, b))

    where :math:`T_{s \to s}` is the identity. The paths (s, s) are autoencoders, for which any
    cell with that modality will do; the paths (s, t) are trained on paired cells with
    :math:`E_s` and :math:`D_t` frozen (Zhang et al. 2022, "Methods": Polarbear's four stages).

    :meth:`model` and :meth:`guide` are plain functions over torch modules: no parameter of theirs
    is in Pyro's global store, so nothing that is there, or is cleared from it, matters. Where the
    target is observed, its likelihood enters as a :func:`pyro.factor` with the fused loss, so no
    matrix of cells x peaks is formed; where it is not, it is sampled.

    Parameters
    ----------
    specs
        The modalities, with :data:`POLARBEAR_DEFAULTS` or like settings.
    n_latent
        Size of each latent.
    n_hidden
        Units of the layer next to the latent.
    dropout_rate
        Dropout after each layer.
    n_batch
        Number of batches; below 2 there are none.
    zero_inflated
        Whether RNA's zeros are inflated.

    Examples
    --------
    >>> from scvi_xmodal.module import ModalitySpec, PolarbearVAE
    >>> specs = [ModalitySpec.build(k, k, ["a", "b", "c"]) for k in ("rna", "atac")]
    >>> sorted(PolarbearVAE(specs).translators)
    ['atac_to_rna', 'rna_to_atac']
    """

    # ModuleDicts, whose entries' types torch does not tell
    transforms: Any
    encoders: Any
    decoders: Any
    translators: Any
    depth_predictors: Any

    def __init__(
        self,
        specs: Sequence[ModalitySpec],
        *,
        n_latent: int = 25,
        n_hidden: int = 128,
        dropout_rate: float = 0.4,
        n_batch: int = 0,
        zero_inflated: bool = False,
    ):
        super().__init__()
        self.n_latent = n_latent
        self.specs = {spec.key: spec for spec in specs}
        self.paths: tuple[Path, ...] = tuple((s, t) for s in self.specs for t in self.specs)
        sizes: dict[str, Any] = {
            "n_latent": n_latent,
            "n_hidden": n_hidden,
            "n_batch": n_batch,
            "dropout_rate": dropout_rate,
        }
        self.transforms = nn.ModuleDict()
        self.encoders = nn.ModuleDict()
        self.decoders = nn.ModuleDict()
        for key, spec in self.specs.items():
            self.transforms[key] = TRANSFORMS[spec.settings.transform](spec)
            self.encoders[key] = PolarbearEncoder(spec, **sizes)
            self.decoders[key] = PolarbearDecoder(spec, zero_inflated=zero_inflated, **sizes)
        self.translators = nn.ModuleDict(
            {f"{s}_to_{t}": _constant_map(n_latent) for s, t in self.paths if s != t}
        )
        self.depth_predictors = nn.ModuleDict(
            {f"{s}_to_{t}": DepthPredictor() for s, t in self.paths}
        )

    @property
    def device(self) -> torch.device:
        """Device of the parameters, as scvi-tools' models ask for it."""
        return next(self.parameters()).device

    def fit_statistics(
        self,
        statistics: Mapping[str, FeatureStatistics],
        *,
        pairs: Mapping[Path, tuple[NDArray, NDArray]],
        batches: Mapping[str, NDArray] | None = None,
    ) -> None:
        """Set transforms, output biases, batch shares and depth from the training cells.

        Parameters
        ----------
        statistics
            Statistics of each modality over all training cells that have it.
        pairs
            For each path the numbers of the paired cells among the source's and among the
            target's training cells.
        batches
            Batch code of each modality's training cells, if there are batches.
        """
        for key, own in statistics.items():
            self.transforms[key].fit(own)
            self.decoders[key].likelihood.fit(own)
            if batches is not None:
                self.encoders[key].batches.fit(batches[key])
                self.decoders[key].batches.fit(batches[key])
        for (source, target), (of_source, of_target) in pairs.items():
            totals = self.decoders[target].likelihood.totals_of(statistics[target])[of_target]
            predictor = self.depth_predictors[f"{source}_to_{target}"]
            predictor.fit(statistics[source].of_cells(of_source), totals)

    def on_load(self, model: Any, **kwargs: Any) -> None:
        """Do nothing: scvi-tools would clear Pyro's store and train a step to fill it."""

    @staticmethod
    def _get_fn_args_from_batch(tensor_dict: dict[str, Any]) -> Any:
        return (tensor_dict,), {}

    def model(
        self,
        tensors: Mapping[str, Any],
        path: Path,
        n_obs: int | None = None,
        kl_weight: float = 1.0,
    ) -> None:
        """Explain a path's observed target.

        Parameters
        ----------
        tensors
            Counts of shape (n_cells, n_features) by modality, and batch codes of shape (n_cells,)
            as ``"rna_batch"``.
        path
            Source of the latent, and target.
        n_obs
            Number of cells that this minibatch stands for; by default its own.
        kl_weight
            Weight of the latent's divergence.
        """
        source, target = path
        with self._cells(tensors[source], n_obs):
            hidden = self._decoded(tensors, path, kl_weight)
            own = self.transforms[target](tensors[target])
            pyro.factor(target, -self._likelihood(target).nll(hidden, tensors[target], own))

    def guide(
        self,
        tensors: Mapping[str, Any],
        path: Path,
        n_obs: int | None = None,
        kl_weight: float = 1.0,
    ) -> None:
        """Draw the latent from its posterior given the source; arguments as of :meth:`model`.

        ``tensors`` may hold the batch to encode in as ``"encoder_batch"`` where that is another.
        """
        source, _ = path
        with self._cells(tensors[source], n_obs), poutine.scale(scale=kl_weight):
            pyro.sample("z", self.posterior(source, tensors).to_event(1))

    def _decoded(
        self, tensors: Mapping[str, Any], path: Path, kl_weight: float = 1.0
    ) -> torch.Tensor:
        """Return the target's hidden units of sampled latents."""
        source, target = path
        with poutine.scale(scale=kl_weight):
            z = pyro.sample("z", self._prior(tensors[source].n_rows))
        return self.decoders[target](self.across(z, path), tensors.get(f"{target}_batch"))

    def posterior(self, source: str, tensors: Mapping[str, Any]) -> dist.Normal:
        """Return q(z) of shape (n_cells, n_latent)."""
        batch = tensors.get("encoder_batch", tensors.get(f"{source}_batch"))
        return self.encoders[source](self.transforms[source](tensors[source]), batch)

    def across(self, z: torch.Tensor, path: Path) -> torch.Tensor:
        """Map the source's latents to the target's, of shape (n_cells, n_latent)."""
        source, target = path
        return z if source == target else self.translators[f"{source}_to_{target}"](z)

    def _prior(self, n_cells: int) -> dist.TorchDistribution:
        like = next(self.parameters())
        zeros = like.new_zeros(n_cells, self.n_latent)
        return dist.Normal(zeros, torch.ones_like(zeros)).to_event(1)

    @staticmethod
    def _cells(counts: SparseRows, n_obs: int | None) -> pyro.plate:
        """Return the plate of a minibatch: each cell stands for n_obs / n_cells of them."""
        here = torch.arange(counts.n_rows, device=counts.values.device)
        return pyro.plate("cells", size=n_obs or counts.n_rows, subsample=here)

    def train_only(self, paths: Iterable[Path]) -> None:
        """Put what the paths train into training mode and all else, frozen, into eval mode."""
        self.eval()
        for part in self._trained(paths):
            part.train()

    def generator_parameters(self, paths: Iterable[Path]) -> list[nn.Parameter]:
        """Return the parameters that the given paths train."""
        return [parameter for part in self._trained(paths) for parameter in part.parameters()]

    def _trained(self, paths: Iterable[Path]) -> list[nn.Module]:
        parts: list[nn.Module] = []
        for source, target in paths:
            if source == target:
                parts += [self.encoders[source], self.decoders[source]]
            else:
                parts.append(self.translators[f"{source}_to_{target}"])
        return parts


def _constant_map(n_latent: int) -> nn.Linear:
    """Return a linear layer that maps all to 0, the average cell: few pairs need few steps."""
    linear = nn.Linear(n_latent, n_latent)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
