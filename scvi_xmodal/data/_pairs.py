"""Who trains with whom: a table of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from scvi_xmodal._arguments import MAPPING, check_arguments

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import ArrayLike, NDArray

    from scvi_xmodal.data._split import Split


_MIN_PAIRS = 2  # batch norm cannot be computed over one


@dataclass(frozen=True, eq=False)
class Pairs:
    """For each training example, the row to read in each modality.

    Rows are those of the modality's own matrix. Measured pairs have the same row everywhere;
    re-pairing within cell types, unpaired and optimal-transport training are other tables.
    Matrices are never copied.

    Parameters
    ----------
    rows
        Row numbers of shape (n_pairs,) for each modality.

    Raises
    ------
    ValueError
        If lengths differ or a row is no whole number of at least 0.

    Examples
    --------
    >>> from scvi_xmodal.data import Pairs
    >>> Pairs({"rna": [0, 1], "atac": [1, 0]}).to_dataframe()
       rna  atac
    0    0     1
    1    1     0
    """

    rows: dict[str, NDArray[np.int64]]
    _lowest_row: ClassVar[int] = 0

    def __init__(self, rows: Mapping[str, ArrayLike]):
        check_arguments({"rows": rows}, rows=MAPPING)
        arrays = {key: _as_rows(own, key) for key, own in rows.items()}
        lengths = {key: own.size for key, own in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Pairs need one row of each modality for each pair, got {lengths}.")
        for key, own in arrays.items():
            if own.size and own.min() < self._lowest_row:
                gap = ", or are -1 where a cell lacks the modality" if self._lowest_row else ""
                raise ValueError(f"Pairs hold row {own.min()} of {key!r}; rows count from 0{gap}.")
        object.__setattr__(self, "rows", arrays)

    @classmethod
    def measured(cls, modalities: Iterable[str], rows: ArrayLike) -> Pairs:
        """Pair every cell with itself."""
        return cls(dict.fromkeys(modalities, rows))

    def __len__(self) -> int:
        return next(iter(self.rows.values())).size if self.rows else 0

    def to_dataframe(self) -> pd.DataFrame:
        """Return the table: one column of row numbers for each modality."""
        return pd.DataFrame(self.rows)

    def of_modalities(self, keys: Collection[str]) -> Pairs:
        """Return the pairs that train these modalities: all of them, where none is missing."""
        return self

    def draw(self, epoch: int) -> Pairs:
        """Return the table of an epoch; the same in all, unless pairs are drawn anew."""
        return self

    @property
    def sources(self) -> dict[str, NDArray[np.int64]]:
        """All rows of each modality that any epoch may read."""
        return self.rows

    def purity(self, labels: ArrayLike | Mapping[str, ArrayLike]) -> float:
        """Return the share of pairs whose cells have the same label in all modalities.

        Parameters
        ----------
        labels
            Label of each cell, of shape (n_cells,); where modalities have cells of their own,
            one such array for each. A missing label agrees with none. A modality that a cell
            lacks (row -1) is not asked.

        Returns
        -------
        Share between 0 and 1; NaN without pairs.

        Examples
        --------
        >>> from scvi_xmodal.data import Pairs
        >>> Pairs({"rna": [0, 1], "atac": [2, 0]}).purity(["B", "T", "B"])
        0.5
        """
        of = labels if isinstance(labels, Mapping) else dict.fromkeys(self.rows, labels)
        columns = [pd.Series(of[key]).astype(object).to_numpy()[r] for key, r in self.rows.items()]
        if not len(self):
            return float("nan")
        codes = pd.factorize(np.concatenate(columns))[0].reshape(len(columns), len(self))
        is_gap = np.stack(list(self.rows.values())) < 0  # of which the last cell's label was read
        lowest = np.where(is_gap, codes.size, codes).min(axis=0)
        highest = np.where(is_gap, -1, codes).max(axis=0)
        return float(((lowest == highest) & (lowest >= 0)).mean())

    def check_complete(self, modalities: Iterable[str]) -> None:
        """Raise unless there are pairs and all modalities are there."""
        if len(self) < _MIN_PAIRS:
            raise ValueError(
                f"{len(self)} pairs are too few; at least {_MIN_PAIRS} are needed to train."
            )
        missing = [key for key in modalities if key not in self.rows]
        if missing:
            raise ValueError(f"The pairs have no rows for {missing}; they have {list(self.rows)}.")


def check_training_rows(rows: NDArray[np.int64], key: str, split: Split, n_obs: int) -> None:
    """Raise unless a modality's rows exist and are no validation or test rows."""
    if rows.size and rows.max() >= n_obs:
        raise ValueError(
            f"The pairs hold row {rows.max()} of {key!r}, but there are {n_obs} cells."
        )
    leaked = np.intersect1d(rows, np.concatenate([split.validation, split.test]))
    if leaked.size:
        raise ValueError(
            f"{leaked.size} of the pairs' {key!r} rows are validation or test cells, the "
            f"first is {leaked[0]}. Make the pairs from split.train."
        )


def _as_rows(rows: ArrayLike, key: str) -> NDArray[np.int64]:
    array = np.asarray(rows).ravel()
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"Pairs need whole row numbers of {key!r}, got dtype {array.dtype}. Turn a boolean "
            "mask into rows with np.flatnonzero(mask)."
        )
    return array.astype(np.int64)
