"""scButterfly: translation between any two or three modalities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scvi_xmodal._arguments import COUNT, POSITIVE, check_arguments
from scvi_xmodal.model._base import CrossModalModel
from scvi_xmodal.model._choices import check_acting, chosen_architecture, chosen_settings
from scvi_xmodal.model._perturbation import PerturbationMixin
from scvi_xmodal.model._presets import PRESETS
from scvi_xmodal.model._refitting import RefittingMixin
from scvi_xmodal.model._setup import specs_from_registry
from scvi_xmodal.model._several import SeveralSourcesMixin
from scvi_xmodal.model._unpaired import UnpairedMixin
from scvi_xmodal.module import ButterflyVAE
from scvi_xmodal.train import Phase, check_plan_kwargs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mudata import MuData

    from scvi_xmodal.data import Pairs, Split


class Butterfly(
    SeveralSourcesMixin, PerturbationMixin, UnpairedMixin, RefittingMixin, CrossModalModel
):
    """Dual-aligned variational autoencoders that translate between modalities (scButterfly).

    Each modality has an encoder, a decoder and a discriminator; one variational translator
    joins them (Cao et al., Nat. Commun. 2024). By default counts are modelled as counts: RNA
    negative binomial with the cell's own library size, ATAC Bernoulli with the cell's own depth
    factored out, protein Gaussian on CLR values; output biases start at the training cells' base
    rates. ``preset="scbutterfly"`` gives the published code's model and schedule instead.

    Parameters
    ----------
    adata
        MuData that :meth:`setup_mudata` registered.
    registry
        Registry of a saved model; used by :meth:`load`.
    preset
        ``"default"`` or ``"scbutterfly"``.
    gene_likelihood
        ``"nb"`` or ``"normal"`` (squared errors of log-normalised expression, as published).
    atac_target
        ``"binary"`` or ``"tfidf"`` (cross-entropy against scaled TF-IDF, as published).
    mask_rate
        Share of masked inputs for each modality, such as ``{"rna": 0.5}``.
    loss_weight
        Weight of each modality's reconstruction.
    **architecture
        Fields of :class:`~scvi_xmodal.module.Architecture`: ``n_latent``, ``n_embedding``,
        ``dropout_rate``, ``adversarial_weight``, ...

    Raises
    ------
    ValueError
        If a choice is unknown, or has no effect on the model's modalities or beside the others.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3)
    >>> xm.model.Butterfly.setup_mudata(mdata)
    >>> model = xm.model.Butterfly(mdata, n_latent=8)
    >>> model.train(max_epochs=1, pretrain_epochs=1, enable_progress_bar=False)
    >>> model.translate(mdata["atac"], source="atac", target="rna").shape
    (60, 20)
    """

    _module_cls = ButterflyVAE
    _pairings = ("measured", "unpaired", "mosaic")

    def __init__(
        self,
        adata: MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        preset: str = "default",
        gene_likelihood: str | None = None,
        atac_target: str | None = None,
        mask_rate: Mapping[str, float] | None = None,
        loss_weight: Mapping[str, float] | None = None,
        **architecture: Any,
    ):
        super().__init__(adata, registry)
        if preset not in list(PRESETS):
            raise ValueError(f"preset={preset!r} is unknown; there are {list(PRESETS)}.")
        self._preset = PRESETS[preset]
        settings = chosen_settings(
            self._preset.settings, gene_likelihood, atac_target, mask_rate, loss_weight
        )
        self._architecture = chosen_architecture(self._preset.architecture, architecture)
        specs = specs_from_registry(self.registry_, settings, n_hidden=self._preset.n_hidden)
        self.specs = {spec.key: spec for spec in specs}
        self.module = self._new_module()
        if registry is None:  # what was saved with such choices loads as before
            by_name = {"gene_likelihood": gene_likelihood, "atac_target": atac_target}
            by_kind = {"mask_rate": mask_rate, "loss_weight": loss_weight}
            check_acting(self.module, {**by_name, **by_kind, **architecture})
        self.statistics_fitted_ = False
        self._finish_init(locals())

    def train(
        self,
        max_epochs: int | None = None,
        *,
        pretrain_epochs: int | None = None,
        split: Split | None = None,
        pairs: Pairs | None = None,
        validation_pairs: Pairs | None = None,
        train_size: float | None = None,
        validation_size: float | None = None,
        batch_size: int = 64,
        early_stopping: bool = True,
        refit: bool = False,
        plan_kwargs: Mapping[str, Any] | None = None,
        datasplitter_kwargs: Mapping[str, Any] | None = None,
        checkpoint_dir: str | Path | None = None,
        resume: bool = False,
        **trainer_kwargs: Any,
    ) -> None:
        """Pretrain each modality's autoencoder, then train all translations together.

        All phases share one split. Transforms, output biases and depth are fitted on its
        training cells, once, when the model is first trained. The epoch with the lowest
        unweighted validation loss is kept in every phase.

        Ctrl-C ends training with a warning and leaves the best epoch so far, ready to use; so
        does an error, after at least one epoch. With ``checkpoint_dir`` a training that was
        killed goes on from its last epoch and ends, on a CPU, with the same history and weights.

        Parameters
        ----------
        max_epochs
            Longest integrative phase, at least 1, for pretraining alone teaches no translation;
            by default the preset's.
        pretrain_epochs
            Longest pretraining phase of each modality; 0 skips pretraining.
        split
            Rows of the training, validation and test cells, as from
            :func:`scvi_xmodal.pp.split`; by default drawn by the sizes.
        pairs
            Training pairs, as from :mod:`scvi_xmodal.pairing`; by default every training cell
            with itself in the modalities that it was measured in, and cells that are not paired
            as by :func:`scvi_xmodal.pairing.unpaired` within the registered labels.
        validation_pairs
            Likewise of validation cells.
        train_size, validation_size
            Shares of the cells when no split is given; by default .9, or less where
            ``validation_size`` leaves less, and the rest.
        batch_size
            Cells in a minibatch.
        early_stopping
            Whether to stop a phase when its validation loss no longer falls and to restore its
            best epoch. The default preset waits for 30 epochs or, where these are fewer than 600
            steps, for as many as those take, at most 60.
        refit
            Whether to train a new network on training and validation cells once training has
            ended, every phase for as many epochs as its kept weights had seen. What the
            validation cells said of the first network is kept: how far its linear paths go, trust
            scores and intervals. ``validation_indices`` are none then; test cells stay unseen.
            It takes half to nine tenths as long again, and is better per feature, most of all
            where whole batches or types validated: ``docs/choosing.md`` says more.
        plan_kwargs
            Keywords of the training plan: ``lr``, ``weight_decay``, ``max_kl_weight``,
            ``n_epochs_kl_warmup``, ``max_grad_norm``, ``discriminator_lr``, ...
        datasplitter_kwargs
            Keywords of :class:`~scvi_xmodal.data.PairedDataSplitter`.
        checkpoint_dir
            Folder for ``training.ckpt``, replaced after every epoch: weights, optimisers,
            schedules, random states and history. States of your own callbacks are not in it.
        resume
            Whether to go on from the checkpoint in ``checkpoint_dir``; without one, training
            starts anew. Call it with the same arguments, on a new model of the same data.
        **trainer_kwargs
            Keywords of :class:`scvi.train.Trainer`: ``accelerator``, ``devices``,
            ``early_stopping_patience``, ``early_stopping_patience_steps``,
            ``early_stopping_min_delta``, ``early_stopping_monitor``,
            ``enable_progress_bar``, ...

        Raises
        ------
        ValueError
            If the split does not fit the data, pairs touch held-out cells, there are too few
            cells, a loss is NaN, or the checkpoint is of another model, dataset, split or
            training.
        """
        if "early_stopping_patience" not in trainer_kwargs:
            trainer_kwargs["early_stopping_patience"] = self._preset.patience
            trainer_kwargs.setdefault("early_stopping_patience_steps", self._preset.patience_steps)
        self._train_and_refit(
            self._phases(max_epochs, pretrain_epochs),
            refit=refit,
            split=split,
            pairs=pairs,
            validation_pairs=validation_pairs,
            sizes=(train_size, validation_size),
            batch_size=batch_size,
            early_stopping=early_stopping,
            plan_kwargs=plan_kwargs,
            datasplitter_kwargs=datasplitter_kwargs,
            trainer_kwargs=trainer_kwargs,
            checkpoint_dir=checkpoint_dir,
            resume=resume,
        )

    def _new_module(self) -> ButterflyVAE:
        specs = tuple(self.specs.values())
        return self._module_cls(specs, self._architecture, n_batch=len(self._batch_names))

    def _phases(self, max_epochs: int | None, pretrain_epochs: int | None) -> list[Phase]:
        preset = self._preset
        max_epochs = preset.max_epochs if max_epochs is None else max_epochs
        pretrain_epochs = preset.pretrain_epochs if pretrain_epochs is None else pretrain_epochs
        check_arguments({"max_epochs": max_epochs}, max_epochs=POSITIVE)
        check_arguments({"pretrain_epochs": pretrain_epochs}, pretrain_epochs=COUNT)
        phases = [
            Phase(f"pretrain_{key}", ((key, key),), int(pretrain_epochs)) for key in self.specs
        ]
        phases.append(
            Phase("integrative", self.module.paths, int(max_epochs), self._is_adversarial())
        )
        return [phase for phase in phases if phase.max_epochs > 0]

    def _is_adversarial(self) -> bool:
        return self._architecture.adversarial_weight > 0

    def _check_plan_kwargs(self, given: Mapping[str, Any] | None) -> None:
        reason = "with adversarial_weight=0 no discriminator is trained"
        ignored = {} if self._is_adversarial() else {"discriminator_lr": reason}
        check_plan_kwargs(given, without_effect=ignored)

    def _plan_kwargs(self, phase: Phase, given: Mapping[str, Any] | None) -> dict[str, Any]:
        kwargs = dict(self._preset.plan_kwargs)
        kl_weight = self._preset.kl_weight(self.specs, phase.modalities)
        if kl_weight is not None:
            kwargs["max_kl_weight"] = kl_weight
        kwargs.update(given or {})
        if not phase.adversarial:
            kwargs.pop("discriminator_lr", None)  # of the integrative phase alone
        return kwargs
