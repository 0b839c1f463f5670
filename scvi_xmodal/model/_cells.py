"""Which rows of each modality train, validate and belong together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from scvi_xmodal.data import MosaicPairs, Pairs, Split
from scvi_xmodal.data._mosaic import separate_modalities
from scvi_xmodal.data._pairs import check_training_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Part = Literal["train", "validation", "test"]

MIN_TRAINING_CELLS = 10


@dataclass(frozen=True, eq=False)
class TrainingCells:
    """A split of the registered cells, seen from each modality's own matrix.

    Parameters
    ----------
    own
        The modality's own row of each registered cell, of shape (n_obs,), -1 where the cell was
        not measured in it.
    n_rows
        Number of rows of each modality's matrix.
    split
        Rows of the registered cells.
    paired
        Whether each cell was measured in all modalities and stands in the same row of each.
    """

    own: Mapping[str, NDArray[np.int64]]
    n_rows: Mapping[str, int]
    split: Split
    paired: bool

    def rows(self, key: str, part: Part) -> NDArray[np.int64]:
        """Return a modality's own rows of a part of the split."""
        own = self.own[key][getattr(self.split, part)]
        return own[own >= 0]

    def check(self) -> None:
        """Raise unless every modality has training cells enough."""
        for key in self.own:
            size = self.rows(key, "train").size
            if size < MIN_TRAINING_CELLS:
                of = "" if self.paired else f" of {key!r}"
                raise ValueError(
                    f"{size} training cells{of} are too few; at least {MIN_TRAINING_CELLS} are "
                    "needed."
                )

    def check_linked(self) -> None:
        """Raise unless cells measured in several modalities link all of them, and all validate."""
        own = {key: rows[self.split.train] for key, rows in self.own.items()}
        apart = separate_modalities(own, fewest=MIN_TRAINING_CELLS)
        if apart:
            raise ValueError(
                f"Fewer than {MIN_TRAINING_CELLS} training cells measured in two modalities link "
                f"{apart} to {next(iter(own))!r}: put more of them into the split's training part."
            )

        lacking = [key for key in self.own if not self.rows(key, "validation").size]
        if lacking and self.split.validation.size:
            raise ValueError(
                f"None of the {self.split.validation.size} validation cells was measured in "
                f"{lacking}: put some into the split's validation part, or leave that empty."
            )

    def mosaic(self, part: Part) -> MosaicPairs:
        """Return the cells of a part of the split, each with the modalities that it has."""
        rows = getattr(self.split, part)
        pairs = MosaicPairs({key: own[rows] for key, own in self.own.items()})
        return pairs.of_modalities(self.own)

    def check_training(self, pairs: Pairs) -> None:
        """Raise unless pairs hold rows of training cells of each modality only."""
        _check_type(pairs, "pairs")
        pairs.check_complete(self.own)
        for key, rows in pairs.sources.items():
            if key not in self.own:
                continue
            split = Split(*(self.rows(key, part) for part in ("train", "validation", "test")))
            check_training_rows(rows, key, split, self.n_rows[key])
            self._check_measured(rows, key)

    def check_validation(self, pairs: Pairs) -> None:
        """Raise unless pairs hold rows of validation cells of each modality only."""
        _check_type(pairs, "validation_pairs")
        pairs.check_complete(self.own)
        for key in self.own:
            others = np.setdiff1d(pairs.sources[key], self.rows(key, "validation"))
            if others.size:
                raise ValueError(
                    f"{others.size} of validation_pairs' {key!r} rows are no validation cells, "
                    f"the first is {others[0]}. Make them from split.validation."
                )

    def _check_measured(self, rows: NDArray[np.int64], key: str) -> None:
        others = np.setdiff1d(rows, self.own[key])
        if others.size:
            raise ValueError(
                f"{others.size} of the pairs' {key!r} rows are no {key!r} cells, the first is "
                f"{others[0]}."
            )

    def by_own_row(self, values: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Return values of the registered cells, of shape (n_obs,), by each modality's rows."""
        found = {}
        for key, own in self.own.items():
            found[key] = np.zeros(self.n_rows[key], dtype=values.dtype)
            found[key][own[own >= 0]] = values[own >= 0]
        return found

    def of_trained(
        self, values: Mapping[str, NDArray[np.int64]] | None, pairs: Pairs | None
    ) -> dict[str, NDArray[np.int64]] | None:
        """Return values of each modality's rows that are trained on, those of pairs if given."""
        if values is None:
            return None
        rows = {k: self.rows(k, "train") for k in self.own} if pairs is None else pairs.sources
        return {key: values[key][rows[key]] for key in self.own}

    def numbers(self, pairs: Pairs) -> dict[str, NDArray[np.int64]] | None:
        """Return each pair's place among a modality's training cells; ``None`` where paired.

        Pairs of cells in no part of the split, which may train, are left out; what a cell was not
        measured in is -1.
        """
        if self.paired:
            return None
        kept = np.ones(len(pairs), dtype=bool)
        places = {}
        for key in self.own:
            train = np.append(self.rows(key, "train"), -1)  # its place, the last, is -1 too
            order = np.argsort(train, kind="stable")
            found = order[
                np.searchsorted(train, pairs.rows[key], sorter=order).clip(max=order.size - 1)
            ]
            kept &= train[found] == pairs.rows[key]
            places[key] = np.where(pairs.rows[key] < 0, -1, found)
        return {key: own[kept] for key, own in places.items()}


def _check_type(pairs: object, argument: str) -> None:
    if not isinstance(pairs, Pairs):
        raise ValueError(
            f"{argument} must be a Pairs, got {type(pairs).__name__}: "
            "scvi_xmodal.data.Pairs({'rna': rows, 'atac': rows})."
        )
