"""How well labels were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from scvi_xmodal._arguments import check_arguments, shown
from scvi_xmodal._texts import label_texts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class AnnotationScores:
    """Scores of an annotation; cells that were given no label count as wrong.

    Parameters
    ----------
    accuracy
        Fraction of cells whose label is right.
    kappa
        Cohen's kappa: accuracy above what chance gives, 1 at best.
    f1_macro
        Mean over the true labels of :math:`F_1 = 2PR/(P+R)`, with precision P and recall R.
    f1_weighted
        The same, weighted by the labels' numbers of cells.
    accuracy_of_sure
        Fraction of the labelled cells whose label is right.
    unsure_fraction
        Fraction of cells that were given no label.
    n_cells
        Number of cells with a true label.
    """

    accuracy: float
    kappa: float
    f1_macro: float
    f1_weighted: float
    accuracy_of_sure: float
    unsure_fraction: float
    n_cells: int


def evaluate_annotation(
    truth: ArrayLike, annotated: ArrayLike, *, unsure: str = "unsure"
) -> AnnotationScores:
    """Compare given labels with true ones.

    The four scores of scButterfly's paper (Cao et al. 2024, Methods, after EpiAnno and
    Cellcano), by scikit-learn. With labels held back where unsure, they show what that costs
    and :attr:`AnnotationScores.accuracy_of_sure` what it brings.

    Parameters
    ----------
    truth
        True labels of shape (n_cells,); cells without one (NaN, ``None``) are left out. Two
        Series are matched by index.
    annotated
        Labels given, of shape (n_cells,); missing ones count as unsure.
    unsure
        Label of the cells that were given none.

    Raises
    ------
    ValueError
        If the numbers of cells differ, cells cannot be matched, no cell has a true label, or
        one's is ``unsure``.

    Examples
    --------
    >>> from scvi_xmodal.metrics import evaluate_annotation
    >>> scores = evaluate_annotation(["B", "B", "T", "T"], ["B", "T", "T", "unsure"])
    >>> scores.accuracy, round(scores.accuracy_of_sure, 2), scores.unsure_fraction
    (0.5, 0.67, 0.25)
    """
    check_arguments(locals(), truth=None, prediction=None)
    from sklearn.metrics import cohen_kappa_score, f1_score

    true, given = matched_labels(truth, annotated, unsure=unsure)
    right, sure = (true == given), (given != unsure)
    labels = sorted(true.unique())
    nan = float("nan")
    # of a single label that all cells got, chance says all there is to say
    kappa = cohen_kappa_score(true, given) if len({*true, *given}) > 1 else nan
    f1 = {
        average: float(f1_score(true, given, labels=labels, average=average, zero_division=0))
        for average in ("macro", "weighted")
    }
    return AnnotationScores(
        accuracy=float(right.mean()),
        kappa=float(kappa),
        f1_macro=f1["macro"],
        f1_weighted=f1["weighted"],
        accuracy_of_sure=float(right[sure].mean()) if sure.any() else nan,
        unsure_fraction=float((~sure).mean()),
        n_cells=len(true),
    )


def matched_labels(
    truth: ArrayLike, annotated: ArrayLike, *, unsure: str
) -> tuple[pd.Series, pd.Series]:
    """Return true labels and those given, as strings, of the cells with a true label.

    Raises
    ------
    ValueError
        As :func:`evaluate_annotation`.
    """
    true, given = matched_series(truth, annotated)
    given = label_texts(given.where(given.notna(), unsure)[true.notna()])
    true = label_texts(true.dropna())
    if not len(true):
        raise ValueError("Not one cell has a true label.")
    n_named = int((true == unsure).sum())
    if n_named:
        raise ValueError(
            f"{unsure!r} stands for no label here, but is the true label of {n_named} of "
            f"{len(true)} cells. Leave them out, with NaN for it, or give unsure= another word "
            "for cells that were given none."
        )
    return true, given


def matched_series(truth: ArrayLike, annotated: ArrayLike) -> tuple[pd.Series, pd.Series]:
    """Return two labels of each cell, of two Series by index."""
    for name, labels in (("truth", truth), ("annotated", annotated)):
        if getattr(labels, "ndim", 1) != 1:
            raise ValueError(
                f"{name} must be one label for each cell, got {shown(labels)}: of a table give "
                "the column, such as tl.annotate(...)['label'] or adata.obs['cell_type']."
            )
    true, given = (pd.Series(values).astype(object) for values in (truth, annotated))
    if len(true) != len(given):
        raise ValueError(f"{len(true)} true labels were given for {len(given)} cells.")
    if not (isinstance(truth, pd.Series) and isinstance(annotated, pd.Series)):
        return true.reset_index(drop=True), given.reset_index(drop=True)
    if (
        not true.index.is_unique
        or not given.index.is_unique
        or not given.index.isin(true.index).all()
    ):
        raise ValueError(
            f"The cells cannot be matched by name: the one's are {list(true.index[:3])}, the "
            f"other's {list(given.index[:3])}."
        )
    return true, given.loc[true.index]
