"""Who trains with whom: the pairs that a model is trained on, checked or drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scvi import settings

from scvi_xmodal.data import Pairs, Split, rows_of_modality
from scvi_xmodal.model._cells import TrainingCells
from scvi_xmodal.model._setup_checks import check_paired
from scvi_xmodal.pairing._cells import labels_of
from scvi_xmodal.pairing._unpaired import drawn_within_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scvi_xmodal.data import RowReader
    from scvi_xmodal.model._cells import Part
    from scvi_xmodal.module import ModalitySpec


class PairingMixin:
    """Finds the training cells of each modality and the pairs that they make."""

    adata: Any
    registry_: dict[str, Any]
    specs: Mapping[str, ModalitySpec]
    _location: Any
    _training_reader: Any

    def _training_readers(self) -> dict[str, RowReader]:
        """Return each modality's reader; modalities of the same matrix share one."""
        of_place: dict[Any, RowReader] = {}
        for key in self.specs:
            place = self._location(key)
            if place not in of_place:
                of_place[place] = self._training_reader(key)
        return {key: of_place[self._location(key)] for key in self.specs}

    def _training_cells(self, readers: Mapping[str, RowReader], split: Split) -> TrainingCells:
        cells = TrainingCells(
            own={key: self._own_rows(key) for key in self.specs},
            n_rows={key: reader.n_rows for key, reader in readers.items()},
            split=split,
            paired=self._is_paired(),
        )
        cells.check()
        if self._is_mosaic():
            cells.check_linked()
        return cells

    def _is_paired(self) -> bool:
        """Return whether each registered cell was measured in all modalities."""
        return self.registry_["setup_args"].get("pairing", "measured") == "measured"

    def _is_mosaic(self) -> bool:
        """Return whether each registered cell was measured in some modalities."""
        return self.registry_["setup_args"].get("pairing") == "mosaic"

    def _own_rows(self, key: str) -> NDArray[np.int64]:
        """Return the modality's own row of each registered cell, or -1."""
        own = rows_of_modality(self.adata, self._location(key)[0])
        if self._is_paired() and not np.array_equal(own, np.arange(own.size)):
            # people filter and sort a modality after they have registered their data
            check_paired(self.adata, [self._location(other)[0] for other in self.specs])
        return own

    def _training_pairs(self, pairs: Pairs | None, cells: TrainingCells) -> Pairs | None:
        """Return checked pairs; of cells that are not paired, by default drawn within labels."""
        if pairs is None and not cells.paired:
            if self._is_mosaic():
                return cells.mosaic("train")
            return self._drawn_within_labels(cells, "train", "pairs")
        if pairs is not None:
            cells.check_training(pairs)
        return pairs

    def _validation_pairs(self, pairs: Pairs | None, cells: TrainingCells) -> Pairs | None:
        if pairs is None and not cells.paired and cells.split.validation.size:
            if self._is_mosaic():
                return cells.mosaic("validation")
            return self._drawn_within_labels(cells, "validation", "validation_pairs")
        if pairs is not None:
            cells.check_validation(pairs)
        return pairs

    def _drawn_within_labels(self, cells: TrainingCells, part: Part, argument: str) -> Pairs:
        """Pair cells of different experiments within the registered labels."""
        key = self.registry_["setup_args"].get("labels_key")
        if key is None:
            raise ValueError(
                f"The {part} cells are not paired, and no labels are registered to pair them by: "
                f"give {argument}= (scvi_xmodal.pairing), or labels_key= in setup"
                + ("." if part == "train" else ", or a split without validation cells.")
            )
        chosen = {}
        for name, own in cells.own.items():
            rows = getattr(cells.split, part)
            rows = rows[own[rows] >= 0]
            chosen[name] = (own[rows], labels_of(self.adata, key, rows, argument="labels_key"))
        try:
            return drawn_within_labels(chosen, seed=settings.seed or 0)
        except ValueError as error:
            raise ValueError(f"The {part} cells cannot be paired: {error}") from error
