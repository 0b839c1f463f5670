from __future__ import annotations

import warnings

import mudata
import numpy as np
import pytest
from anndata import AnnData

from scvi_xmodal.datasets._mudata import own_columns_only


def _option():
    if hasattr(mudata, "set_options"):
        return mudata._core.config.OPTIONS["pull_on_update"]
    return mudata.settings.pull_on_update


@pytest.mark.smoke
def test_columns_stay_in_their_modality_without_a_word():
    adata = AnnData(np.ones((2, 1)))
    adata.obs["depth"] = [1.0, 2.0]
    with warnings.catch_warnings(), own_columns_only():
        warnings.simplefilter("error", FutureWarning)
        mdata = mudata.MuData({"rna": adata})
    assert list(mdata.obs) == []
    assert list(mdata["rna"].obs) == ["depth"]


@pytest.mark.smoke
def test_the_users_option_is_restored_even_after_an_error():
    def fail():
        with own_columns_only():
            inside.append(_option())
            raise KeyError

    before, inside = _option(), []
    with pytest.raises(KeyError):
        fail()
    assert inside == [False]
    assert _option() is before
