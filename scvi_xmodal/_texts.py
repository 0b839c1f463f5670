"""Labels of cells as text, the same whichever way a table holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def label_text(label: Any) -> str:
    """Return a label as text; 1.0, which 1 becomes in a column with gaps, is ``"1"``.

    Examples
    --------
    >>> from scvi_xmodal._texts import label_text
    >>> label_text(1.0), label_text(1), label_text(1.5), label_text("1.0")
    ('1', '1', '1.5', '1.0')
    """
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)


def label_texts(labels: pd.Series) -> pd.Series:
    """Return labels as text, missing where they are missing, of shape (n_cells,).

    Examples
    --------
    >>> import pandas as pd
    >>> from scvi_xmodal._texts import label_texts
    >>> label_texts(pd.Series([2, None], dtype="Int64")).iloc[0]
    '2'
    """
    # as objects: what pandas maps nullable numbers with is made of floats
    values = labels.astype(object)
    return values.where(values.notna(), None).map(label_text, na_action="ignore").astype(object)
