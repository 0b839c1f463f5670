from __future__ import annotations

import numpy as np
import pytest

from scvi_xmodal.baselines import Mean


@pytest.mark.parametrize(("source", "target"), [("rna", "atac"), ("atac", "rna")])
def test_every_cell_gets_the_training_mean(mdata, train, held_out, dense_profile, source, target):
    translated = (
        Mean()
        .fit(mdata, indices=train)
        .translate(mdata[source][held_out], source=source, target=target)
    )
    expected = dense_profile(mdata, target, train)[train].mean(axis=0)
    np.testing.assert_allclose(translated.X, np.tile(expected, (held_out.size, 1)), rtol=1e-6)
