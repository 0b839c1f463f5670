"""Tables of genes, read and checked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scvi_xmodal.data import read_genes


@pytest.fixture
def genes():
    return pd.DataFrame(
        {"chrom": "chr1", "start": [10.0, 50.0], "end": [40.0, 90.0], "strand": ["+", "-"]},
        index=["a", "b"],
    )


def test_whole_numbers_may_be_stored_as_floats_or_text(genes):
    for table in (genes, genes.astype({"start": int}).astype({"start": str})):
        read = read_genes(table)
        assert read["start"].tolist() == [10, 50]
        assert read.dtypes[["start", "end"]].tolist() == [np.int64, np.int64]


@pytest.mark.parametrize(("column", "value"), [("start", 50.5), ("end", 60.25), ("end", np.inf)])
def test_other_numbers_are_refused(genes, column, value):
    genes.loc["b", column] = value
    with pytest.raises(ValueError, match=r"Gene 'b' of genes has start=.*: whole numbers"):
        read_genes(genes)
