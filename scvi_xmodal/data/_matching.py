"""Features are matched by name, never by position; peaks by place where names differ."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scvi_xmodal.data._coordinates import peak_names
from scvi_xmodal.data._peaks import parse_peaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORDS = {"rna": "genes", "atac": "peaks"}


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
        If more are missing, or one of the model's features stands in several columns.
    """
    model_index = pd.Index(np.asarray(model_names, dtype=object))
    own = pd.Index(np.asarray(names, dtype=object))
    position = model_index.get_indexer(own)
    # its counts would go by parts, and each further column hide that another feature is missing
    check_unique(own[position >= 0], name=f"The data's {modality!r} features")
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
    names: Any,
    model_names: Any,
    *,
    modality: str,
    kind: str | None = None,
    reference: str | None = None,
) -> NDArray[np.int64]:
    """Return, for each of the given columns, the model's feature, or -1.

    Peaks that differ only in how coordinates are written (``chr1-10-20``, ``chr1:10-20``) are the
    same; an equal name comes first.

    Parameters
    ----------
    names
        Feature names of the data, of shape (n_columns,), in any order.
    model_names
        Feature names of the model, of shape (n_features,).
    modality
        How messages call the modality.
    kind
        What it measures; by default ``modality`` says so.
    reference
        Its key in the model's ``get_var_names()``, to name the mend; by default ``modality``.

    Raises
    ------
    ValueError
        If the data lack features of the model.

    Examples
    --------
    >>> from scvi_xmodal.data import match_features
    >>> match_features(["b", "x", "a"], ["a", "b"], modality="rna").tolist()
    [1, -1, 0]
    >>> match_features(
    ...     ["chr2_5_9", "chr1_1_3"], ["chr1:1-3", "chr2:5-9"], modality="atac"
    ... ).tolist()
    [1, 0]
    """
    kind = kind or modality
    model_index = pd.Index(np.asarray(model_names, dtype=object))
    own = pd.Index(np.asarray(names, dtype=object))
    position = model_index.get_indexer(own).astype(np.int64)
    if kind == "atac":
        position = match_places(own, model_index, position)
    found = np.zeros(model_index.size, dtype=bool)
    found[position[position >= 0]] = True
    if not found.all():
        missing = model_index[~found]
        mend = _mend(kind, f"model.get_var_names()[{reference or modality!r}]", bool(found.any()))
        raise ValueError(
            f"The data lack {missing.size} of the model's {model_index.size} {modality!r} "
            f"features, such as {list(missing[:3])}; the data's own are named "
            f"{list(map(str, own[:3]))}. If they are merely named otherwise, rename them; "
            f"{mend}."
        )
    return position


def match_places(names: Any, known: Any, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return matches by name, and those of peaks whose names write the same place otherwise.

    Parameters
    ----------
    names
        Names of shape (n_names,).
    known
        Names to find them among, of shape (n_known,).
    position
        Which of the known names each name equals, or -1, of shape (n_names,).

    Returns
    -------
    Positions of shape (n_names,). Only names that equal none are matched by place, with known
    names that none equals, and only where a place is named once on either side.

    Examples
    --------
    >>> import numpy as np
    >>> from scvi_xmodal.data._matching import match_places
    >>> match_places(["a", "chr1-1-3", "x"], ["chr1:1-3", "a"], np.array([1, -1, -1])).tolist()
    [1, 0, -1]
    """
    free = np.ones(len(known), dtype=bool)
    free[position[position >= 0]] = False
    if not free.any():  # all were found by name, and parsing names takes a while
        return position
    (places, is_single), (known_places, known_single) = _places(names), _places(known)
    rows = np.flatnonzero(free & known_single)
    among = known_places[rows].get_indexer(places)
    wanted = (position < 0) & is_single & (among >= 0)
    matched = position.copy()
    matched[wanted] = rows[among[wanted]]
    return matched


def _places(names: Any) -> tuple[pd.Index, NDArray[np.bool_]]:
    """Return each peak's place, written alike, and whether it has one that no other has."""
    peaks = parse_peaks(names)
    places = peak_names(peaks.chrom, peaks.start, peaks.end)
    return places, peaks.parsed & ~places.duplicated(keep=False)


def _mend(kind: str, reference: str, some_found: bool) -> str:
    """Say what can be done about missing features: calls that work as they stand."""
    align = f"pp.align_features(query, {reference}, "
    fill = f"{align}missing='zero') fills missing {_WORDS.get(kind, 'features')} with zeros"
    if kind == "protein":  # zeros would be taken as measured, below all that was
        fill = "else train the model on the proteins that both panels hold"
    if kind != "atac":
        others = f"{align}match=...) finds the model's names in a column of the query's var"
        return fill if some_found else others
    pool = (
        "repool=True maps other peaks onto the model's by overlap, as "
        f"pp.repool_peaks(query, {reference}) does"
    )
    return f"{pool}; {fill}" if some_found else pool
