"""Which of an object's modalities is RNA, which is ATAC, and which is protein."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scvi_xmodal._constants import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anndata import AnnData
    from numpy.typing import NDArray

    from scvi_xmodal._constants import Kind

_FEATURE_TYPES: dict[str, Kind] = {
    "gene expression": "rna",
    "gex": "rna",
    "peaks": "atac",
    "atac": "atac",
    "antibody capture": "protein",
    "adt": "protein",
}
_KEYS: dict[str, Kind] = {
    "rna": "rna",
    "gex": "rna",
    "rna_expression": "rna",
    "gene_expression": "rna",
    "atac": "atac",
    "accessibility": "atac",
    "peaks": "atac",
    "chromatin_accessibility": "atac",
    "protein": "protein",
    "prot": "protein",
    "proteins": "protein",
    "protein_expression": "protein",
    "adt": "protein",
    "antibody": "protein",
}


def find_modalities(modalities: Mapping[str, AnnData]) -> dict[Kind, str]:
    """Find the RNA, ATAC and protein modalities by ``feature_types``, else by key.

    Parameters
    ----------
    modalities
        The modalities by key, such as ``mdata.mod``.

    Returns
    -------
    The key of each kind found, in the order RNA, ATAC, protein.

    Raises
    ------
    ValueError
        If two modalities look like the same kind, or one holds features of another.

    Examples
    --------
    >>> from anndata import AnnData
    >>> import numpy as np
    >>> from scvi_xmodal.data import find_modalities
    >>> find_modalities({"ATAC": AnnData(np.ones((1, 1))), "rna": AnnData(np.ones((1, 2)))})
    {'rna': 'rna', 'atac': 'ATAC'}
    """
    found: dict[Kind, str] = {}
    for key, adata in modalities.items():
        kind = kind_of(key, adata)
        if kind is None:
            continue
        if kind in found:
            raise ValueError(
                f"Modalities {found[kind]!r} and {key!r} both look like {kind}. Name the one to "
                f"use: modalities={{'{kind}_layer': {key!r}}}."
            )
        check_kind(adata, kind, f"modality {key!r}")
        found[kind] = key
    return {kind: found[kind] for kind in KINDS if kind in found}


def kind_of(key: str, adata: AnnData) -> Kind | None:
    """Return what a modality measures, or ``None`` if neither its features nor its key tell."""
    if "feature_types" in adata.var and adata.n_vars:
        kinds = {kind_of_feature(t) for t in adata.var["feature_types"].unique()}
        if len(kinds) == 1 and None not in kinds:
            return kinds.pop()
    return _KEYS.get(key.lower())


def kind_of_feature(feature_type: Any) -> Kind | None:
    """Return what a 10x feature type such as ``"Gene Expression"`` measures, if it is known."""
    return _FEATURE_TYPES.get(str(feature_type).lower())


def may_be_of_kind(adata: AnnData, kind: str) -> NDArray[np.bool_]:
    """Mark the features that ``feature_types`` does not say to be of another kind.

    One table of a 10x file holds genes, peaks and antibodies, of which several may be called
    alike: a gene and its protein.
    """
    if "feature_types" not in adata.var:
        return np.ones(adata.n_vars, dtype=bool)
    types = adata.var["feature_types"].astype(str)
    fits = {name: kind_of_feature(name) in (None, kind) for name in types.unique()}
    return types.map(fits).to_numpy(dtype=bool)


def check_kind(adata: AnnData, kind: str, argument: str) -> None:
    """Raise if features say that they are something else than what they were given for."""
    fitting = may_be_of_kind(adata, kind)
    if fitting.all():
        return
    strange = adata.var_names[~fitting]
    if own := kind_of("", adata):
        raise ValueError(
            f"{argument} takes {kind}, but var['feature_types'] says that this is {own}, such as "
            f"{list(strange[:2])}. Give each modality its own place, or correct "
            "var['feature_types']."
        )
    types = list(adata.var["feature_types"][~fitting].unique())
    raise ValueError(
        f"{argument} takes {kind}, but {strange.size} of {adata.n_vars} features are {types} by "
        f"var['feature_types'], such as {list(strange[:2])}. Take them apart, "
        "xm.pp.to_mudata(adata), or correct var['feature_types']."
    )
