"""Which rows of a modality's own matrix belong to the rows of a MuData."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scvi_xmodal._arguments import check_current

if TYPE_CHECKING:
    from mudata import MuData
    from numpy.typing import NDArray


def rows_of_modality(mdata: MuData, key: str) -> NDArray[np.int64]:
    """Return a modality's own row of each cell of a MuData, or -1 where it was not measured.

    Parameters
    ----------
    mdata
        Cells, of which each modality may have measured some.
    key
        The modality.

    Returns
    -------
    Row numbers of shape (n_cells,).

    Raises
    ------
    ValueError
        If the modality was replaced since the MuData was put together.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from anndata import AnnData
    >>> from mudata import MuData
    >>> from scvi_xmodal.data import rows_of_modality
    >>> def cells(*names):
    ...     return AnnData(np.ones((len(names), 1)), obs=pd.DataFrame(index=list(names)))
    >>> mdata = MuData({"rna": cells("a", "b"), "atac": cells("c", "b")})
    >>> mdata.obs_names.tolist(), rows_of_modality(mdata, "atac").tolist()
    (['a', 'b', 'c'], [-1, 1, 0])
    """
    check_current(mdata, key)
    return np.asarray(mdata.obsmap[key]).astype(np.int64).ravel() - 1  # mudata counts from 1
