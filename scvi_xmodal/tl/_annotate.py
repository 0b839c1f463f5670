"""Labels for cells of which only the other modality was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from scvi_xmodal._arguments import check_arguments
from scvi_xmodal.metrics._blocks import slices
from scvi_xmodal.metrics._groups import group_labels
from scvi_xmodal.metrics._translated import Translated, mean_profile

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData
    from numpy.typing import NDArray

UNSURE = "unsure"
_FEWEST_CELLS = 50
_FEWEST_FEATURES = 10


def annotate(
    prediction: AnnData,
    reference: AnnData | MuData,
    labels_key: str,
    *,
    classifier: Any = None,
    margin: float = 0.0,
    standardize: bool = True,
    kind: str | None = None,
    layer: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Label translated cells by a classifier trained on measured, labelled cells.

    scButterfly's way to type ATAC cells (Cao et al. 2024, "cell type annotation"): translate
    them to RNA, train a support vector machine on a labelled RNA set, apply it. The reference is
    brought to the translation's scale as in :func:`pseudobulk_concordance`.

    Translations vary less between cells than measurements do, so that a classifier of measured
    cells sees the most frequent label everywhere. Unlike in the paper, each gene of either side
    is therefore measured in standard deviations from its mean over that side's cells; the tests
    show what that brings on held-out cortex and bone marrow cells. It assumes that both sides
    hold like mixtures of cells: for one type alone use ``standardize=False``, the paper's way.

    Parameters
    ----------
    prediction
        Translated cells to label.
    reference
        Raw counts of labelled cells of the translated modality, or a MuData that holds it.
    labels_key
        Column of the reference's ``obs``; cells without a label are not used.
    classifier
        Any classifier of scikit-learn, which is cloned; by default
        :class:`sklearn.svm.LinearSVC` with ``C=0.01``, one class against the others.
    margin
        Smallest lead of the best label over the second that is trusted, in units of the
        decision function, or of probability for classifiers without one; others become
        ``"unsure"``.
    standardize
        Whether to measure either side's genes in its own standard deviations. A cell's label
        then depends on the company that it is translated in.
    kind
        What was predicted, for translations that do not record it.
    layer
        Layer of the reference's counts; ``None`` for ``X``.
    seed
        Seeds the default classifier.

    Returns
    -------
    One row for each cell: ``label``, or ``"unsure"``; ``best``, the label whatever its lead; and
    ``margin``, its lead. :func:`scvi_xmodal.metrics.evaluate_annotation` scores it.

    Raises
    ------
    ValueError
        If fewer than ten features or two labels are there, values are no counts, fewer than 50
        cells are to be standardised, or a margin is asked of a classifier that has none.

    Examples
    --------
    >>> import scvi_xmodal as xm
    >>> mdata = xm.datasets.synthetic(n_cells=400, n_cell_types=2)
    >>> ridge = xm.baselines.Ridge().fit(mdata, indices=range(150))
    >>> rna = ridge.translate(mdata["atac"][300:], source="atac", target="rna")
    >>> found = xm.tl.annotate(rna, mdata["rna"][150:300], "cell_type")
    >>> truth = mdata.obs["cell_type"].iloc[300:]
    >>> xm.metrics.evaluate_annotation(truth, found["label"]).accuracy > 0.9
    True
    """
    check_arguments(locals())
    translated = Translated.read(prediction, kind=kind)
    measured = translated.read_measured(reference, layer, name="reference")
    labels = group_labels(measured, labels_key, name="reference")
    features = translated.shared_features(
        measured.var_names, least=_FEWEST_FEATURES, name="reference"
    )
    _check(labels, labels_key, prediction.n_obs, standardize, margin)
    model = _classifier(classifier, margin, seed)
    known = labels.notna().to_numpy()
    x, values = translated.scaled(measured, features)[known], translated.values(features)
    match = Matching.fitted(x, values) if standardize else None
    model.fit(x if match is None else match.reference(x), labels[known].astype(str).to_numpy())
    return _labels(model, values, match, margin, prediction.obs_names)


@dataclass(frozen=True, eq=False)
class Matching:
    """Maps predicted values to where measured ones lie, gene by gene.

    Parameters
    ----------
    center, spread
        Mean and standard deviation of the measured values, of shape (n_features,); a spread of
        1 where they do not vary.
    own_center, own_spread
        The same of the predicted values.
    """

    center: NDArray[np.float64]
    spread: NDArray[np.float64]
    own_center: NDArray[np.float64]
    own_spread: NDArray[np.float64]

    @classmethod
    def fitted(cls, measured: Any, predicted: Any) -> Matching:
        """Take the moments of both sides."""
        return cls(*_moments(measured), *_moments(predicted))

    def reference(self, measured: Any) -> Any:
        """Return measured values in units of their spread; not centred, so sparse stays so."""
        if sparse.issparse(measured):
            return sparse.csr_matrix(measured @ sparse.diags(1 / self.spread))
        return measured / self.spread

    def query(self, predicted: NDArray[Any]) -> NDArray[np.float64]:
        """Return predicted values with the mean and spread that measured ones have now."""
        return (predicted - self.own_center) / self.own_spread + self.center / self.spread


def _moments(values: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = mean_profile(values)
    squares = np.zeros_like(mean)
    for rows in slices(*values.shape):
        block = values[rows].toarray() if sparse.issparse(values) else values[rows]
        squares += np.square(block - mean).sum(axis=0)
    spread = np.sqrt(squares / values.shape[0])
    return mean, np.where(spread > 1e-9, spread, 1.0)


def _check(
    labels: pd.Series, labels_key: str, n_cells: int, standardize: bool, margin: float
) -> None:
    if len(labels.cat.categories) < 2:
        raise ValueError(
            f"The reference's obs[{labels_key!r}] has the label {labels.cat.categories[0]!r} "
            "only: there is nothing to tell apart."
        )
    if standardize and n_cells < _FEWEST_CELLS:
        raise ValueError(
            f"{n_cells} cells are too few to standardise: give {_FEWEST_CELLS} or more, of all "
            "types, or standardize=False."
        )
    if not margin >= 0:
        raise ValueError(f"margin={margin} must be 0 or above.")


def _classifier(classifier: Any, margin: float, seed: int) -> Any:
    from sklearn.base import clone
    from sklearn.svm import LinearSVC

    if classifier is None:
        return LinearSVC(C=0.01, random_state=seed)
    if not hasattr(classifier, "get_params"):
        raise ValueError(
            f"classifier must be a classifier of scikit-learn, such as LinearSVC(), got "
            f"{classifier!r}."
        )
    model = clone(classifier)
    if margin and not (hasattr(model, "decision_function") or hasattr(model, "predict_proba")):
        raise ValueError(
            f"margin={margin} needs scores of labels, but {model} has neither decision_function "
            "nor predict_proba."
        )
    return model


def _labels(
    model: Any, values: Any, match: Matching | None, margin: float, names: pd.Index
) -> pd.DataFrame:
    """Classify some rows at a time."""
    best, lead = [], []
    for rows in slices(*values.shape):
        block = values[rows].toarray() if sparse.issparse(values) else np.asarray(values[rows])
        block = block if match is None else match.query(block)
        best.append(model.predict(block))
        lead.append(_lead(model, block))
    table = pd.DataFrame({"best": np.concatenate(best), "margin": np.concatenate(lead)}, names)
    sure = ~(table["margin"] < margin)  # without scores, all are
    table.insert(0, "label", table["best"].where(sure, UNSURE))
    return table


def _lead(model: Any, values: NDArray[Any]) -> NDArray[np.float64]:
    """Return by how much each cell's best label leads, NaN for classifiers without scores."""
    if hasattr(model, "decision_function"):
        scores = model.decision_function(values)
        # of two labels there is one score, and the other's is its negative
        scores = np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
    elif hasattr(model, "predict_proba"):
        scores = model.predict_proba(values)
    else:
        return np.full(len(values), np.nan)
    ordered = np.sort(scores, axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2], dtype=np.float64)
