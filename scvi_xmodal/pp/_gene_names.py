"""Genes by the names that people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_ENSEMBL = r"^ENS[A-Z]*G\d+(?:\.\d+)?$"
_SYMBOLS = ("gene_symbols", "gene_symbol", "gene_names", "gene_name", "feature_name", "symbol")
_IDENTIFIERS = "gene_ids"


def named_by_symbol(var: pd.DataFrame) -> pd.DataFrame:
    """Return a gene table indexed by symbol, if it is indexed by Ensembl identifiers.

    Parameters
    ----------
    var
        Genes of shape (n_genes, n_columns); not changed.

    Returns
    -------
    The table itself if most names are no Ensembl identifiers or no column has symbols; else a
    copy indexed by symbol, by identifier where there is none, with ``gene_ids``.

    Examples
    --------
    >>> import pandas as pd
    >>> from scvi_xmodal.pp._gene_names import named_by_symbol
    >>> index = ["ENSG00000141510.18", "ENSG00000000001"]
    >>> var = pd.DataFrame({"gene_name": ["TP53", ""]}, index=index)
    >>> list(named_by_symbol(var).index)
    ['TP53', 'ENSG00000000001']
    """
    identifiers = var.index.astype(str)
    column = next((name for name in _SYMBOLS if name in var), None)
    if column is None or not len(var) or identifiers.str.match(_ENSEMBL).mean() < 0.5:
        return var
    symbols = var[column].astype(object)
    named = symbols.notna().to_numpy() & (symbols.astype(str) != "").to_numpy()
    names = np.where(named, symbols.astype(str).to_numpy(dtype=object), identifiers)
    result = var.copy()
    if _IDENTIFIERS not in result:
        result[_IDENTIFIERS] = identifiers.to_numpy(dtype=object)
    result.index = names.astype(object)
    return result
