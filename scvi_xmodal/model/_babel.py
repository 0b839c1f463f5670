"""BABEL: one latent that every modality is encoded into and decoded from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scvi_xmodal._arguments import TEXT, WHOLE, check_arguments
from scvi_xmodal.data import ReaderBlocks
from scvi_xmodal.model._base import CrossModalModel
from scvi_xmodal.model._presets import BABEL_PLAN, BABEL_WITHOUT_EFFECT
from scvi_xmodal.model._protein import PROTEIN, ProteinHeadMixin
from scvi_xmodal.model._setup import specs_from_registry
from scvi_xmodal.model._training import TrainingMixin
from scvi_xmodal.model._unpaired import UnpairedMixin
from scvi_xmodal.module import (
    BABEL_DEFAULTS,
    BabelAE,
    ModalitySpec,
    feature_statistics,
    standard_scores,
)
from scvi_xmodal.train import Phase, check_plan_kwargs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

    from scvi_xmodal.data import Pairs, RowReader, Split

_PATIENCE = 25


class Babel(UnpairedMixin, TrainingMixin, ProteinHeadMixin, CrossModalModel):
    r"""Interoperable autoencoders that translate between modalities (BABEL).

    Each modality has an encoder into one 16-dimensional latent and a decoder out of it; all
    compositions are trained together (Wu et al., PNAS 2021). RNA is negative binomial on
    size-normalised counts with a mean and a dispersion for every cell and gene; peaks are
    Bernoulli; their networks keep chromosomes apart. :meth:`train_protein_head` adds proteins
    from a CITE-seq experiment.

    Where paper and published code differ this is the paper, with what it leaves open from the
    code: batch norm before every PReLU, losses averaged over features, initial weights. The
    learning rate falls, and training stops, by the validation loss (the code's learning rate by
    the training loss); the best epoch is always kept. Unlike in either, standardisation is fitted
    on the training cells only and saved, so that one cell can be translated; chromosome blocks of
    inputs and targets are the same; heads that nothing reads are left out. Cell, gene and peak
    filters are in :mod:`scvi_xmodal.pp`, for you to apply.

    Parameters
    ----------
    adata
        MuData that :meth:`setup_mudata` registered, without ``batch_key``: BABEL has no batches.
    registry
        Registry of a saved model; used by :meth:`load`.
    n_latent
        Size of the latent.
    atac_weight
        Weight of the ATAC losses, the paper's :math:`\beta`.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, atac_density=0.3)
    >>> xm.model.Babel.setup_mudata(mdata)
    >>> model = xm.model.Babel(mdata)
    >>> model.train(max_epochs=1, enable_progress_bar=False)
    >>> model.translate(mdata["atac"], source="atac", target="rna").shape
    (60, 20)
    >>> model.get_latent_representation(modality="rna").shape
    (60, 16)
    """

    _module_cls = BabelAE
    _predicts_depth = False
    _knows_batches = False

    def __init__(
        self,
        adata: MuData | None = None,
        registry: dict[str, Any] | None = None,
        *,
        n_latent: int = 16,
        atac_weight: float = 1.33,
    ):
        super().__init__(adata, registry)
        if self._batch_key() is not None:
            raise ValueError(
                f"Babel knows no batches, but batch_key={self._batch_key()!r} was registered: "
                "call setup_mudata without batch_key."
            )
        check_arguments({"n_latent": n_latent, "atac_weight": atac_weight}, n_latent=WHOLE)
        if n_latent < 1 or not atac_weight >= 0:
            raise ValueError(
                "n_latent must be at least 1 and atac_weight at least 0, got "
                f"n_latent={n_latent} and atac_weight={atac_weight}."
            )
        settings = {**BABEL_DEFAULTS}
        settings["atac"] = replace(settings["atac"], weight=float(atac_weight))
        specs = specs_from_registry(self.registry_, settings)
        self.specs = {spec.key: spec for spec in specs}
        self.module = self._module_cls(specs, n_latent=n_latent)
        self.statistics_fitted_ = False
        self.protein_head_ = None
        self._finish_init(locals())

    def train(
        self,
        max_epochs: int = 500,
        *,
        split: Split | None = None,
        pairs: Pairs | None = None,
        validation_pairs: Pairs | None = None,
        train_size: float | None = None,
        validation_size: float | None = None,
        batch_size: int | None = None,
        early_stopping: bool = True,
        plan_kwargs: Mapping[str, Any] | None = None,
        datasplitter_kwargs: Mapping[str, Any] | None = None,
        checkpoint_dir: str | Path | None = None,
        resume: bool = False,
        **trainer_kwargs: Any,
    ) -> None:
        """Train all paths together: Adam at .01, gradients clipped at norm 5.

        The learning rate falls to a tenth when the validation loss has not fallen for 10 epochs,
        training stops after 25, and the best epoch is kept. Statistics are fitted on the
        training cells, once, when the model is first trained. A protein head is dropped, because
        the latent it was trained on is no more.

        Parameters
        ----------
        max_epochs
            Longest duration.
        split
            Rows of the training, validation and test cells, as from
            :func:`scvi_xmodal.pp.split` (``by="cluster"`` is the paper's); by default drawn by
            the sizes.
        pairs
            Training pairs, as from :mod:`scvi_xmodal.pairing`; by default every training cell
            with itself.
        validation_pairs
            Likewise of validation cells.
        train_size, validation_size
            Shares of the cells when no split is given; by default .9, or less where
            ``validation_size`` leaves less, and the rest.
        batch_size
            Cells in a minibatch. By default 512, the paper's, of at least 5,120 training cells;
            of fewer the largest power of two, down to 64, that leaves 10 or more an epoch.
        early_stopping
            Whether to stop when the validation loss no longer falls and to restore the best
            epoch.
        plan_kwargs
            Keywords of the training plan: ``lr``, ``max_grad_norm``, ``reduce_lr_on_plateau``,
            ``lr_factor``, ``lr_patience``, ...
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
            If the split does not fit the data, pairs touch held-out cells, there are too few
            cells, a loss is NaN, or the checkpoint is of another training.
        """
        check_arguments({"max_epochs": max_epochs}, max_epochs=WHOLE)
        if max_epochs < 1:
            raise ValueError(f"max_epochs must be a whole number above 0, got {max_epochs!r}.")
        trainer_kwargs.setdefault("early_stopping_patience", _PATIENCE)
        phase = Phase("joint", self.module.paths, int(max_epochs), monitor="validation_loss")
        self._train_phases(
            [phase],
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

    def _run_phases(self, *args: Any, **kwargs: Any) -> bool:
        self._drop_protein_head()  # not before: a refused training leaves the model as it is
        return super()._run_phases(*args, **kwargs)

    def _plan_kwargs(self, phase: Phase, given: Mapping[str, Any] | None) -> dict[str, Any]:
        return {**BABEL_PLAN, **(given or {})}

    def _check_plan_kwargs(self, given: Mapping[str, Any] | None) -> None:
        check_plan_kwargs(given, defaults=BABEL_PLAN, without_effect=BABEL_WITHOUT_EFFECT)

    def _batch_size(self, given: int | None, n_cells: int) -> int:
        if given is not None:
            return given
        return min(max(1 << max(n_cells // 10, 1).bit_length() - 1, 64), 512)

    def _fit_statistics(
        self,
        readers: Mapping[str, RowReader],
        rows: Mapping[str, NDArray[np.int64]],
        pairs: Mapping[str, NDArray[np.int64]] | None,
        batches: Mapping[str, NDArray[np.int64]] | None,
    ) -> None:
        statistics, scores = {}, {}
        for key, reader in readers.items():
            spec, blocks = self.specs[key], ReaderBlocks(reader, rows[key])
            own = feature_statistics(blocks, n_features=spec.n_features)
            statistics[key] = own
            if spec.kind == "rna":
                scores[key] = standard_scores(
                    blocks, median_library=own.median_library, n_features=spec.n_features
                )
        self.module.fit_statistics(statistics, scores)

    def translate(
        self,
        adata: AnnData | MuData | str | Path | None = None,
        *,
        source: str | Sequence[str],
        target: str,
        via: str | None = "rna",
        **options: Any,
    ) -> AnnData | Path:
        """Translate cells from one modality into another, or into the protein head's proteins.

        Parameters
        ----------
        adata
            Cells to translate, as in :meth:`Butterfly.translate`; by default the training data.
        source
            Modality to translate from.
        target
            Modality to translate to; may be the source, which denoises it; or ``"protein"``.
        via
            For the protein head: modality that is inferred first and then encoded as if it were
            measured. ``"rna"`` is the paper's way, ``None`` the published code's: straight from
            the source's latent. RNA itself goes straight either way.
        **options
            ``indices``, ``features``, ``layer``, ``batch_size``, ``repool``, ``quantiles`` (but
            of the protein head), ``out`` and ``enable_progress_bar``, as in
            :meth:`Butterfly.translate`. ``depth`` can only be ``"median"``, the training cells':
            BABEL models size-normalised counts, and peaks without a depth.

        Returns
        -------
        AnnData of shape (n_cells, n_features of the target), or with ``out`` its path. ``X`` is
        log1p of the mean at the training median library (RNA), which stands in
        ``layers["mean"]``; accessibility probability (ATAC); or CLR expression (protein).

        Raises
        ------
        ValueError
            If a modality or feature is unknown, the query lacks cells, features or counts, a
            depth is asked for, or ``out`` cannot be written.
        """
        depth = options.get("depth", "median")
        if not (isinstance(depth, str) and depth == "median"):
            raise ValueError(
                "Babel predicts at the training cells' median depth only, so depth must be "
                "'median'; scale layers['mean'] of a translation to RNA for other depths."
            )
        if "network" in options:
            raise ValueError("Babel.translate() sets network= itself: say via= instead.")
        check_arguments({"via": via}, via=TEXT.or_none())
        self._check_key(source, "source")
        self._check_key(target, "target")
        if via not in (None, "rna", *self.specs):
            raise ValueError(f"via={via!r} is unknown; it is 'rna' or None.")
        network = {}
        if target == PROTEIN and target not in self.specs and source != via and via is not None:
            if via not in self.specs or self.specs[via].kind != "rna":
                raise ValueError(f"via={via!r} is unknown; it is 'rna' or None.")
            network["via"] = via
        return super().translate(adata, source=source, target=target, network=network, **options)

    def _check_key(self, key: Any, argument: str) -> ModalitySpec:
        if argument == "target" and key == PROTEIN and key not in self.specs:
            return self._protein_spec()
        return super()._check_key(key, argument)

    def _var(self, key: str) -> pd.DataFrame:
        return super()._var(key) if key in self.specs else self._protein_var()
