"""Thresholds, for tools that want zeros; no translation is cut unless asked."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData
from scipy import sparse

from scvi_xmodal._arguments import DATA, check_arguments
from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal._layers import layer_names
from scvi_xmodal.metrics._blocks import slices
from scvi_xmodal.metrics._calibration import is_probability
from scvi_xmodal.metrics._inputs import read_counts, read_prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mudata import MuData
    from numpy.typing import NDArray

    Rule = Callable[[NDArray[np.floating], slice], NDArray[np.bool_]]


def binarize(
    prediction: AnnData,
    *,
    measured: AnnData | MuData | None = None,
    layer: str | None = None,
) -> AnnData:
    r"""Call peaks open where they are above their cell's and their own mean.

    .. math:: b_{ij} = 1 \text{ if } p_{ij} > \frac{1}{J} \sum_k p_{ik}
        \text{ and } p_{ij} > \frac{1}{n} \sum_l p_{lj}, \text{ else } 0

    the rule of SCALE (Xiong et al., *Nature Communications* 10, 2019) that BABEL's paper uses
    (Wu et al. 2021, Methods). The paper takes the means of the predicted matrix, as is done
    here; the published code takes those of the measured, binarised matrix of the same cells,
    which ``measured`` does.

    Parameters
    ----------
    prediction
        Accessibility probabilities, of shape (n_cells, n_peaks); not changed.
    measured
        Raw counts of the same cells and peaks, whose open fractions take the means' place.
    layer
        Layer of the counts.

    Returns
    -------
    AnnData with 0 and 1 in CSR float32 and all else of the prediction but layers; the ``scale`` in
    ``uns`` is then ``"counts"``. Which cells are in company matters, through the means of the
    peaks.

    Raises
    ------
    ValueError
        If values are missing or no probabilities, ``measured`` is of other cells or peaks, or it
        is given beside TF-IDF values, which its open fractions cannot be compared with.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> prediction = AnnData(np.array([[0.9, 0.1], [0.2, 0.3]]))
    >>> xm.tl.binarize(prediction).X.toarray().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    check_arguments(locals(), measured=DATA.or_none())
    read = read_prediction(prediction, name="prediction")
    if not is_probability(read.matrix):
        raise ValueError(
            f"prediction.X ranges from {read.matrix.min():.4g} to {read.matrix.max():.4g}, but "
            "accessibility probabilities are between 0 and 1: give a translation to ATAC."
        )
    means = read.matrix
    if measured is not None:
        if read.scale == "tfidf":
            raise ValueError(
                "prediction.X holds TF-IDF values, which lie on another scale than the open "
                "fractions of measured: leave measured out."
            )
        counts = read_counts(measured, kind="atac", target=None, layer=layer, name="measured")
        means = counts.aligned_to(read) > 0
    by_cell, by_peak = (
        np.asarray(means.mean(axis=axis, dtype=np.float64)).ravel() for axis in (1, 0)
    )

    def is_open(values: NDArray[np.floating], rows: slice) -> NDArray[np.bool_]:
        return (values > by_cell[rows, None]) & (values > by_peak)

    called = _wrap(prediction, _kept(read.matrix, is_open, ones=True), {})
    if UNS_KEY in called.uns:
        called.uns[UNS_KEY] = {**called.uns[UNS_KEY], "scale": "counts"}
    return called


def sparsify(prediction: AnnData, *, threshold: float = 1e-4) -> AnnData:
    """Drop values near 0 and store the rest sparsely.

    scButterfly's code sets what lies below 1e-4 to 0, negative values too; here it is what lies
    within the threshold of 0, because half of all centred log-ratios of proteins are negative.

    Parameters
    ----------
    prediction
        A translation; not changed.
    threshold
        Values of this magnitude stay.

    Returns
    -------
    AnnData with ``X`` and all layers in CSR and all else as it was; smaller than dense where over
    half is dropped.

    Raises
    ------
    ValueError
        If the threshold is negative or values are missing.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> xm.tl.sparsify(AnnData(np.array([[0.5, 1e-6, -0.2]]))).X.nnz
    2
    """
    check_arguments(locals(), measured=DATA.or_none())
    if not threshold >= 0:
        raise ValueError(f"threshold={threshold} must be 0 or above.")
    read = read_prediction(prediction, name="prediction")

    def is_kept(values: NDArray[np.floating], rows: slice) -> NDArray[np.bool_]:
        return (np.abs(values) >= threshold) & (values != 0)

    layers = {name: _kept(prediction.layers[name], is_kept) for name in layer_names(prediction)}
    return _wrap(prediction, _kept(read.matrix, is_kept), layers)


def _kept(matrix: Any, rule: Rule, *, ones: bool = False) -> sparse.csr_matrix:
    """Return the values that a rule keeps, some rows dense at a time."""
    blocks = []
    for rows in slices(*matrix.shape):
        values = matrix[rows]
        values = values.toarray() if sparse.issparse(values) else np.asarray(values)
        kept = rule(values, rows)
        block = kept if ones else np.where(kept, values, 0)
        blocks.append(sparse.csr_matrix(block.astype(np.float32)))
    return sparse.vstack(blocks, format="csr")


def _wrap(prediction: AnnData, values: sparse.csr_matrix, layers: dict[str, Any]) -> AnnData:
    return AnnData(
        values,
        obs=prediction.obs.copy(),
        var=prediction.var.copy(),
        layers=layers,
        uns=deepcopy(dict(prediction.uns)),
        # what was made of the cells since, such as their UMAP
        **{name: _copies(getattr(prediction, name)) for name in ("obsm", "varm", "obsp", "varp")},
    )


def _copies(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {key: array.copy() for key, array in arrays.items()}
