"""Training cells of which each was measured in some of the modalities."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from scvi_xmodal.data._pairs import Pairs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray


class MosaicPairs(Pairs):
    """A table of pairs with gaps: -1 where a cell was not measured in a modality.

    Every cell trains what it has: the path from one modality to another by the cells measured in
    both, each modality's pretraining by all that have it.

    Parameters
    ----------
    rows
        Row numbers of shape (n_cells,) for each modality, -1 where a cell lacks it. Cells that
        lack all are left out.

    Examples
    --------
    >>> from scvi_xmodal.data import MosaicPairs
    >>> pairs = MosaicPairs({"rna": [0, 1, 2, -1], "atac": [0, 1, -1, -1]})
    >>> pairs.of_modalities(["atac"]).to_dataframe()
       rna  atac
    0    0     0
    1    1     1
    """

    _lowest_row: ClassVar[int] = -1

    def of_modalities(self, keys: Collection[str]) -> MosaicPairs:
        """Return the cells that were measured in at least one of these modalities."""
        unknown = [key for key in keys if key not in self.rows]
        if unknown:
            raise ValueError(f"The pairs have no rows for {unknown}; they have {list(self.rows)}.")
        measured = np.logical_or.reduce([self.rows[key] >= 0 for key in keys])
        return MosaicPairs({key: own[measured] for key, own in self.rows.items()})

    @property
    def sources(self) -> dict[str, NDArray[np.int64]]:
        """All rows of each modality that are read."""
        return {key: own[own >= 0] for key, own in self.rows.items()}


def separate_modalities(own: Mapping[str, NDArray[np.int64]], *, fewest: int) -> list[str]:
    """Return the modalities that no chain of cells measured in two links to the first.

    Parameters
    ----------
    own
        Rows of each modality, -1 where a cell lacks it, as :class:`MosaicPairs` has them.
    fewest
        Cells measured in both that link two modalities.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.data._mosaic import separate_modalities
    >>> rows = {"rna": np.array([0, 1]), "atac": np.array([0, -1]), "protein": np.array([-1, -1])}
    >>> separate_modalities(rows, fewest=1)
    ['protein']
    """
    keys = list(own)
    reached, waiting = {keys[0]}, [keys[0]]
    while waiting:
        here = own[waiting.pop()] >= 0
        found = [k for k in keys if k not in reached and (here & (own[k] >= 0)).sum() >= fewest]
        reached.update(found)
        waiting += found
    return [key for key in keys if key not in reached]
