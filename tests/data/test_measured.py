"""Rows of a modality's own matrix."""

from __future__ import annotations

import numpy as np
from mudata import MuData

from scvi_xmodal.data import rows_of_modality
from scvi_xmodal.datasets._mudata import own_columns_only


def test_rows_lead_to_the_same_cell(small):
    order = np.random.default_rng(0).permutation(20)[:15]
    with own_columns_only():
        mdata = MuData({"rna": small["rna"][:12].copy(), "atac": small["atac"][order].copy()})
    for key in mdata.mod:
        rows = rows_of_modality(mdata, key)
        found = rows >= 0
        names = mdata[key].obs_names
        assert mdata.obs_names[found].tolist() == names[rows[found]].tolist()
        assert not mdata.obs_names[~found].isin(names).any()


def test_paired_cells_are_their_own_rows(small):
    assert rows_of_modality(small, "atac").tolist() == list(range(20))
