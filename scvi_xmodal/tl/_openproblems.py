"""Translations in the layout that OpenProblems scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal._constants import UNS_KEY
from scvi_xmodal.metrics._inputs import refuse_drawn_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MEAN = "mean"
_TOTAL = 1e4


def to_openproblems(
    translated: AnnData, *, dataset_id: str, method_id: str | None = None
) -> AnnData:
    r"""Return a translation in the prediction layout of OpenProblems' ``predict_modality``.

    RNA is put on that task's scale, ``log_cp10k``: expected counts :math:`\mu` become
    :math:`\log(1 + 10^4 \mu_g / \sum_h \mu_h)` over the translated genes. That is the logarithm
    of an expectation, while the task measures logarithms; and if only some genes were
    translated, the sum runs over fewer than the task's. Probabilities of open peaks and centred
    log-ratios of proteins are passed on as they are: ranks and correlations of peaks can be
    compared there, root mean squared errors can not.

    Parameters
    ----------
    translated
        What ``translate`` returned, of shape (n_cells, n_features); not changed.
    dataset_id
        The task's name of the data set, ``uns["dataset_id"]`` of its files.
    method_id
        Name of the method; by default the model's class in lower case.

    Returns
    -------
    AnnData of shape (n_cells, n_features) with ``layers["normalized"]`` in double precision,
    ``uns["dataset_id"]`` and ``uns["method_id"]``, and nothing else.

    Raises
    ------
    ValueError
        If no model made the AnnData and ``method_id`` is not given, or it holds drawn counts.

    References
    ----------
    ``src/api/file_prediction.yaml`` of openproblems-bio/task_predict_modality.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30)
    >>> ridge = xm.baselines.Ridge(n_components=5).fit(mdata)
    >>> rna = ridge.translate(mdata["atac"], source="atac", target="rna")
    >>> prediction = xm.tl.to_openproblems(rna, dataset_id="my_set")
    >>> list(prediction.layers), prediction.uns["method_id"]
    (['normalized'], 'ridge')
    """
    check_arguments(locals())
    refuse_drawn_counts(translated, name="translated.X")
    record = translated.uns.get(UNS_KEY, {})
    if method_id is None:
        if "model" not in record:
            raise ValueError(
                f"uns[{UNS_KEY!r}] does not say which model made this AnnData: give method_id=."
            )
        method_id = str(record["model"]).lower()
    return AnnData(
        obs=translated.obs[[]].copy(),
        var=translated.var[[]].copy(),
        layers={"normalized": _normalized(translated)},
        uns={"dataset_id": str(dataset_id), "method_id": method_id},
    )


def _normalized(translated: AnnData) -> NDArray[np.float64]:
    if _MEAN not in translated.layers:
        return _dense(translated.X)
    mean = _dense(translated.layers[_MEAN])
    total = mean.sum(axis=1, keepdims=True)
    return np.log1p(_TOTAL * np.divide(mean, total, out=np.zeros_like(mean), where=total > 0))


def _dense(matrix: Any) -> NDArray[np.float64]:
    dense = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    return np.asarray(dense, dtype=np.float64)
