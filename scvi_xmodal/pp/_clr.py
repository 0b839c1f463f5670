"""The centred log-ratio of protein counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.pp._matrix import as_2d

if TYPE_CHECKING:
    from numpy.typing import NDArray


def clr(counts: Any, *, pseudocount: float = 1.0) -> NDArray[np.floating]:
    r"""Return the logarithm of counts relative to the cell's geometric mean.

    .. math:: x_{ij} = \ln(y_{ij} + c) - \frac{1}{J} \sum_{k=1}^{J} \ln(y_{ik} + c)

    With c = 1 this is BABEL's transform (Methods, "protein"). scButterfly's code takes the
    geometric mean over the proteins that are not 0 and leaves zeros at 0: an absent protein then
    stands level with the cell's geometric mean, above every protein of low count. Here it is
    the lowest, as it should be.

    Parameters
    ----------
    counts
        Counts of shape (n_cells, n_proteins), dense or sparse; stay as they are.
    pseudocount
        The c added to every count; positive.

    Returns
    -------
    Dense array of shape (n_cells, n_proteins); each row sums to 0.

    Raises
    ------
    ValueError
        If a count is negative or missing, or the pseudocount is not positive.

    Examples
    --------
    >>> from scvi_xmodal import pp
    >>> pp.clr([[0, 3], [5, 5]]).round(3)
    array([[-0.693,  0.693],
           [ 0.   ,  0.   ]])
    """
    check_arguments(locals())
    if not pseudocount > 0:
        raise ValueError(f"pseudocount={pseudocount}; it must be positive: 0 has no logarithm.")
    if hasattr(counts, "var_names"):
        raise ValueError("A matrix is needed, not an AnnData: give adata.X or a layer.")
    values = as_2d(counts)
    if not (values >= 0).all() or not np.isfinite(values).all():
        raise ValueError(
            "Counts must not be negative or missing, and finite; were they transformed already?"
        )
    logged = np.log(values.astype(np.result_type(values.dtype, np.float32)) + pseudocount)
    if not values.shape[1]:
        return logged
    return logged - logged.mean(axis=1, keepdims=True)
