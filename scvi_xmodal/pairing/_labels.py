"""Measured pairs, and cells re-paired with others of the same label (scButterfly-T)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.data._redrawn import drawn_pairs
from scvi_xmodal.pairing._cells import groups_by_label, labels_of, paired_rows, training_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scvi_xmodal.data import Pairs


def by_label(
    mdata: MuData,
    key: str,
    indices: ArrayLike,
    *,
    n_rounds: int = 2,
    redraw: bool = False,
    seed: int = 0,
    modalities: Mapping[str, str] | None = None,
) -> Pairs:
    """Add pairs of different cells of the same label to the measured ones (scButterfly-T).

    In each round the cells of a label are shuffled in all modalities but the first, so that each
    cell is read once a round (Cao et al. 2024, Methods, "data augmentation"; the published code
    shuffles the first too, which draws from the same distribution). Two rounds make a training
    set three times as large, of row numbers: no matrix is copied. A label with a single cell is
    paired with itself.

    Parameters
    ----------
    mdata
        Paired cells.
    key
        Column of ``obs`` with the labels; a modality's own as ``"rna:cell_type"``.
    indices
        Rows of the training cells: ``split.train``.
    n_rounds
        Rounds of re-pairing; 0 leaves the measured pairs.
    redraw
        Whether to re-pair anew in each epoch, by seed and epoch, rather than once.
    seed
        Seed of the shuffling.
    modalities
        The modality of each of the model's, such as ``{"rna": "gex"}``; by default found.

    Returns
    -------
    Pairs
        ``(1 + n_rounds) * n_train`` pairs, the measured ones first.

    Raises
    ------
    ValueError
        If a training cell has no label or lacks a modality, or rows do not exist.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=40, n_genes=10, n_peaks=20)
    >>> pairs = xm.pairing.by_label(mdata, "cell_type", range(30))
    >>> len(pairs), pairs.purity(mdata.obs["cell_type"])
    (90, 1.0)
    """
    check_arguments(locals())
    rows = training_rows(indices, mdata)
    own = paired_rows(mdata, rows, modalities)
    return repaired(own, labels_of(mdata, key, rows), n_rounds=n_rounds, redraw=redraw, seed=seed)


def repaired(
    rows: Mapping[str, NDArray[np.int64]],
    labels: ArrayLike,
    *,
    n_rounds: int,
    redraw: bool,
    seed: int,
) -> Pairs:
    """Re-pair measured pairs within labels.

    Parameters
    ----------
    rows
        Rows of the measured pairs in each modality, of shape (n_pairs,).
    labels
        Label of each pair, of shape (n_pairs,).
    n_rounds, redraw, seed
        As in :func:`by_label`.
    """
    if n_rounds < 0:
        raise ValueError(f"n_rounds={n_rounds}; it must be at least 0.")
    groups = groups_by_label(labels, np.arange(np.size(labels)))
    recipe = ShuffledWithinLabels(dict(rows), tuple(groups.values()), n_rounds)
    return drawn_pairs(recipe, seed=seed, redraw=redraw)


@dataclass(frozen=True, eq=False)
class ShuffledWithinLabels:
    """Draws re-pairings within groups of measured pairs.

    Parameters
    ----------
    rows
        Rows of the measured pairs in each modality, of shape (n_pairs,).
    groups
        Numbers of the pairs of each label.
    n_rounds
        Rounds of re-pairing.
    """

    rows: dict[str, NDArray[np.int64]]
    groups: tuple[NDArray[np.int64], ...]
    n_rounds: int

    @property
    def sources(self) -> dict[str, NDArray[np.int64]]:
        """All rows of each modality that a table may hold."""
        return self.rows

    def draw(self, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
        """Return the measured pairs and ``n_rounds`` re-pairings."""
        keep, *shuffle = self.rows
        table = {keep: np.tile(self.rows[keep], 1 + self.n_rounds)}
        for key in shuffle:
            own = self.rows[key]
            rounds = [own[self._permutation(own.size, rng)] for _ in range(self.n_rounds)]
            table[key] = np.concatenate([own, *rounds])
        return table

    def _permutation(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        order = np.empty(size, dtype=np.int64)
        for group in self.groups:
            order[group] = rng.permutation(group)
        return order
