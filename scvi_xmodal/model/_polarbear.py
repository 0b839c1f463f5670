"""Polarbear: single-assay cells teach the autoencoders, paired cells the translation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from scvi_xmodal._arguments import POSITIVE, check_arguments, within
from scvi_xmodal.model._base import CrossModalModel
from scvi_xmodal.model._intervals import check_n_samples
from scvi_xmodal.model._partly_paired import PartlyPairedMixin
from scvi_xmodal.model._setup import specs_from_registry
from scvi_xmodal.module import POLARBEAR_DEFAULTS, PolarbearVAE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from scvi_xmodal.data import Query, Split

_PATIENCE = 45
_SAMPLED_VALUES = 1 << 24


class Polarbear(PartlyPairedMixin, CrossModalModel):
    """Semi-supervised translation: autoencoders of all cells, translators of the paired ones.

    Each modality has a variational autoencoder, trained on every cell that was measured in it,
    paired or not; then a linear map between the latents is trained for each direction on the
    paired cells, through the frozen decoder on the target's likelihood (Zhang et al.,
    RECOMB 2022). Batches are covariates of encoders and decoders. It is written in Pyro.

    Parameters
    ----------
    adata
        MuData that :meth:`setup_mudata` registered.
    registry
        Registry of a saved model; used by :meth:`load`.
    n_latent
        Size of each modality's latent.
    n_hidden
        Units of the layer next to the latent.
    dropout_rate
        Dropout after each layer; .1 as published.
    gene_likelihood
        ``"nb"``, or ``"zinb"`` as published.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3)
    >>> xm.model.Polarbear.setup_mudata(mdata)
    >>> model = xm.model.Polarbear(mdata, n_latent=8)
    >>> model.train(max_epochs=1, translator_epochs=1, enable_progress_bar=False)
    >>> model.translate(mdata["atac"], source="atac", target="rna").shape
    (60, 20)
    """

    _module_cls = PolarbearVAE
    _pairings = ("measured", "mosaic")
    shares_latent = False

    def __init__(
        self,
        adata: MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        n_latent: int = 25,
        n_hidden: int = 128,
        dropout_rate: float = 0.4,
        gene_likelihood: str = "nb",
    ):
        super().__init__(adata, registry)
        _check_choices(n_latent, n_hidden, dropout_rate, gene_likelihood)
        specs = specs_from_registry(self.registry_, POLARBEAR_DEFAULTS)
        self.specs = {spec.key: spec for spec in specs}
        self.module = self._module_cls(
            specs,
            n_latent=n_latent,
            n_hidden=n_hidden,
            dropout_rate=dropout_rate,
            n_batch=len(self._batch_names),
            zero_inflated=gene_likelihood == "zinb",
        )
        self.statistics_fitted_ = False
        self._finish_init(locals())

    def train(
        self,
        max_epochs: int = 500,
        *,
        translator_epochs: int = 100,
        split: Split | None = None,
        train_size: float | None = None,
        validation_size: float | None = None,
        batch_size: int = 64,
        early_stopping: bool = True,
        plan_kwargs: Mapping[str, Any] | None = None,
        datasplitter_kwargs: Mapping[str, Any] | None = None,
        checkpoint_dir: str | Path | None = None,
        resume: bool = False,
        **trainer_kwargs: Any,
    ) -> None:
        """Train each modality's autoencoder, then each direction's translator.

        All phases share one split of the cells, of which each takes those that it can use: an
        autoencoder those with its modality, a translator those with both. Where no validation
        cell is paired, translators are trained for all their epochs. Statistics are fitted on
        the training cells, once, when the model is first trained.

        Parameters
        ----------
        max_epochs
            Longest training of each autoencoder.
        translator_epochs
            Longest training of each translator.
        split
            Rows of the training, validation and test cells, as from
            :func:`scvi_xmodal.pp.split`; by default drawn by the sizes.
        train_size, validation_size
            Shares of the cells when no split is given; by default .9, or less where
            ``validation_size`` leaves less, and the rest.
        batch_size
            Cells in a minibatch.
        early_stopping
            Whether to stop a phase when its validation loss no longer falls and to restore its
            best epoch.
        plan_kwargs
            Keywords of :class:`~scvi_xmodal.train.ElboPlan`: ``lr``, ``max_kl_weight``,
            ``n_epochs_kl_warmup``, ``weight_decay``, ``max_grad_norm``, ...
        datasplitter_kwargs
            Keywords of :class:`~scvi_xmodal.data.PairedDataSplitter`.
        checkpoint_dir, resume
            Where to keep a checkpoint of each epoch, and whether to go on from it, as in
            :meth:`Butterfly.train`.
        **trainer_kwargs
            Keywords of :class:`scvi.train.Trainer`: ``accelerator``, ``devices``,
            ``early_stopping_patience``, ``enable_progress_bar``, ...

        Raises
        ------
        ValueError
            If no training cell is paired, the split does not fit the data, there are too few
            cells, a loss is NaN, or the checkpoint is of another training.
        """
        epochs = {"max_epochs": max_epochs, "translator_epochs": translator_epochs}
        check_arguments(epochs, **dict.fromkeys(epochs, POSITIVE))
        trainer_kwargs.setdefault("early_stopping_patience", _PATIENCE)
        self._train_phases(
            self._phases(int(max_epochs), int(translator_epochs)),
            split=split,
            pairs=None,
            sizes=(train_size, validation_size),
            batch_size=batch_size,
            early_stopping=early_stopping,
            plan_kwargs=plan_kwargs,
            datasplitter_kwargs=datasplitter_kwargs,
            trainer_kwargs=trainer_kwargs,
            checkpoint_dir=checkpoint_dir,
            resume=resume,
        )

    def translate(
        self,
        adata: AnnData | MuData | Query | str | Path | None = None,
        *,
        source: str | Sequence[str],
        target: str,
        n_samples: int | None = None,
        transform_batch: Any = None,
        batch_size: int | None = None,
        **options: Any,
    ) -> AnnData | Path:
        """Translate cells from one modality into another, with samples if asked for.

        Each cell is translated by itself, out of its posterior mean: alone or in company, ``X``
        comes out the same. A cell is encoded in its own batch and decoded in its own or in
        ``transform_batch``; a batch that a network was not trained in is the training batches'
        average.

        Parameters
        ----------
        adata
            Cells to translate, as in :meth:`Butterfly.translate`; by default the training data.
        source
            Modality to translate from, one.
        target
            Modality to translate to; may be the source, which denoises it.
        n_samples
            How many measurements to draw of each cell from the posterior predictive distribution,
            latent and likelihood both, at the depth that is predicted at; by default none. torch's
            generator draws them: set ``scvi.settings.seed`` to draw the same again.
        transform_batch
            Batch to translate into; by default each cell's own.
        batch_size
            Cells at a time; by default as many as make some millions of values.
        **options
            ``indices``, ``depth``, ``features``, ``layer``, ``repool``, ``quantiles``, ``out``
            and ``enable_progress_bar``, as in :meth:`Butterfly.translate`. Quantiles are computed,
            not drawn, and calibrated where validation cells are paired.

        Returns
        -------
        AnnData of shape (n_cells, n_features of the target), or with ``out`` its path, as of
        :meth:`Butterfly.translate`. With ``n_samples`` the layers ``"predictive_mean"`` and
        ``"predictive_std"`` are mean and deviation of the drawn measurements: counts (RNA), open
        or not (ATAC), CLR values (protein).

        Raises
        ------
        ValueError
            If a modality, batch or feature is unknown, no cell of ``transform_batch`` was
            measured in the target, ``n_samples`` or a quantile is none, or the query lacks
            cells, features or counts.
        """
        spec = self._check_key(target, "target")
        check_arguments({"batch_size": batch_size}, batch_size=POSITIVE.or_none())
        if n_samples is not None:
            check_n_samples(n_samples)
            options |= {"network": {"n_samples": int(n_samples)}}
            if options.get("quantiles") is not None:
                options["n_samples"] = n_samples
            n_values = spec.n_features * int(n_samples)
            batch_size = batch_size or max(1, _SAMPLED_VALUES // max(n_values, 1))
        return super().translate(
            adata,
            source=source,
            target=target,
            transform_batch=transform_batch,
            batch_size=batch_size,
            **options,
        )

    def _encoder_inputs(self, obs: pd.DataFrame, rows: slice) -> dict[str, torch.Tensor]:
        """Return the cells' own batches, -1 where the model does not know them."""
        key = self._batch_key()
        if key is None:
            return {}
        codes = np.full(len(obs.iloc[rows]), -1)
        if key in obs:
            codes = self._known_batches(obs[key].iloc[rows].to_numpy(dtype=object))
        return {"own_batch": torch.from_numpy(codes.astype(np.int64)).to(self.device)}


def _check_choices(
    n_latent: int, n_hidden: int, dropout_rate: float, gene_likelihood: str
) -> None:
    if gene_likelihood not in ("nb", "zinb"):
        raise ValueError(f"gene_likelihood={gene_likelihood!r} is unknown; it is 'nb' or 'zinb'.")
    sizes = {"n_latent": n_latent, "n_hidden": n_hidden}
    check_arguments(sizes, **dict.fromkeys(sizes, POSITIVE))
    check_arguments({"dropout_rate": dropout_rate}, dropout_rate=within(0, 1, below=True))
