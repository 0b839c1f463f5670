import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scvi_xmodal import pl
from scvi_xmodal.tl import PseudobulkConcordance


def _concordance(n_features=20, groups=("all cells", "B", "T")):
    rng = np.random.default_rng(0)
    features = [f"gene{j}" for j in range(n_features)]
    index = pd.MultiIndex.from_product([groups, features], names=["group", "feature"])
    measured = rng.gamma(1, size=len(index))
    profiles = pd.DataFrame({"predicted": measured + 0.1, "reference": measured}, index=index)
    table = pd.DataFrame({"pearson": [0.5, 0.25, np.nan][: len(groups)]}, index=list(groups))
    return PseudobulkConcordance(table, profiles, "")


def test_a_panel_for_each_group_with_all_features():
    found = _concordance()
    axes = pl.pseudobulk(found, label=["gene3"])
    assert [ax.get_title() for ax in axes] == ["all cells", "B", "T"]
    offsets = np.asarray(axes[1].collections[0].get_offsets())
    np.testing.assert_allclose(offsets, found.profiles.loc["B"][["reference", "predicted"]])
    assert axes[1].collections[0].get_rasterized()
    assert [text.get_text() for text in axes[1].texts] == ["gene3", "r = 0.25"]


def test_given_axes_and_chosen_groups():
    _, ax = plt.subplots()
    assert list(pl.pseudobulk(_concordance(), groups=["T"], axes=ax)) == [ax]
    with pytest.raises(ValueError, match="groups names 'NK'"):
        pl.pseudobulk(_concordance(), groups=["NK"])
    with pytest.raises(ValueError, match="label names 'CD4'"):
        pl.pseudobulk(_concordance(), label=["CD4"])


def test_one_name_is_one_name():
    (ax,) = pl.pseudobulk(_concordance(), groups="all cells", label="gene3")
    assert ax.get_title() == "all cells"
    assert "gene3" in [text.get_text() for text in ax.texts]


def test_no_group_is_nothing_to_draw():
    with pytest.raises(ValueError, match="nothing to draw"):
        pl.pseudobulk(_concordance(), groups=[])


def test_points_shrink_with_their_number():
    sizes = [
        pl.pseudobulk(_concordance(n, ("all cells",)))[0].collections[0].get_sizes().item()
        for n in (20, 2000, 30_000)
    ]
    assert sizes[0] > sizes[1] > sizes[2] > 0
