"""Features are matched by name, never by position."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MEND = {
    "rna": "pp.align_features(query, model_genes) can fill missing genes with zeros",
    "protein": "pp.align_features(query, model_proteins) can fill missing proteins with zeros",
    "atac": "pp.repool_peaks(query, model_peaks), or translate(..., repool=True), maps other "
    "peaks onto the model's; pp.align_features(query, model_peaks) fills missing peaks with zeros",
}


def check_unique(names: Any, *, name: str) -> None:
    """Raise a ``ValueError`` if a feature has no name or one that appears twice."""
    index = pd.Index(names)
    unnamed = np.asarray(index.isna()) | (np.asarray(index, dtype=object) == "")
    if unnamed.any():
        raise ValueError(
            f"{name} need names, but {int(unnamed.sum())} of {index.size} have none, the first at "
            f"position {int(unnamed.argmax())}. Name them, or drop them."
        )
    if index.has_duplicates:
        twice = index[index.duplicated()].unique()
        raise ValueError(
            f"{name} are not unique: {len(twice)} names appear more than once, such as "
            f"{list(twice[:3])}. Call var_names_make_unique() first."
        )


def match_most_features(
    names: Any, model_names: Any, *, modality: str, max_missing: float
) -> NDArray[np.int64]:
    """Return, for each of the given columns, the model's feature, or -1; some may be missing.

    Parameters
    ----------
    names
        Feature names of the data, of shape (n_columns,), in any order.
    model_names
        Feature names of the model, of shape (n_features,).
    modality
        How messages call the modality.
    max_missing
        Largest share of the model's features that the data may lack. A warning tells how many
        are missing.

    Raises
    ------
    ValueError
        If more are missing.
    """
    model_index = pd.Index(np.asarray(model_names, dtype=object))
    position = model_index.get_indexer(pd.Index(np.asarray(names, dtype=object)))
    n_missing = model_index.size - int((position >= 0).sum())
    if not n_missing:
        return position.astype(np.int64)
    missing = model_index.difference(pd.Index(names), sort=False)
    found = (
        f"The data lack {n_missing} of the model's {model_index.size} {modality!r} features, such "
        f"as {list(missing[:3])}"
    )
    if n_missing > max_missing * model_index.size:
        raise ValueError(
            f"{found}; at most {max_missing:.0%} may be missing. If they are merely named "
            f"otherwise (the data's own are {list(map(str, names[:3]))}), rename them; else train "
            "the model on the features that both share."
        )
    warnings.warn(f"{found}: they are taken for undetected.", stacklevel=4)
    return position.astype(np.int64)


def match_features(
    names: Any, model_names: Any, *, modality: str, kind: str | None = None
) -> NDArray[np.int64]:
    """Return, for each of the given columns, the model's feature, or -1.

    Parameters
    ----------
    names
        Feature names of the data, of shape (n_columns,), in any order.
    model_names
        Feature names of the model, of shape (n_features,).
    modality
        How messages call the modality.
    kind
        What it measures, to name the mend.

    Raises
    ------
    ValueError
        If the data lack features of the model.

    Examples
    --------
    >>> from scvi_xmodal.data import match_features
    >>> match_features(["b", "x", "a"], ["a", "b"], modality="rna").tolist()
    [1, -1, 0]
    """
    model_index = pd.Index(np.asarray(model_names, dtype=object))
    position = model_index.get_indexer(pd.Index(np.asarray(names, dtype=object)))
    n_found = int((position >= 0).sum())
    if n_found < model_index.size:
        missing = model_index.difference(pd.Index(names), sort=False)
        mend = _MEND.get(kind or modality, _MEND["rna"])
        raise ValueError(
            f"The data lack {len(missing)} of the model's {model_index.size} {modality!r} "
            f"features, such as {list(missing[:3])}; the data's own are named "
            f"{list(map(str, names[:3]))}. If they are merely named otherwise, rename them; "
            f"{mend}."
        )
    return position.astype(np.int64)
