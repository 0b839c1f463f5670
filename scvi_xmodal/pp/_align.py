"""The same features in the same order as another data set or a model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scvi_xmodal._arguments import check_arguments, shown
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data._matching import match_places
from scvi_xmodal.data._modalities import check_kind, kind_of_feature, may_be_of_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


_FEATURE_TYPES = "feature_types"
_NAMED_ALIKE = ("rna", "protein")
_TAKE_APART = "Take the kinds apart, xm.pp.to_mudata(adata)"


def align_features(
    adata: AnnData,
    reference: AnnData | pd.DataFrame | pd.Index | Sequence[str],
    *,
    match: str = "name",
    strip_versions: bool = False,
    missing: Literal["raise", "zero"] = "raise",
) -> AnnData:
    """Return a copy with exactly the reference's features, in its order and by its names.

    Features that the reference does not know are left out. Features are matched by name, and peaks
    whose coordinates are written otherwise (``chr1-10-20``, ``chr1:10-20``) by place; peaks called
    on other data are mapped by overlap, with :func:`repool_peaks`. A gene is no antibody of its
    name, where ``var["feature_types"]`` of data and reference say so.

    Parameters
    ----------
    adata
        Data to align; stays as it is.
    reference
        Names of shape (n_features,), such as ``model.get_var_names()["rna"]``, a ``var`` table
        such as a translation's, or an AnnData with one.
    match
        What identifies a feature: ``"name"`` for ``var_names``, or a column of ``adata.var`` such
        as ``"gene_ids"``. The reference's column of that name is compared, or its names if it
        has none.
    strip_versions
        Whether ``ENSG00000141510.18`` and ``ENSG00000141510`` are the same.
    missing
        What to do about features of the reference that the data lack:

        * ``"raise"``: refuse
        * ``"zero"``: warn, and fill in zeros, as if measured and never found

    Returns
    -------
    AnnData of shape (n_cells, n_features), in memory. ``var`` is the reference's table if it has
    one, else the data's. ``obs``, ``obsm``, ``obsp``, ``uns`` and layers are kept; ``varm``,
    ``varp`` and ``raw``, which tell of features that may be gone, are not.

    Raises
    ------
    ValueError
        If features are missing, identifiers are not unique, none is shared, or names without
        ``feature_types`` may mean features of several kinds in the data.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from anndata import AnnData
    >>> import scvi_xmodal as xm
    >>> adata = AnnData(np.array([[1.0, 2.0, 3.0]]), var=pd.DataFrame(index=["a", "b", "c"]))
    >>> xm.pp.align_features(adata, ["c", "a"]).X
    array([[3., 1.]])
    """
    check_arguments(locals())
    if missing not in ("raise", "zero"):
        raise ValueError(f"missing={missing!r}; known are 'raise' and 'zero'.")
    if not isinstance(adata, AnnData):
        raise ValueError(f"An AnnData is needed, got {type(adata).__name__}: give one modality.")
    table = as_table(reference)
    wanted = _identifiers(table, match, strip_versions, of="reference", fall_back=True)
    position = np.full(len(table), -1, dtype=np.int64)
    candidates = np.zeros(adata.n_vars, dtype=bool)
    for kind, rows, columns in _same_kinds(table, adata):
        var = adata.var[columns]
        known = _identifiers(var, match, strip_versions, of="adata", fall_back=False)
        own = _positions(wanted[rows], known)
        if match == "name":
            own = match_places(wanted[rows], known, own)
        position[rows] = np.append(np.flatnonzero(columns), -1)[own]
        candidates |= columns
        if match == "name" and kind is None:
            _refuse_ambiguous(adata.var, position[rows])
    if kind is not None and not candidates.any():  # of some of the kinds there may be none
        check_kind(adata, kind, "The reference")
    found = position >= 0
    _report_missing(table.index[~found], found, missing=missing, own=adata.var_names[candidates])
    taken = adata[:, position[found]].to_memory(copy=True)
    return AnnData(
        X=None if taken.X is None else _spread(taken.X, found),
        obs=taken.obs,
        var=table.copy() if len(table.columns) else _spread_var(taken.var, found, table.index),
        layers={key: _spread(taken.layers[key], found) for key in layer_names(taken)},
        obsm=dict(taken.obsm),
        obsp=dict(taken.obsp),
        uns=taken.uns,
    )


def as_table(reference: Any) -> pd.DataFrame:
    """Return features given as names, table or AnnData as a table.

    Raises
    ------
    ValueError
        If there are none.
    """
    if isinstance(reference, AnnData):
        reference = reference.var
    _refuse_several(reference)
    if isinstance(reference, str) or not hasattr(reference, "__len__") or not len(reference):
        raise ValueError(f"The reference must be names or a var table, got {shown(reference)}.")
    if isinstance(reference, pd.DataFrame):
        return reference
    return pd.DataFrame(index=pd.Index([str(name) for name in reference]))


def _refuse_several(reference: Any) -> None:
    """Raise at what holds the features of several modalities: a model, a MuData, a dict."""
    call, parts = "reference", getattr(reference, "mod", reference)
    if hasattr(reference, "get_var_names"):
        call, parts = "model.get_var_names()", reference.get_var_names()
    if isinstance(parts, Mapping) and parts:
        raise ValueError(
            f"The reference must be names or a var table, got a {type(reference).__name__} with "
            f"those of {list(parts)}: give one's, such as {call}[{next(iter(parts))!r}]."
        )


def _same_kinds(
    table: pd.DataFrame, adata: AnnData
) -> Iterator[tuple[str | None, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield kinds, which features of a table are of each, and which of the data's may be."""
    kinds = pd.Series([None] * len(table), dtype=object)
    if _FEATURE_TYPES in table:
        kinds = pd.Series([kind_of_feature(name) for name in table[_FEATURE_TYPES]], dtype=object)
    for kind in kinds.unique():
        rows = (kinds.isna() if kind is None else kinds == kind).to_numpy()
        columns = np.ones(adata.n_vars, dtype=bool)
        if kind is not None:
            columns = may_be_of_kind(adata, kind)
        yield kind, rows, columns


def _refuse_ambiguous(var: pd.DataFrame, position: NDArray[np.int64]) -> None:
    """Raise if names alone were to tell genes from antibodies of the same names.

    Names that were made unique tell no kind either: ``"CD4"`` is what came first, the other is
    ``"CD4-1"``. Peaks have names of their own, and of other kinds (guides) nothing is known.
    """
    if not _holds_kinds(var):
        return
    types = pd.Series(var[_FEATURE_TYPES].astype(str).to_numpy(), index=var.index.astype(str))
    kinds = types.map({name: kind_of_feature(name) for name in types.unique()})
    kinds = kinds.where(kinds.isin(_NAMED_ALIKE))
    own = kinds.iloc[position[position >= 0]].dropna()
    one_each = kinds[~kinds.index.duplicated()]  # several may have no name
    twins = one_each.reindex([f"{name}-1" for name in own.index])
    unlike = twins.notna().to_numpy() & (twins.to_numpy() != own.to_numpy())
    pairs = list(zip(own.index[unlike], twins.index[unlike], strict=True))
    if own.nunique() > 1:
        pairs.append((own.index[0], own.index[own != own.iloc[0]][0]))
    if pairs:
        one, other = pairs[0]
        raise ValueError(
            f"The reference names features but no kinds, and the data hold several: {one!r} is "
            f"{types[one]}, {other!r} is {types[other]}. {_TAKE_APART}, or give a var table with "
            f"{_FEATURE_TYPES!r}."
        )


def _holds_kinds(var: pd.DataFrame) -> bool:
    """Return whether features are of several kinds by what they say."""
    return _FEATURE_TYPES in var and var[_FEATURE_TYPES].nunique() > 1


def _identifiers(
    var: pd.DataFrame, match: str, strip_versions: bool, *, of: str, fall_back: bool
) -> pd.Series:
    """Return what identifies each feature, missing where nothing does."""
    if match == "name" or (fall_back and match not in var):
        column, name = var.index.to_series(), f"The names of the {of}'s features"
    elif match in var:
        column, name = var[match], f"{of}.var[{match!r}]"
    else:
        raise ValueError(
            f"match={match!r} is no column of {of}.var; those are {list(var.columns)}. Use "
            "match='name' for var_names."
        )
    text = column.reset_index(drop=True).astype(object)
    empty = text.isna() | (text.astype(str) == "")
    text = text.astype(str).astype(object).mask(empty)
    if strip_versions:
        text = text.str.replace(r"^(ENS[A-Z]*\d+)\.\d+", r"\1", regex=True)
    twice = text[text.duplicated() & ~empty].unique()
    if len(twice):
        # made unique, an antibody's name would be left to the gene
        mend = _TAKE_APART if _holds_kinds(var) else "Call var_names_make_unique()"
        raise ValueError(
            f"{name} are not unique: {len(twice)} appear more than once, such as "
            f"{list(twice[:3])}. {mend}, or match by unique identifiers, such as "
            "match='gene_ids'."
        )
    return text


def _positions(wanted: pd.Series, known: pd.Series) -> NDArray[np.int64]:
    """Return where each wanted identifier stands among the known ones, or -1."""
    row_of = pd.Series(np.arange(known.size), index=known)[known.notna().to_numpy()]
    rows = row_of.reindex(wanted).fillna(-1).to_numpy()
    return np.where(wanted.notna(), rows, -1).astype(np.int64)


def _report_missing(
    lacking: pd.Index, found: NDArray[np.bool_], *, missing: str, own: pd.Index
) -> None:
    if not lacking.size:
        return
    message = (
        f"The data lack {lacking.size} of the reference's {found.size} features, such as "
        f"{list(lacking[:3])} (coverage {found.mean():.1%})."
    )
    if not found.any():
        raise ValueError(
            f"{message} None is shared: the data's own are named {list(own[:3])}. Rename them, or "
            "match them by a column of var, such as match='gene_ids'; pp.repool_peaks maps peaks "
            "onto other peaks by their overlap."
        )
    if missing == "raise":
        raise ValueError(
            f"{message} The data's own are named {list(own[:3])}. Rename them, or fill in zeros "
            "with missing='zero'."
        )
    warnings.warn(f"{message} They are filled in with zeros.", UserWarning, stacklevel=3)


def _spread(matrix: Any, found: NDArray[np.bool_]) -> Any:
    """Set columns apart, leaving zeros where a feature was not found."""
    if found.all():
        return matrix
    shape, columns = (matrix.shape[0], found.size), np.flatnonzero(found)
    if not sparse.issparse(matrix):
        dense = np.zeros(shape, dtype=matrix.dtype)
        dense[:, columns] = matrix
        return dense
    container = sparse.csr_matrix if sparse.isspmatrix(matrix) else sparse.csr_array
    ones = np.ones(columns.size, dtype=matrix.dtype)
    selector = container(
        (ones, (np.arange(columns.size), columns)), shape=(columns.size, found.size)
    )
    spread = (matrix @ selector).asformat(matrix.format)
    spread.sort_indices()
    return spread


def _spread_var(var: pd.DataFrame, found: NDArray[np.bool_], names: pd.Index) -> pd.DataFrame:
    """Do the same to a table; whole numbers and truth values become nullable."""
    row = np.cumsum(found) - 1
    spread = var.iloc[np.maximum(row, 0)].copy()
    spread.index = names
    if found.all():
        return spread
    for column, values in spread.items():
        if pd.api.types.is_bool_dtype(values.dtype):
            values = values.astype("boolean")
        elif pd.api.types.is_integer_dtype(values.dtype):
            values = values.astype("Int64")
        spread[column] = values.mask(~found)
    return spread
