"""Training anew on validation cells too, once they have said how long and how far."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scvi import settings as scvi_settings

from scvi_xmodal._arguments import check_arguments, shown
from scvi_xmodal.data import Pairs, Split
from scvi_xmodal.data._processes import of_first_process, rank_and_number
from scvi_xmodal.data._redrawn import joined_pairs
from scvi_xmodal.model._devices import check_trainer_kwargs
from scvi_xmodal.model._held_out import familiarity_reference
from scvi_xmodal.model._resuming import Run
from scvi_xmodal.model._training import SPLIT_OPTIONS, TrainingMixin
from scvi_xmodal.train import CHECKPOINT, n_kept_epochs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from scvi_xmodal.train import Phase

_KEPT = ("module", "history_", "trust_", "train_indices", "validation_indices", "test_indices")
_FOLDER = "refit"


@dataclass(frozen=True, eq=False)
class _Fit:
    """What a training leaves in a model."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, model: Any) -> Self:
        """Return what a model holds."""
        return cls({name: getattr(model, name) for name in _KEPT})

    def put_back(self, model: Any) -> None:
        """Give it to the model again."""
        for name, value in self.values.items():
            setattr(model, name, value)
        model.is_trained_ = model.statistics_fitted_ = True


class RefittingMixin(TrainingMixin):
    """Trains twice: to learn by validation cells when to stop, then on these too.

    What validates does not train, and a regression needs no such cells. Neither paper does it;
    scikit-learn's searches and AutoGluon call it so.
    """

    _held_out: Any
    _new_module: Any

    def _train_and_refit(self, phases: Sequence[Phase], *, refit: bool, **options: Any) -> None:
        """Run the phases and, if wanted, run them anew on all cells but the test cells."""
        train_size, validation_size = options["sizes"]
        sizes = {"train_size": train_size, "validation_size": validation_size}
        check_arguments({**options, **sizes, "refit": refit})
        if not refit:
            self._train_phases(phases, **options)
            return
        self._check_refit(options)
        folder, is_begun = _folder(options["checkpoint_dir"], resume=options["resume"])
        if not self._train_phases(phases, needs_validation=True, **options):
            return  # interrupted: the model holds the best epoch so far
        first = _Fit.of(self)
        own = Split(self.train_indices, self.validation_indices, self.test_indices)
        again = self._refit_options(options, own)
        phases = [self._refit_phase(phase, options) for phase in phases]
        self.module = self._new_module()
        self.history_, self.is_trained_, self.statistics_fitted_ = None, False, False
        try:
            is_finished = self._train_phases(
                phases, **again, checkpoint_dir=folder, resume=is_begun
            )
        except BaseException:
            first.put_back(self)
            raise
        if is_finished:
            self._take_validated(first, own)
            return
        first.put_back(self)
        warnings.warn(
            "The refit was not finished and is dropped: the model holds what it learned from the "
            "training cells alone.",
            UserWarning,
            stacklevel=scvi_settings.warnings_stacklevel,
        )

    def _check_refit(self, options: Mapping[str, Any]) -> None:
        if self.is_trained_:
            raise ValueError(
                "refit=True starts from new weights, but this model is trained already: make a "
                "new model, and give refit=True when it is first trained."
            )
        if (options["plan_kwargs"] or {}).get("reduce_lr_on_plateau"):
            raise ValueError(
                "plan_kwargs={'reduce_lr_on_plateau': True} lowers the learning rate by the "
                "validation loss, which a refit has none of: leave it out, or refit=True."
            )
        trainer_kwargs = options["trainer_kwargs"]
        check_trainer_kwargs(trainer_kwargs, method=self.train)
        # one object logs all phases or none to the history, of which each phase needs its own
        for name, passes in (("logger", (None,)), ("fast_dev_run", (None, False, 0))):
            value = trainer_kwargs.get(name)
            if not any(value is own or value == own for own in passes):
                raise ValueError(
                    f"{name}={shown(value)} keeps no history of each phase, which says how long "
                    "to refit: leave it out, or refit=True."
                )
        if trainer_kwargs.get("max_time") is not None:
            raise ValueError(
                f"max_time={shown(trainer_kwargs['max_time'])} may end a refit before it has had "
                "as many epochs as were best: leave it out (max_epochs= limits both), or "
                "refit=True."
            )
        for callback in trainer_kwargs.get("callbacks") or []:
            monitor = getattr(callback, "monitor", None)
            if isinstance(monitor, str) and "validation" in monitor:
                raise ValueError(
                    f"callbacks hold {type(callback).__name__} of {monitor!r}, which a refit "
                    "has none of: leave it out (early_stopping_monitor= and "
                    "early_stopping_patience= stop by validation losses), or refit=True."
                )

    def _refit_phase(self, phase: Phase, options: Mapping[str, Any]) -> Phase:
        """Return the phase for as many epochs as the weights that it kept have seen."""
        monitor = options["trainer_kwargs"].get("early_stopping_monitor") or phase.monitor
        n_epochs = 0
        if rank_and_number()[0] == 0:  # other processes of a distributed run keep no history
            n_epochs = n_kept_epochs(
                self.history_, phase.name, monitor if options["early_stopping"] else None
            )
        name = f"refit_{phase.name}"
        return replace(phase, name=name, max_epochs=of_first_process(n_epochs))

    def _refit_options(self, options: Mapping[str, Any], split: Split) -> dict[str, Any]:
        """Return how to train on training and validation cells, with nothing to stop by."""
        pairs = self._refit_pairs(options["pairs"], options["validation_pairs"], split)
        return {
            "split": Split(np.concatenate([split.train, split.validation]), (), split.test),
            "pairs": pairs,
            "sizes": (None, None),
            "batch_size": options["batch_size"],
            "early_stopping": False,
            "plan_kwargs": options["plan_kwargs"],
            "datasplitter_kwargs": _without(options["datasplitter_kwargs"], SPLIT_OPTIONS),
            "trainer_kwargs": _without(options["trainer_kwargs"], ("early_stopping",)),
        }

    def _refit_pairs(
        self, pairs: Pairs | None, validation_pairs: Pairs | None, split: Split
    ) -> Pairs | None:
        """Return the pairs of training and of validation cells; ``None`` where by default."""
        if pairs is None:
            return None
        cells = self._training_cells(self._training_readers(), split)
        others = self._validation_pairs(validation_pairs, cells)
        if others is None:
            others = Pairs.measured(self.specs, split.validation)
        return joined_pairs(pairs, others)

    def _take_validated(self, first: _Fit, split: Split) -> None:
        """Take up what the first fit's validation cells said, of which no others are left."""
        module: Any = first.values["module"]
        for name, path in getattr(self.module, "linear_paths", {}).items():
            validated = module.linear_paths[name]
            path.weigh(validated.weight.item(), validated.scale.item())
        for name, shrinkage in getattr(self.module, "shrinkages", {}).items():
            shrinkage.share.copy_(module.shrinkages[name].share)
        readers = self._training_readers()
        cells = self._training_cells(readers, split)
        held = self._held_out(cells, readers, self._batch_codes(self._training_obs()))
        familiarity = {
            key: familiarity_reference(self.module, key, held, validated=module)
            for key in self.specs
        }
        self.trust_ = {**(first.values["trust_"] or {}), "familiarity": familiarity}
        self.history_ = {**first.values["history_"], **self.history_}


def _folder(checkpoint_dir: Any, *, resume: bool) -> tuple[Path | None, bool]:
    """Return where the refit's checkpoint is kept, and whether to go on from it."""
    if checkpoint_dir is None:
        return None, False
    folder = Path(checkpoint_dir) / _FOLDER
    is_begun = resume and (folder / CHECKPOINT).exists()
    Run(folder, resume=is_begun)  # before work starts: another training's may be there
    return folder, is_begun


def _without(options: Mapping[str, Any] | None, names: Sequence[str]) -> dict[str, Any]:
    """Return the options whose names begin with none of these."""
    return {k: v for k, v in (options or {}).items() if not k.startswith(tuple(names))}
