"""Pairs that are drawn anew in every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from scvi_xmodal.data._mosaic import MosaicPairs
from scvi_xmodal.data._pairs import Pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class PairRecipe(Protocol):
    """Draws tables of pairs, all of the same length, from fixed sets of rows."""

    @property
    def sources(self) -> dict[str, NDArray[np.int64]]:
        """All rows of each modality that a table may hold."""

    def draw(self, rng: np.random.Generator) -> Mapping[str, NDArray[np.int64]]:
        """Return the rows of a table."""


@dataclass(frozen=True, eq=False)
class RedrawnPairs(Pairs):
    """Pairs that the loader draws anew in each epoch.

    An epoch's table depends on the seed and the epoch's number alone, so that processes agree
    and a training can be repeated. ``rows`` is the table of epoch 0. Every phase of a training
    starts at epoch 0.

    Parameters
    ----------
    recipe
        What draws a table.
    seed
        Seed of all epochs' tables.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=40, n_genes=10, n_peaks=20)
    >>> pairs = xm.pairing.by_label(mdata, "cell_type", range(40), redraw=True)
    >>> pairs.draw(1).to_dataframe().equals(pairs.draw(2).to_dataframe())
    False
    """

    recipe: PairRecipe
    seed: int

    def __init__(self, recipe: PairRecipe, *, seed: int = 0):
        object.__setattr__(self, "recipe", recipe)
        object.__setattr__(self, "seed", seed)
        super().__init__(self._rows(0))

    def draw(self, epoch: int) -> Pairs:
        """Return the table of an epoch."""
        return Pairs(self._rows(epoch))

    @property
    def sources(self) -> dict[str, NDArray[np.int64]]:
        """All rows of each modality that any epoch may read."""
        return self.recipe.sources

    def _rows(self, epoch: int) -> Mapping[str, NDArray[np.int64]]:
        return self.recipe.draw(np.random.default_rng([self.seed, epoch]))


@dataclass(frozen=True, eq=False)
class _WithOthers:
    """A recipe whose tables end with the same rows always."""

    recipe: PairRecipe
    others: Mapping[str, NDArray[np.int64]]

    @property
    def sources(self) -> dict[str, NDArray[np.int64]]:
        """All rows of each modality that a table may hold."""
        return _joined(self.recipe.sources, self.others)

    def draw(self, rng: np.random.Generator) -> Mapping[str, NDArray[np.int64]]:
        """Return the rows of a table."""
        return _joined(self.recipe.draw(rng), self.others)


def joined_pairs(pairs: Pairs, others: Pairs) -> Pairs:
    """Return pairs followed by others; what is drawn anew in each epoch stays so.

    Parameters
    ----------
    pairs
        Pairs of any kind.
    others
        Pairs with at least the same modalities, drawn once.

    Examples
    --------
    >>> from scvi_xmodal.data import Pairs
    >>> from scvi_xmodal.data._redrawn import joined_pairs
    >>> joined_pairs(Pairs({"rna": [0], "atac": [1]}), Pairs({"rna": [2], "atac": [2]})).rows
    {'rna': array([0, 2]), 'atac': array([1, 2])}
    """
    if isinstance(pairs, RedrawnPairs):
        return RedrawnPairs(_WithOthers(pairs.recipe, others.rows), seed=pairs.seed)
    kind = MosaicPairs if isinstance(others, MosaicPairs) else type(pairs)
    return kind(_joined(pairs.rows, others.rows))


def _joined(
    rows: Mapping[str, NDArray[np.int64]], others: Mapping[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    return {key: np.concatenate([own, others[key]]) for key, own in rows.items()}


def drawn_pairs(recipe: PairRecipe, *, seed: int, redraw: bool) -> Pairs:
    """Return one table for all epochs, or one that is drawn anew; epoch 0 is the same in both."""
    pairs = RedrawnPairs(recipe, seed=seed)
    return pairs if redraw else Pairs(pairs.rows)
