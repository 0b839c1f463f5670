"""What each argument of a public function may be, in one table; refused before work starts."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


class Rule(NamedTuple):
    """A test that a value must pass, and how messages call what passes it."""

    fits: Callable[[Any], bool]
    wanted: str

    def or_none(self, meaning: str = "") -> Rule:
        """Return a rule that lets ``None`` pass too."""
        wanted = f"{self.wanted}, or None{meaning and ' ' + meaning}"
        return Rule(lambda value: value is None or self.fits(value), wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | np.number) and not _is_flag(value) and value == value


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not _is_flag(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_anndata(value: Any) -> bool:
    return hasattr(value, "var_names") and hasattr(value, "obs_names") and not _is_mudata(value)


def _is_mudata(value: Any) -> bool:
    return hasattr(value, "mod") and hasattr(value, "obsmap")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_sequence(value: Any) -> bool:
    kinds = list | tuple | range | set | frozenset
    return isinstance(value, kinds) or hasattr(value, "__array__")


def within(low: float, high: float, *, above: bool = False, below: bool = False) -> Rule:
    """Return a rule for numbers from low to high, ends included unless excluded."""
    wanted = f"a number {'above' if above else 'of at least'} {low:g}"
    if high < float("inf"):
        wanted += f" and {'below' if below else 'at most'} {high:g}"

    def fits(value: Any) -> bool:
        if not _is_number(value) or not low <= value <= high or abs(value) == float("inf"):
            return False
        return not (above and value == low) and not (below and value == high)

    return Rule(fits, wanted)


def one_of(*known: str) -> Rule:
    """Return a rule for a choice."""
    return Rule(lambda value: _is_text(value) and value in known, f"one of {list(known)}")


INFINITY = float("inf")
WHOLE = Rule(_is_whole, "a whole number")
COUNT = Rule(lambda value: _is_whole(value) and value >= 0, "a whole number of at least 0")
POSITIVE = Rule(lambda value: _is_whole(value) and value >= 1, "a whole number of at least 1")
NUMBER = Rule(_is_number, "a number")
NOT_NEGATIVE = within(0, INFINITY)
ABOVE_ZERO = within(0, INFINITY, above=True)
FLAG = Rule(_is_flag, "True or False")
TEXT = Rule(_is_text, "text")
VALUE = Rule(lambda value: isinstance(value, Hashable), "one value, such as text")
TEXTS = Rule(lambda value: _is_text(value) or _is_sequence(value), "text or a list of texts")
LIST = Rule(_is_sequence, "a list")
TABLE = Rule(lambda value: hasattr(value, "columns"), "a pandas.DataFrame")
MAPPING = Rule(lambda value: isinstance(value, Mapping), "a dict")
PATH = Rule(lambda value: isinstance(value, str | PathLike) and str(value) != "", "a path")
ANNDATA = Rule(_is_anndata, "an AnnData (of a MuData give one modality, mdata['rna'])")
MODEL = Rule(lambda value: hasattr(value, "specs"), "a model of scvi_xmodal.model")
SPLIT = Rule(
    lambda value: hasattr(value, "validation") and hasattr(value, "check_range"),
    "a split, as xm.pp.split returns it",
)
MUDATA = Rule(_is_mudata, "a MuData, such as MuData({'rna': ..., 'atac': ...})")
DATA = Rule(lambda value: _is_anndata(value) or _is_mudata(value), "an AnnData or a MuData")

ARGUMENTS: dict[str, Rule] = {
    **dict.fromkeys(["data", "truth"], DATA),
    **dict.fromkeys(["adata", "prediction", "measured", "translated"], ANNDATA),
    "mdata": MUDATA,
    "model": MODEL,
    "registry": MAPPING.or_none(),
    "seed": COUNT,
    # names of layers, modalities and columns
    **dict.fromkeys(["layer", "rna_layer", "atac_layer", "protein_layer"], TEXT.or_none("for X")),
    **dict.fromkeys(["modality", "batch_key", "kind", "unsure"], TEXT.or_none()),
    **dict.fromkeys(["labels_key", "key", "groupby"], TEXT.or_none()),
    **dict.fromkeys(["match", "condition_key", "color", "basis"], TEXT.or_none()),
    "prefix": Rule(lambda value: _is_text(value) and "/" not in value, "text without /").or_none(),
    **dict.fromkeys(["dataset_id", "title", "training_data_url"], TEXT.or_none()),
    **dict.fromkeys(["license_info", "description", "references"], TEXT),
    **dict.fromkeys(["control", "perturbed", "group", "transform_batch"], VALUE),
    # numbers
    "n_rotations": WHOLE.or_none(),
    **dict.fromkeys(["n_folds", "n_top_genes", "n_genes", "n_peaks"], WHOLE.or_none("for all")),
    **dict.fromkeys(["n_proteins", "n_pairs"], WHOLE.or_none("for all")),
    "max_entries": POSITIVE.or_none("for all"),
    **dict.fromkeys(["max_epochs", "pretrain_epochs", "batch_size"], WHOLE.or_none()),
    **dict.fromkeys(["fold", "n_rounds", "n_pcs", "max_cells", "n_bins"], WHOLE),
    **dict.fromkeys(["n_components", "n_top", "n_resamples"], WHOLE),
    **dict.fromkeys(["min_cells", "min_genes", "min_size"], WHOLE),
    **dict.fromkeys(["rows_per_task", "max_iter", "grid_size", "n_neighbors", "bins"], POSITIVE),
    **dict.fromkeys(["max_genes", "max_distance", "pseudocount", "max_resize"], NUMBER),
    **dict.fromkeys(["min_peak_fraction", "max_fraction", "fraction", "min_shared"], NUMBER),
    **dict.fromkeys(["margin", "min_difference", "penalty", "threshold"], NUMBER),
    **dict.fromkeys(["atac_weight"], NUMBER),
    **dict.fromkeys(["max_peak_fraction", "validation_fraction"], NUMBER.or_none()),
    "train_size": within(0, 1, above=True).or_none(),
    "validation_size": within(0, 1, below=True).or_none(),
    **dict.fromkeys(["max_missing_genes", "alpha"], within(0, 1)),
    "resolution": NOT_NEGATIVE,
    # switches
    **dict.fromkeys(["strip_versions", "redraw", "replace", "per_feature", "standardize"], FLAG),
    **dict.fromkeys(["log", "normalize", "legend", "overwrite", "early_stopping"], FLAG),
    **dict.fromkeys(["repool", "return_dist", "save_anndata", "resume", "refit"], FLAG),
    "enable_progress_bar": FLAG,
    # collections, tables, files
    **dict.fromkeys(["layers", "train_kwargs", "plan_kwargs", "palette"], MAPPING.or_none()),
    **dict.fromkeys(["datasplitter_kwargs", "mask_rate", "loss_weight"], MAPPING.or_none()),
    **dict.fromkeys(["exclude", "tissues"], TEXTS),
    "chromosomes": TEXTS.or_none(),
    "genes": TABLE.or_none(),
    **dict.fromkeys(["var", "table", "markers"], TABLE),
    "background": ANNDATA.or_none(),
    "labels": LIST,
    "features": TEXTS.or_none("for all"),
    **dict.fromkeys(["dir_path", "chain", "folder", "model_dir", "store", "path"], PATH),
    **dict.fromkeys(["out", "checkpoint_dir"], PATH.or_none()),
}
"""The rule of each argument, whichever function takes it; those not here have checks of their own.

Ranges that depend on the function or the data stand in the functions.
"""


def check_arguments(given: Mapping[str, Any], **rules: Rule | None) -> None:
    """Raise unless each argument is what the table, or a rule given here, says.

    Parameters
    ----------
    given
        The arguments by name: ``locals()`` in a function's first line.
    **rules
        Rules in place of the table's, for arguments that mean something else here; ``None`` for
        those that are checked elsewhere.

    Raises
    ------
    ValueError
        At the first argument that is not; with its value, and what it must be.

    Examples
    --------
    >>> from scvi_xmodal._arguments import check_arguments
    >>> check_arguments({"seed": "7", "layer": None})
    Traceback (most recent call last):
        ...
    ValueError: seed must be a whole number of at least 0, got '7'.
    """
    for name, value in given.items():
        rule = rules[name] if name in rules else ARGUMENTS.get(name)
        if rule is not None and not rule.fits(value):
            raise ValueError(f"{name} must be {rule.wanted}, got {shown(value)}.")
        if isinstance(value, str | PathLike) and wants_path(rule) and str(value)[:1] == "~":
            raise ValueError(
                f"{name}={str(value)!r}: Python takes ~ for a name, not for your home. Write it "
                f"out, {os.path.expanduser(value)!r}."
            )
        if rule in (ANNDATA, DATA) and name not in rules:
            check_sliceable(value, name)
        if rule in (MUDATA, DATA):
            for key in getattr(value, "mod", ()):
                check_current(value, key)


def check_sliceable(data: Any, name: str) -> None:
    """Raise unless cells and features can be picked from the matrices of data in memory."""
    for key, adata in getattr(data, "mod", {None: data}).items():
        matrix: Any = None if adata.is_view or adata.isbacked else adata.X
        if getattr(matrix, "format", "csr") not in ("csr", "csc"):
            place = name if key is None else f"{name}[{key!r}]"
            raise ValueError(
                f"{place}.X is stored as {matrix.format.upper()}, from which AnnData cannot pick "
                f"cells or features: {place}.X = {place}.X.tocsr()."
            )


def wants_path(rule: Rule | None) -> bool:
    """Return whether a rule is that of paths."""
    return rule is not None and rule.wanted.startswith(PATH.wanted)


def check_current(mdata: Any, key: str, *, axis: Literal["obs", "var"] = "obs") -> None:
    """Raise unless a MuData knows the cells, or features, of its modality as it is now."""
    own = np.asarray(getattr(mdata, f"{axis}map")[key]).astype(np.int64).ravel() - 1  # from 1
    here, known = own >= 0, getattr(mdata, f"{axis}_names")
    names = getattr(mdata.mod[key], f"{axis}_names")
    fits = here.sum() == len(names) and own.max(initial=-1) < len(names)
    if not fits or not known[here].equals(names[own[here]]):
        what = "cells" if axis == "obs" else "features"
        raise ValueError(
            f"The MuData and its modality {key!r} disagree about {what}: the MuData knows "
            f"{here.sum()}, the modality holds {len(names)}, such as {list(names[:2])}. After a "
            f"modality was replaced or its {what} were renamed, call mdata.update()."
        )


def same_names(one: Any, other: Any) -> bool:
    """Return whether two pandas indices are equal, of text of whatever dtype."""
    return bool(one.equals(other) or one.astype(object).equals(other.astype(object)))


def check_order(values: Any, names: Any, argument: str) -> None:
    """Raise if a Series or table, read by position, names other cells than stand there.

    Parameters
    ----------
    values
        What is known of each cell; arrays, and tables with numbered rows, name none.
    names
        The cells' names, in their order.
    argument
        What the caller's argument is called.
    """
    own: Any = getattr(values, "index", None)
    if not hasattr(own, "equals") or own.dtype.kind in "iu" or same_names(own, names):
        return
    raise ValueError(
        f"{argument} is a {type(values).__name__} of other cells than the data, or in another "
        f"order: it starts with {list(own[:2])}, the data with {list(names[:2])}. Put it in "
        f"order, {argument}.loc[data.obs_names], or give {argument}.to_numpy() to go by position."
    )


def check_keywords(argument: str, given: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Raise unless the values of a dict such as ``plan_kwargs`` follow their rules."""
    for name, rule in rules.items():
        if name in given and not rule.fits(given[name]):
            value = shown(given[name])
            raise ValueError(f"{argument}[{name!r}] must be {rule.wanted}, got {value}.")


def shown(value: Any) -> str:
    """Return how messages show a value: small ones whole, large ones by type and shape."""
    if hasattr(value, "shape") and value.shape != ():
        return f"{type(value).__name__} of shape {value.shape}"
    text = repr(value)
    return text if len(text) <= 80 else f"{type(value).__name__} {text[:60]}..."
