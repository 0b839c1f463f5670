from __future__ import annotations

import sys

import pandas as pd
import pytest
from scipy.stats import false_discovery_control, hypergeom

from scvi_xmodal.tl import enrich

BACKGROUND = [f"gene{i}" for i in range(60)]
SETS = {
    "first": BACKGROUND[:6],
    "half": [*BACKGROUND[3:9], "unknown1", "unknown2"],
    "none": BACKGROUND[40:50],
    "tiny": [BACKGROUND[0], "unknown3"],
}


@pytest.fixture
def markers():
    rows = [("a", gene) for gene in BACKGROUND[:5]] + [("b", gene) for gene in BACKGROUND[45:48]]
    return pd.DataFrame([*rows, ("c", BACKGROUND[55])], columns=["group", "gene"])


def test_equals_the_hypergeometric_distribution_over_the_background(markers):
    table = enrich(markers, SETS, background=BACKGROUND)
    expected = {
        ("a", "first"): hypergeom.sf(4, 60, 6, 5),
        ("a", "half"): hypergeom.sf(1, 60, 6, 5),
        ("b", "none"): hypergeom.sf(2, 60, 10, 3),
    }
    ours = table.set_index(["group", "term"])
    assert set(ours.index) == set(expected)
    for key, p_value in expected.items():
        assert ours.loc[key, "p_value"] == pytest.approx(p_value)
    of_a = ours.loc["a"]
    adjusted = false_discovery_control(of_a["p_value"])
    assert of_a["adjusted_p_value"].tolist() == pytest.approx(list(adjusted))
    assert of_a.index.tolist() == ["first", "half"]
    assert of_a.loc["half", "genes"] == "gene3;gene4"
    assert of_a.loc["half", "overlap"] == "2/6"


def test_a_gmt_file_gives_the_same(markers, tmp_path):
    path = tmp_path / "sets.gmt"
    lines = ["\t".join([name, "https://a.b", *genes]) for name, genes in SETS.items()]
    path.write_text("\n".join([*lines, ""]))
    from_file = enrich(markers, path, background=BACKGROUND)
    pd.testing.assert_frame_equal(from_file, enrich(markers, SETS, background=BACKGROUND))


def test_nothing_shared_is_an_empty_table(markers):
    table = enrich(markers[markers["group"] == "c"], SETS, background=BACKGROUND)
    assert len(table) == 0
    assert list(table)[:2] == ["group", "term"]
    assert len(enrich(markers.iloc[:0], SETS, background=BACKGROUND)) == 0


def test_users_mistakes_are_named(markers, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="missing.gmt' is no file"):
        enrich(markers, tmp_path / "missing.gmt", background=BACKGROUND)
    (tmp_path / "empty.gmt").write_text("a b c\n")
    with pytest.raises(ValueError, match="holds no gene set"):
        enrich(markers, tmp_path / "empty.gmt", background=BACKGROUND)
    with pytest.raises(ValueError, match=r"No gene set has 2 of the 1 genes.*\['gene0', 'gene1'"):
        enrich(markers, SETS, background=["CD4"])
    monkeypatch.setitem(sys.modules, "gseapy", None)
    with pytest.raises(ImportError, match=r"scvi-xmodal\[enrichment\]"):
        enrich(markers, SETS, background=BACKGROUND)
