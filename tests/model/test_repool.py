"""Queries with peaks of their own."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import scvi_xmodal as xm
from scvi_xmodal.model import Babel, Butterfly

OPTIONS = {"source": "atac", "target": "rna"}


@pytest.fixture
def foreign(trained):
    """Every peak of the model but the first six, halved, in another order, and a stranger."""
    atac = trained.original["atac"][:, 6:]
    start, end = atac.var["start"].to_numpy(), atac.var["end"].to_numpy()
    middle = (start + end) // 2
    names = [f"{c}:{s}-{e}" for c, s, e in zip(atac.var["chrom"], start, middle, strict=True)]
    names += [f"{c}:{s}-{e}" for c, s, e in zip(atac.var["chrom"], middle, end, strict=True)]
    counts = np.hstack([atac.X.toarray(), np.zeros(atac.shape), np.ones((atac.n_obs, 1))])
    query = AnnData(counts, obs=atac.obs.copy(), var=pd.DataFrame(index=[*names, "chrUn:1-2"]))
    return query[:, np.random.default_rng(0).permutation(query.n_vars)].copy()


@pytest.fixture
def aligned(trained):
    """What the foreign query should be read as."""
    atac = trained.original["atac"].copy()
    atac.X = (atac.X.toarray() > 0).astype(np.float32)
    atac.X[:, :6] = 0
    return atac


MESSAGE = r"30 of 36 target peaks \(83.3%\) .* 1 of 61 measured peaks .*\['chrUn'\]"


def test_foreign_peaks_are_mapped_onto_the_models(trained, foreign, aligned, snapshot):
    before = snapshot(foreign)
    with pytest.warns(UserWarning, match=MESSAGE) as caught:
        result = trained.model.translate(foreign, **OPTIONS, repool=True)
    own = [warning for warning in caught if issubclass(warning.category, UserWarning)]
    assert own[0].filename == __file__  # the user's own line is pointed at
    expected = trained.model.translate(aligned, **OPTIONS)
    np.testing.assert_array_equal(result.X, expected.X)
    pd.testing.assert_frame_equal(result.obs, foreign.obs)
    record = result.uns["scvi_xmodal"]["repool"]
    assert (record["n_target"], record["n_covered"], record["n_elsewhere"]) == (36, 30, 1)
    assert record["coverage"] == pytest.approx(30 / 36)
    assert "repool" not in expected.uns["scvi_xmodal"]
    with pytest.warns(UserWarning, match=MESSAGE):
        latent = trained.model.get_latent_representation(foreign, modality="atac", repool=True)
    np.testing.assert_array_equal(
        latent, trained.model.get_latent_representation(aligned, modality="atac")
    )
    assert snapshot(foreign) == before


def test_by_hand_is_the_same(trained, foreign):
    peaks = trained.model.get_var_names()["atac"]
    with pytest.warns(UserWarning, match=MESSAGE):
        pooled = xm.pp.repool_peaks(foreign, peaks)
    by_hand = trained.model.translate(pooled, **OPTIONS)
    with pytest.warns(UserWarning, match=MESSAGE):
        result = trained.model.translate(foreign, **OPTIONS, repool=True)
    np.testing.assert_array_equal(by_hand.X, result.X)


@pytest.mark.filterwarnings("ignore:.*target peaks", "ignore:Observation names are not")
def test_from_file_to_file_and_some_rows(trained, foreign, tmp_path):
    expected = trained.model.translate(foreign, **OPTIONS, repool=True)
    rows = [7, 3, 3]
    some = trained.model.translate(foreign, **OPTIONS, indices=rows, repool=True)
    np.testing.assert_allclose(some.X, expected.X[rows], rtol=1e-5)
    foreign.write_h5ad(tmp_path / "foreign.h5ad")
    path = trained.model.translate(
        tmp_path / "foreign.h5ad",
        **OPTIONS,
        repool=True,
        batch_size=7,
        out=tmp_path / "out.h5ad",
    )
    written = anndata.read_h5ad(path)
    np.testing.assert_allclose(written.X, expected.X, rtol=1e-5)
    assert written.uns["scvi_xmodal"]["repool"]["n_covered"] == 30


def test_a_saved_model_remembers_where_its_peaks_lie(simulate, quick, foreign, tmp_path):
    mdata = simulate()
    mdata["atac"].var_names = [f"peak{i}" for i in range(36)]  # coordinates only in var
    mdata.update()
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata)
    model.train(**quick)
    model.save(tmp_path / "model")
    model = Butterfly.load(tmp_path / "model", adata=False)
    with pytest.warns(UserWarning, match=MESSAGE):
        assert model.translate(foreign, **OPTIONS, repool=True).n_obs == 60


def test_baselines_do_the_same(trained, foreign, aligned):
    ridge = xm.baselines.Ridge().fit(trained.original, indices=trained.split.train)
    with pytest.warns(UserWarning, match=MESSAGE):
        result = ridge.translate(foreign, **OPTIONS, repool=True)
    np.testing.assert_allclose(result.X, ridge.translate(aligned, **OPTIONS).X, rtol=1e-5)
    assert result.uns["scvi_xmodal"]["repool"]["n_covered"] == 30


def _renamed(query, names):
    query = query.copy()
    query.var_names = names
    return query


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q: _renamed(q, [f"9{n}" for n in q.var_names]), "None of the 61 peaks .*named"),
        (
            lambda q: _renamed(q, [f"chr1:{10**9 + i}-{10**9 + i + 1}" for i in range(61)]),
            r"None of the 61 peaks .*another genome assembly.*pp\.liftover",
        ),
        (
            lambda q: _renamed(q, [f"peak{i}" for i in range(61)]),
            "The query: 61 of 61 peaks have no coordinates, such as",
        ),
        (
            lambda q: _renamed(q, [f"chr1:{i + 5}-{i}" for i in range(61)]),
            "The query: 61 of 61 peaks .*start < end",
        ),
    ],
    ids=["other_chromosomes", "no_overlap", "no_coordinates", "start_after_end"],
)
def test_what_cannot_be_mapped_is_refused(trained, foreign, change, message):
    with pytest.raises(ValueError, match=message):
        trained.model.translate(change(foreign), **OPTIONS, repool=True)


def test_only_peaks_are_pooled_and_only_on_request(trained, foreign):
    with pytest.raises(ValueError, match="repool=True maps peaks .* source='rna' is rna"):
        trained.model.translate(trained.original["rna"], source="rna", target="atac", repool=True)
    with pytest.raises(ValueError, match=r"lack 36 .*repool=True.*pp\.repool_peaks"):
        trained.model.translate(foreign, **OPTIONS)
    foreign.X[0, 0] = 0.5
    with pytest.raises(ValueError, match=r"query\.X holds 0\.5"):
        trained.model.translate(foreign, **OPTIONS, repool=True)
    with pytest.raises(ValueError, match=r"query\.X holds 0\.5"):
        trained.model.translate(foreign, **OPTIONS, repool=True, indices=[0])


def test_babel_takes_it_too(simulate, foreign, aligned):
    mdata = simulate()
    Babel.setup_mudata(mdata)
    model = Babel(mdata)
    model.train(1, enable_progress_bar=False)
    with pytest.warns(UserWarning, match=MESSAGE) as caught:
        result = model.translate(foreign, **OPTIONS, repool=True)
    own = [warning for warning in caught if issubclass(warning.category, UserWarning)]
    assert own[0].filename == __file__
    np.testing.assert_allclose(result.X, model.translate(aligned, **OPTIONS).X, rtol=1e-5)
