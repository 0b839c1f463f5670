"""Training in phases: what every translating model does once its phases are chosen."""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from scvi import settings as scvi_settings

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data import PairedDataSplitter, ReaderBlocks, Split
from scvi_xmodal.data._split import chosen_train_size
from scvi_xmodal.data._splitter import check_loader_kwargs
from scvi_xmodal.model._devices import check_trainer_kwargs
from scvi_xmodal.model._pairing import PairingMixin
from scvi_xmodal.model._resuming import Run, run_identity
from scvi_xmodal.module import feature_statistics
from scvi_xmodal.train import (
    Interrupted,
    check_plan_kwargs,
    extend_history,
    phase_history,
    run_phase,
    taken_stopping,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from scvi_xmodal.data import Pairs, RowReader
    from scvi_xmodal.model._cells import TrainingCells
    from scvi_xmodal.module import FeatureStatistics, ModalitySpec
    from scvi_xmodal.train import Phase

SPLIT_OPTIONS = ("shuffle_set_split", "external_indexing")
"""Keywords of the data splitter that draw a split."""


class TrainingMixin(PairingMixin):
    """Trains ``self.module`` phase by phase on one split of the cells.

    Models choose the phases and, in :meth:`_plan_kwargs`, the keywords of their plans.
    """

    adata: Any
    adata_manager: Any
    module: Any
    registry_: dict[str, Any]
    specs: Mapping[str, ModalitySpec]
    train: Any
    history_: Any
    is_trained_: bool
    statistics_fitted_: bool
    train_indices: Any
    validation_indices: Any
    test_indices: Any
    trust_: Any
    _training_reader: Any
    _assess: Any
    _batch_codes: Any
    _batch_names: list[Any]
    _batch_modality: Any
    _data_splitter_cls = PairedDataSplitter

    def _train_phases(
        self,
        phases: Sequence[Phase],
        *,
        split: Split | None,
        pairs: Pairs | None,
        validation_pairs: Pairs | None = None,
        sizes: tuple[float | None, float | None],
        batch_size: int | None,
        early_stopping: bool,
        plan_kwargs: Mapping[str, Any] | None,
        datasplitter_kwargs: Mapping[str, Any] | None,
        trainer_kwargs: Mapping[str, Any],
        checkpoint_dir: str | Path | None = None,
        resume: bool = False,
        needs_validation: bool = False,
    ) -> bool:
        """Run the phases one after another and return whether all were finished.

        ``sizes`` are of the training and validation sets.
        """
        check_arguments({**locals(), "train_size": sizes[0], "validation_size": sizes[1]})
        if self.adata is None:
            raise ValueError("The model was loaded without data: load it with adata=... to train.")
        check_trainer_kwargs(trainer_kwargs, method=self.train)
        check_loader_kwargs(datasplitter_kwargs or {})
        stopping, trainer_kwargs = taken_stopping(early_stopping, trainer_kwargs)
        self._check_plan_kwargs(plan_kwargs)
        run = Run(checkpoint_dir, resume=resume)
        readers = self._training_readers()
        options = dict(datasplitter_kwargs or {})
        settings = (phases, sizes, batch_size, stopping, plan_kwargs, sorted(options))
        drawn = split is None and "external_indexing" not in options
        if drawn and run.split is not None:
            split = run.split  # to draw again would draw others
        else:
            split = self._resolve_split(split, readers, *sizes, options)
        if needs_validation and not split.validation.size:
            raise ValueError(
                "refit=True needs validation cells, which say how long to train: give a split "
                "that has some, or leave it out."
            )
        if not run.resumed:
            self._warn_of_known_cells(split)
        cells = self._training_cells(readers, split)
        pairs = self._training_pairs(pairs, cells)
        validation_pairs = self._validation_pairs(validation_pairs, cells)
        codes = self._batch_codes(self._training_obs())
        options = {key: value for key, value in options.items() if key not in SPLIT_OPTIONS}
        batch = None if codes is None else cells.by_own_row(codes)
        parts = [self._phase_cells(phase, cells, pairs, validation_pairs) for phase in phases]
        splitters = [
            self._data_splitter_cls(
                self.adata_manager,
                {key: readers[key] for key in phase.modalities},
                split=own_split,
                pairs=own_pairs,
                validation_pairs=own_validation,
                batch=batch,
                batch_size=self._batch_size(batch_size, own_split.train.size),
                **options,
            )
            for phase, (own_split, own_pairs, own_validation) in zip(phases, parts, strict=True)
        ]
        plans = [self._plan_kwargs(phase, plan_kwargs) for phase in phases]
        tables, batches = (pairs, validation_pairs), (self._batch_names, codes)
        run.open(run_identity(self, readers, split, tables, batches, settings), split)
        if not self.statistics_fitted_ and not run.resumed:
            rows = {key: cells.rows(key, "train") for key in self.specs}
            numbers = None if pairs is None else cells.numbers(pairs)
            self._fit_statistics(readers, rows, numbers, cells.of_trained(batch, pairs))
        options = {"stopping": stopping, **trainer_kwargs}
        n_epochs = _n_epochs(self.history_)
        try:
            phased = list(zip(phases, splitters, plans, strict=True))
            is_finished = self._run_phases(run, phased, options)
        except BaseException:
            if _n_epochs(self.history_) != n_epochs:
                # what was said of the weights before is not true of those kept
                self.trust_ = None
                with suppress(Exception):  # the error that stopped training is the one to tell
                    self.trust_ = self._assess(cells, readers, codes)
            raise
        self.trust_ = None  # of other weights, should what follows be interrupted
        self.trust_ = self._assess(cells, readers, codes) if self.is_trained_ else None
        return is_finished

    def _run_phases(
        self,
        run: Run,
        phases: Sequence[tuple[Phase, PairedDataSplitter, dict[str, Any]]],
        options: Mapping[str, Any],
    ) -> bool:
        """Run the phases that are not done; keep what was learned, whatever stops them.

        Return whether all are done.
        """
        first, history = 0, dict(self.history_ or {}) if self.is_trained_ else {}
        is_useful = bool(self.is_trained_)
        if run.resumed:
            first, history = run.take_up(self.module)
            is_useful = is_useful or first > 0
        for number, (phase, splitter, plan_kwargs) in enumerate(phases[first:], first):
            run.begin(number, self.module, history)
            self.history_ = None  # so that none is taken for the phase's if it is refused
            try:
                own = run_phase(
                    self,
                    phase,
                    splitter,
                    plan_kwargs=plan_kwargs,
                    checkpoints=run.checkpoints,
                    **options,
                )
            except BaseException as error:
                own = phase_history(self, phase)
                is_useful = is_useful or f"{phase.name}_train_loss" in own
                self._keep(history, own, is_useful=is_useful)
                if not isinstance(error, Interrupted):
                    raise
                warnings.warn(str(error), stacklevel=4)
                return False
            extend_history(history, own)
            is_useful = True
        run.begin(len(phases), self.module, history)
        self._keep(history, {}, is_useful=True)
        if first == len(phases):  # all was done before: what the runner would have left
            split = phases[-1][1].split()
            self.train_indices, self.validation_indices = split.train, split.validation
            self.test_indices = split.test
        return True

    def _keep(self, history: dict[str, Any], own: Mapping[str, Any], *, is_useful: bool) -> None:
        """Record what was trained, of all phases and the one that was stopped."""
        extend_history(history, own)
        self.history_ = history if is_useful else None
        self.is_trained_ = is_useful
        self.statistics_fitted_ = self.statistics_fitted_ or is_useful
        self.module.eval()

    def _warn_of_known_cells(self, split: Split) -> None:
        """Warn if cells to be held out were trained with before."""
        if not self.is_trained_ or self.train_indices is None:
            return
        for name in ("test", "validation"):
            n_known = int(np.isin(getattr(split, name), self.train_indices).sum())
            if n_known:
                warnings.warn(
                    f"{n_known} of the {len(getattr(split, name))} {name} cells were trained with "
                    "when this model was trained before, so scores on them are no longer honest. "
                    "Make a new model for another split.",
                    UserWarning,
                    stacklevel=scvi_settings.warnings_stacklevel + 1,
                )
                return

    def _batch_size(self, given: int | None, n_cells: int) -> int | None:
        return given

    def _check_plan_kwargs(self, given: Mapping[str, Any] | None) -> None:
        """Raise if no plan of the model's phases knows a keyword, or all ignore it."""
        check_plan_kwargs(given)

    def _phase_cells(
        self,
        phase: Phase,
        cells: TrainingCells,
        pairs: Pairs | None,
        validation_pairs: Pairs | None,
    ) -> tuple[Split, Pairs | None, Pairs | None]:
        """Return the split and pairs of a phase; models that train on parts give others."""
        return cells.split, pairs, validation_pairs

    def _plan_kwargs(self, phase: Phase, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the training plan's keywords for a phase; models add their own."""
        return dict(given or {})

    def _resolve_split(
        self,
        split: Split | None,
        readers: Mapping[str, RowReader],
        train_size: float | None,
        validation_size: float | None,
        options: dict[str, Any],
    ) -> Split:
        """Return the split to use, drawn by scvi-tools' splitter if none was given."""
        if split is not None and not isinstance(split, Split):
            raise ValueError(
                f"split must be a Split, got {type(split).__name__}: "
                "scvi_xmodal.data.Split(train, validation, test), as pp.split returns."
            )
        sizes = (train_size, validation_size, options.get("external_indexing"))
        if split is not None and any(size is not None for size in sizes):
            raise ValueError(
                "Give either split= or train_size=, validation_size= and external_indexing, not "
                "both."
            )
        if split is None:
            kwargs = {"shuffle_set_split": options.get("shuffle_set_split", True)}
            if "external_indexing" in options:
                kwargs["external_indexing"] = options["external_indexing"]
            split = self._data_splitter_cls(
                self.adata_manager,
                readers,
                train_size=chosen_train_size(train_size, validation_size),
                validation_size=validation_size,
                **kwargs,
            ).split()
        split.check_range(self.adata.n_obs)
        return split

    def _fit_statistics(
        self,
        readers: Mapping[str, RowReader],
        rows: Mapping[str, NDArray[np.int64]],
        pairs: Mapping[str, NDArray[np.int64]] | None,
        batches: Mapping[str, NDArray[np.int64]] | None,
    ) -> None:
        """Fit the module on each modality's training rows.

        Where cells are not paired, ``pairs`` are numbers of training cells that belong together.
        """
        self.module.fit_statistics(self._statistics(readers, rows), pairs=pairs)
        self.module.fit_batches(batches or {})

    def _statistics(
        self, readers: Mapping[str, RowReader], rows: Mapping[str, NDArray[np.int64]]
    ) -> dict[str, FeatureStatistics]:
        """Return each modality's statistics over its training rows."""
        return {
            key: feature_statistics(
                ReaderBlocks(reader, rows[key]), n_features=self.specs[key].n_features
            )
            for key, reader in readers.items()
        }

    def _training_obs(self) -> Any:
        """Return the annotation that holds the batches."""
        modality = self._batch_modality()
        return self.adata.obs if modality is None else self.adata.mod[modality].obs


def _n_epochs(history: Mapping[str, Any] | None) -> int:
    """Return the number of values in a history, which every finished epoch adds to."""
    return sum(len(values) for values in (history or {}).values())
