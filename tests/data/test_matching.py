"""Features matched by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st

import scvi_xmodal as xm
from scvi_xmodal.data import _matching, check_unique, match_features, match_most_features

NAMES = [f"g{number}" for number in range(8)]


@given(st.permutations([*NAMES, "x", "y"]))
def test_every_column_finds_its_feature(names):
    position = match_features(names, NAMES, modality="rna")
    assert position.dtype == np.int64
    for name, feature in zip(names, position, strict=True):
        assert (NAMES[feature] if feature >= 0 else name) == name
    assert (position >= 0).sum() == len(NAMES)


@pytest.mark.parametrize("kind", [list, np.array, pd.Index, pd.Series])
def test_names_of_any_type(kind):
    position = match_features(kind(NAMES[::-1]), kind(NAMES), modality="rna")
    assert position.tolist() == list(range(8))[::-1]


def test_missing_features_are_named():
    with pytest.raises(ValueError, match=r"lack 2 of the model's 8 'rna' features") as caught:
        match_features([*NAMES[:3], *NAMES[4:6], NAMES[7]], NAMES, modality="rna")
    message = str(caught.value)
    assert "['g3', 'g6']" in message
    assert "pp.align_features" in message


def test_renamed_features_are_shown_beside_the_models():
    with pytest.raises(ValueError, match=r"\['g0', 'g1', 'g2'\].*\['ENSG1', 'ENSG2'\].*rename"):
        match_features(["ENSG1", "ENSG2"], NAMES, modality="rna")


@pytest.mark.parametrize(("kind", "word"), [("rna", "genes"), ("atac", "peaks")])
def test_the_mend_speaks_of_the_kind(kind, word):
    call = r"pp\.align_features\(query, model\.get_var_names\(\)\['mine'\], missing='zero'\)"
    with pytest.raises(ValueError, match=f"{call} fills missing {word}"):
        match_features(NAMES[:5], NAMES, modality="mine", kind=kind)
    with pytest.raises(ValueError, match=r"get_var_names\(\)\['theirs'\]"):
        match_features([], NAMES, modality="mine", kind=kind, reference="theirs")


def test_proteins_of_another_panel_are_not_made_zeros():
    """docs/faq.md: "zeros are taken as measured"."""
    with pytest.raises(ValueError, match="proteins that both panels hold") as caught:
        match_features(NAMES[:5], NAMES, modality="protein")
    assert "zero" not in str(caught.value)


@pytest.mark.parametrize("kind", ["rna", "atac", "protein"])
def test_what_would_be_refused_is_not_recommended(kind):
    """``pp.align_features`` fills in zeros only where some features are shared."""
    with pytest.raises(ValueError, match="lack 8 of the model's 8") as caught:
        match_features(["x"], NAMES, modality=kind)
    assert "missing='zero'" not in str(caught.value)
    with pytest.raises(ValueError, match="None is shared"):
        xm.pp.align_features(
            AnnData(np.ones((1, 1)), var=pd.DataFrame(index=["x"])), NAMES, missing="zero"
        )


class TestPeaks:
    MODEL = ["chr1:10-20", "chr2-5-9", "GL000194.1_7_8", "peak7"]

    @pytest.mark.parametrize(
        "names",
        [
            ["chr1-10-20", "chr2:5-9", "GL000194.1:7-8", "peak7"],
            ["chr1_10_20", "chr2_5_9", "GL000194.1-7-8", "peak7"],
            ["chr1:10-20", "chr2:5-9", "GL000194.1_7_8", "peak7"],
        ],
    )
    @given(order=st.permutations(range(4)))
    def test_written_otherwise(self, names, order):
        own = [names[i] for i in order]
        found = match_features(["chr3:1-2", *own, "x"], self.MODEL, modality="atac")
        assert found.dtype == np.int64
        assert found.tolist() == [-1, *order, -1]

    def test_an_equal_name_comes_first(self):
        found = match_features(["chr1-1-2", "chr1:1-2"], ["chr1:1-2"], modality="atac")
        assert found.tolist() == [-1, 0]

    @pytest.mark.parametrize(
        ("names", "model"),
        [
            (["chr1-1-2", "chr1_1_2"], ["chr1:1-2"]),
            (["chr1-1-2"], ["chr1:1-2", "chr1_1_2"]),
            (["chr1-1-2"], ["chr1:1-3"]),
            (["1-1-2"], ["chr1:1-2"]),
            (["a-2-1"], ["a:2-1"]),
        ],
        ids=["twice", "twice_in_the_model", "another", "other_chromosome", "no_interval"],
    )
    def test_what_is_not_sure_is_missing(self, names, model):
        with pytest.raises(ValueError, match=f"lack {len(model)} of the model's {len(model)} "):
            match_features(names, model, modality="atac")

    def test_only_peaks(self):
        with pytest.raises(ValueError, match="lack 1 of"):
            match_features(["HLA-1-2"], ["HLA_1_2"], modality="rna")
        assert match_features(["a-1-2"], ["a_1_2"], modality="x", kind="atac").tolist() == [0]

    def test_names_are_parsed_only_if_one_is_missing(self, monkeypatch):
        monkeypatch.setattr(_matching, "parse_peaks", None)
        assert match_features(["x", "chr1:1-2"], ["chr1:1-2"], modality="atac").tolist() == [-1, 0]


def test_names_that_are_numbers():
    assert match_features(pd.RangeIndex(3), [2, 0], modality="rna").tolist() == [1, -1, 0]


def test_check_unique():
    check_unique(NAMES, name="x")
    check_unique([], name="x")
    with pytest.raises(ValueError, match=r"x are not unique: 2 names.*\['a', 'b'\]"):
        check_unique(["a", "b", "c", "a", "b", "a"], name="x")


class TestMatchMostFeatures:
    MODEL = [f"g{i}" for i in range(10)]

    def test_all_there(self, recwarn):
        own = match_most_features(self.MODEL[::-1], self.MODEL, modality="rna", max_missing=0.0)
        assert own.tolist() == list(range(9, -1, -1))
        assert not recwarn.list

    def test_few_missing_are_told(self):
        with pytest.warns(UserWarning, match=r"lack 1 of the model's 10 'rna'.*\['g3'\]"):
            own = match_most_features(
                [*self.MODEL[:3], "x", *self.MODEL[4:]],
                self.MODEL,
                modality="rna",
                max_missing=0.1,
            )
        assert own.tolist() == [0, 1, 2, -1, 4, 5, 6, 7, 8, 9]

    @pytest.mark.parametrize("names", [MODEL[2:], ["a", "b"], []])
    def test_many_missing(self, names):
        n_missing = 10 - len(set(names) & set(self.MODEL))
        with pytest.raises(ValueError, match=rf"lack {n_missing} of the model's 10.*at most 10%"):
            match_most_features(names, self.MODEL, modality="rna", max_missing=0.1)
