"""Pairs of cells that were never measured together (diagonal training)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._arguments import ANNDATA, check_arguments
from scvi_xmodal.data import rows_of_modality
from scvi_xmodal.data._redrawn import drawn_pairs
from scvi_xmodal.pairing._cells import (
    groups_by_label,
    labels_of,
    modality_keys,
    training_rows,
    warn_user,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import ArrayLike, NDArray

    from scvi_xmodal.data import Pairs


def unpaired(
    rna: AnnData | MuData,
    atac: AnnData | None = None,
    labels_key: str = "cell_type",
    *,
    indices: Any = None,
    n_pairs: int | None = None,
    redraw: bool = False,
    seed: int = 0,
    modalities: Sequence[str] | Mapping[str, str] | None = None,
) -> Pairs:
    r"""Pair cells of different experiments at random within the labels that they share.

    Of shared label i come :math:`s_i (n_r + n_a) / 2` pairs, drawn with replacement, with

    .. math:: s_i = \frac{s_i^r + s_i^a}{\sum_{k=1}^{m} (s_k^r + s_k^a)}

    where :math:`s_i^r` and :math:`s_i^a` are its shares of the :math:`n_r` RNA and :math:`n_a`
    ATAC cells (Cao et al. 2024, Methods, eq. 13). Cells of other labels train nothing, but can be
    translated. The published code takes :math:`n_a` for :math:`n_r`, and its draws differ from
    run to run.

    Parameters
    ----------
    rna, atac
        The two experiments; or one MuData that holds both, and all its modalities are paired.
    labels_key
        Column of ``obs`` with the labels, the same words in both.
    indices
        Training rows: a pair ``(rows of rna, rows of atac)``; of a MuData its own rows,
        ``split.train``. By default all.
    n_pairs
        Number of pairs; by default the mean number of training cells of a modality.
    redraw
        Whether to draw anew in each epoch, by seed and epoch, rather than once.
    seed
        Seed of the draws.
    modalities
        The model's names of the two, by default ``("rna", "atac")``; of a MuData the modality
        of each, such as ``{"rna": "gex"}``, by default found.

    Returns
    -------
    Pairs
        Rows of each experiment's own matrix.

    Warns
    -----
    UserWarning
        If a shared label has a single cell in one experiment, which all its pairs then repeat.

    Raises
    ------
    ValueError
        If no label is shared, a training cell has no label, or rows do not exist.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=90, n_genes=10, n_peaks=20)
    >>> rna, atac = mdata["rna"][:50].copy(), mdata["atac"][50:].copy()
    >>> for part, rows in ((rna, slice(50)), (atac, slice(50, None))):
    ...     part.obs["cell_type"] = mdata.obs["cell_type"].iloc[rows]
    >>> pairs = xm.pairing.unpaired(rna, atac, "cell_type")
    >>> len(pairs), pairs.purity({"rna": rna.obs["cell_type"], "atac": atac.obs["cell_type"]})
    (45, 1.0)
    """
    check_arguments(locals())
    if atac is None:
        cells = _of_mudata(rna, labels_key, indices, modalities)
    else:
        cells = _of_two((rna, atac), labels_key, indices, modalities)
    _warn_of_single_cells(cells)
    return drawn_within_labels(cells, n_pairs=n_pairs, redraw=redraw, seed=seed)


def sampling_proportions(sizes: ArrayLike, totals: ArrayLike) -> NDArray[np.float64]:
    """Return the share of the pairs that each shared label gets (Cao et al. 2024, eq. 13).

    Parameters
    ----------
    sizes
        Cells of each shared label in each modality, of shape (n_modalities, n_labels).
    totals
        Cells of each modality, those of other labels included, of shape (n_modalities,).

    Returns
    -------
    Shares of shape (n_labels,), which sum to 1.

    Raises
    ------
    ValueError
        If the shapes do not fit, or these are no numbers of cells.

    Examples
    --------
    >>> from scvi_xmodal.pairing import sampling_proportions
    >>> sampling_proportions([[30, 10], [10, 10]], [50, 20])  # (.6 + .5, .2 + .5) / 1.8
    array([0.611, 0.389])
    """
    cells, of_all = np.asarray(sizes), np.asarray(totals)
    if cells.ndim != 2 or of_all.shape != cells.shape[:1]:
        raise ValueError(
            f"sizes must be of shape (n_modalities, n_labels) and totals of (n_modalities,), got "
            f"{cells.shape} and {of_all.shape}."
        )
    if not (
        (cells >= 0).all()
        and (of_all > 0).all()
        and (cells.sum(axis=1) <= of_all).all()
        and cells.sum() > 0
    ):
        raise ValueError(
            f"sizes={cells.tolist()} must be numbers of cells, no more of a modality than "
            f"totals={of_all.tolist()}, none of which is 0, and not all 0 themselves."
        )
    shares = cells / of_all.astype(np.float64)[:, None]
    return shares.sum(axis=0) / shares.sum()


LabelledCells = dict[str, tuple["NDArray[np.int64]", "NDArray[np.object_]"]]
"""Rows and labels of the training cells of each modality, each of shape (n_cells,)."""


def drawn_within_labels(
    cells: LabelledCells, *, n_pairs: int | None = None, redraw: bool = False, seed: int = 0
) -> Pairs:
    """Draw pairs within shared labels; the rule of :func:`unpaired` on arrays.

    Raises
    ------
    ValueError
        If no label is shared.
    """
    groups, shared = _shared_groups(cells)
    if not shared:
        shown = "; ".join(f"{key}: {list(own)[:5]}" for key, own in groups.items())
        raise ValueError(
            f"The modalities' training cells share no label ({shown}). Rename labels so that the "
            "same cells have the same name in all."
        )
    sizes = np.array([[own[label].size for label in shared] for own in groups.values()])
    totals = np.array([rows.size for rows, _ in cells.values()])
    n_pairs = int(totals.sum() // len(totals)) if n_pairs is None else n_pairs
    if n_pairs < 1:
        raise ValueError(f"n_pairs={n_pairs}; it must be at least 1.")
    counts = _apportioned(sampling_proportions(sizes, totals), n_pairs)
    parts = {key: tuple(own[label] for label in shared) for key, own in groups.items()}
    return drawn_pairs(DrawnWithinLabels(parts, tuple(counts)), seed=seed, redraw=redraw)


@dataclass(frozen=True, eq=False)
class DrawnWithinLabels:
    """Draws cells of each label with replacement, in each modality for itself.

    Parameters
    ----------
    groups
        Rows of each label's cells, for each modality.
    counts
        Number of pairs of each label.
    """

    groups: dict[str, tuple[NDArray[np.int64], ...]]
    counts: tuple[int, ...]

    @property
    def sources(self) -> dict[str, NDArray[np.int64]]:
        """All rows of each modality that a table may hold."""
        return {key: np.concatenate(own) for key, own in self.groups.items()}

    def draw(self, rng: np.random.Generator) -> dict[str, NDArray[np.int64]]:
        """Return ``sum(counts)`` pairs."""
        return {
            key: np.concatenate(
                [rng.choice(group, n) for group, n in zip(own, self.counts, strict=True)]
            )
            for key, own in self.groups.items()
        }


def _apportioned(shares: NDArray[np.float64], total: int) -> list[int]:
    """Round shares of a total to whole numbers that add up to it (largest remainders)."""
    exact = shares * total
    counts = np.floor(exact + 1e-9).astype(np.int64)
    largest = np.argsort(counts - exact, kind="stable")[: total - counts.sum()]
    counts[largest] += 1
    return counts.tolist()


def _shared_groups(
    cells: LabelledCells,
) -> tuple[dict[str, dict[str, NDArray[np.int64]]], list[str]]:
    """Return the rows of each label in each modality, and the labels that all have."""
    groups = {key: groups_by_label(labels, rows) for key, (rows, labels) in cells.items()}
    first, *others = groups.values()
    return groups, [label for label in first if all(label in other for other in others)]


def _warn_of_single_cells(cells: LabelledCells) -> None:
    groups, shared = _shared_groups(cells)
    for key, own in groups.items():
        lonely = [
            label
            for label in shared
            if own[label].size == 1 and any(other[label].size > 1 for other in groups.values())
        ]
        if lonely:
            warn_user(
                f"The labels {lonely[:5]} have a single training cell in {key!r}: all their "
                "pairs repeat it. Merge them with others, or leave them out of indices."
            )


def _of_two(
    experiments: tuple[Any, Any], labels_key: str, indices: Any, modalities: Any
) -> LabelledCells:
    keys = ("rna", "atac") if modalities is None else tuple(modalities)
    chosen = (None, None) if indices is None else tuple(indices)
    # a text would be read by letters, and of one name the second experiment would be all
    if isinstance(modalities, str) or len(set(keys)) != 2 or len(keys) != 2 or len(chosen) != 2:
        raise ValueError(
            "Two experiments need two names in modalities and, in indices, a pair "
            f"(rows of the first, rows of the second); got {modalities or keys!r} and "
            f"{len(chosen)} in indices."
        )
    cells = {}
    for key, adata in zip(keys, experiments, strict=True):
        check_arguments({str(key): adata}, **{str(key): ANNDATA})
    for key, adata, rows in zip(keys, experiments, chosen, strict=True):
        rows = training_rows(rows, adata)
        cells[key] = (rows, labels_of(adata, labels_key, rows, argument="labels_key"))
    return cells


def _of_mudata(mdata: Any, labels_key: str, indices: Any, modalities: Any) -> LabelledCells:
    keys = modality_keys(mdata, modalities)
    rows = training_rows(indices, mdata)
    labels = labels_of(mdata, labels_key, rows, argument="labels_key")
    cells = {}
    for name, key in keys.items():
        own = rows_of_modality(mdata, key)[rows]
        if not (own >= 0).any():
            raise ValueError(f"None of the {rows.size} training cells was measured in {name!r}.")
        cells[name] = (own[own >= 0], labels[own >= 0])
    return cells
