from __future__ import annotations

from functools import partial

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scvi
from mudata import MuData
from scipy import sparse

import scvi_xmodal as xm
from scvi_xmodal.data import Split, open_backed
from scvi_xmodal.model import Butterfly
from scvi_xmodal.tl import enhance, integrate, joint_latent


@pytest.fixture(scope="module")
def study():
    """Return a small trained model and its data."""
    mdata = xm.datasets.synthetic(n_cells=60, n_genes=18, n_peaks=36, atac_density=0.3)
    scvi.settings.seed = 0
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=4, n_embedding=8)
    split = Split(range(40), range(40, 50), range(50, 60))
    model.train(2, pretrain_epochs=1, split=split, enable_progress_bar=False)
    return model, mdata


def test_enhance_denoises_each_modality_through_itself_or_the_other(study):
    model, mdata = study
    own, other = enhance(model), enhance(model, mdata, through="other", indices=[3, 1])
    assert list(own.mod) == list(other.mod) == ["rna", "atac"]
    for result, source, target in [
        (own, "rna", "rna"),
        (own, "atac", "atac"),
        (other, "atac", "rna"),
        (other, "rna", "atac"),
    ]:
        rows = None if result is own else [3, 1]
        expected = model.translate(source=source, target=target, indices=rows)
        np.testing.assert_array_equal(result[target].X, expected.X)
        assert result[target].obs_names.equals(expected.obs_names)
    with pytest.raises(ValueError, match="through='both'"):
        enhance(model, through="both")


def test_joint_latent_combines_the_posteriors(study):
    model, mdata = study
    parts = [
        model.get_latent_representation(mdata, modality=key, return_dist=True)
        for key in ("rna", "atac")
    ]
    (rna, rna_var), (atac, atac_var) = parts
    np.testing.assert_allclose(joint_latent(model), (rna + atac) / 2, rtol=1e-5)
    side_by_side = joint_latent(model, mdata, combine="concatenate")
    np.testing.assert_array_equal(side_by_side, np.hstack([rna, atac]))
    weighted = joint_latent(model, combine="precision", indices=range(5))
    expected = (rna / rna_var + atac / atac_var) / (1 / rna_var + 1 / atac_var)
    np.testing.assert_allclose(weighted, expected[:5], rtol=1e-4)
    alone = joint_latent(model, mdata["atac"], modalities=["atac"])
    np.testing.assert_allclose(alone, atac, rtol=1e-5)
    with pytest.raises(ValueError, match="combine='sum'"):
        joint_latent(model, combine="sum")
    with pytest.raises(ValueError, match="modality='protein'"):
        joint_latent(model, modalities=["protein"])
    with pytest.raises(ValueError, match="modalities names none"):
        joint_latent(model, modalities=[])


def test_integrate_joins_counts_with_expected_counts(study):
    model, mdata = study
    rna = model.translate(mdata["atac"], source="atac", target="rna")
    joint = integrate(mdata["atac"], rna[::-1].copy())
    assert list(joint.mod) == ["rna", "atac"]
    assert joint["rna"].obs_names.equals(mdata["atac"].obs_names)
    np.testing.assert_allclose(joint["rna"].layers["counts"], rna.layers["mean"])
    assert (joint["atac"].layers["counts"] != mdata["atac"].X).nnz == 0
    assert joint.obs["cell_type"].equals(mdata["atac"].obs["cell_type"])
    assert "counts" not in rna.layers
    atac = model.translate(mdata["rna"], source="rna", target="atac")
    called = integrate(mdata["rna"], atac)["atac"].layers["counts"]
    assert set(np.unique(called.toarray())) == {0, 1}


def test_integrate_takes_no_peaks_for_the_rna_that_was_translated(study):
    _, mdata = study
    three = xm.datasets.synthetic(n_cells=60, n_genes=18, n_peaks=36, n_proteins=8)
    cite = MuData({key: three[key].copy() for key in ("rna", "protein")})
    ridge = xm.baselines.Ridge(n_components=4).fit(cite)
    protein = ridge.translate(cite["rna"], source="rna", target="protein")
    with pytest.raises(ValueError, match="source is rna, but .* named as peaks, such as 'chr"):
        integrate(mdata["atac"], protein)
    assert list(integrate(mdata["atac"], protein, kind="atac").mod) == ["protein", "atac"]


def test_integrated_counts_are_apart_from_the_measured_ones(study):
    model, mdata = study
    atac = mdata["atac"].copy()
    joint = integrate(atac, model.translate(atac, source="atac", target="rna"))
    sc.pp.normalize_total(atac, target_sum=1e4)  # in place, as scanpy does
    assert (joint["atac"].layers["counts"] != mdata["atac"].X).nnz == 0


@pytest.mark.parametrize("opened", [partial(anndata.read_h5ad, backed="r"), open_backed])
def test_integrate_takes_files_that_are_left_on_disk(study, tmp_path, opened):
    model, mdata = study
    rna = model.translate(mdata["atac"], source="atac", target="rna")
    mdata["atac"].write_h5ad(tmp_path / "atac.h5ad")
    rna.write_h5ad(tmp_path / "rna.h5ad")
    found = integrate(opened(tmp_path / "atac.h5ad"), opened(tmp_path / "rna.h5ad"))
    expected = integrate(mdata["atac"], rna)
    for key, adata in expected.mod.items():
        for name in ("X", "counts"):
            one, two = (
                m[key].X if name == "X" else m[key].layers[name] for m in (found, expected)
            )
            np.testing.assert_array_equal(*(sparse.csr_matrix(x).toarray() for x in (one, two)))
        assert list(found[key].obs_names) == list(adata.obs_names)


def test_integrate_takes_drawn_counts_as_they_are(study):
    model, mdata = study
    for source, target in (("atac", "rna"), ("rna", "atac")):
        drawn = model.posterior_predictive_sample(mdata[source], source=source, target=target)
        counts = integrate(mdata[source], drawn)[target].layers["counts"]
        assert (counts != drawn.X).nnz == 0


def test_every_modality_keeps_its_annotation_in_a_file(study, tmp_path):
    model, mdata = study
    rna = model.translate(mdata["atac"], source="atac", target="rna", depth="predicted")
    joint = integrate(mdata["atac"], rna[::-1].copy())
    joint.write(tmp_path / "joint.h5mu")
    for key, expected in {"atac": mdata["atac"].obs, "rna": rna.obs}.items():
        read = mudata.read_h5ad(tmp_path / "joint.h5mu", mod=key)
        assert "cell_type" in read.obs
        pd.testing.assert_frame_equal(read.obs, expected)
    assert list(joint.obs) == list(mdata["atac"].obs)


def test_two_of_a_kind_are_refused(study):
    model, mdata = study
    rna = model.translate(mdata["atac"], source="atac", target="rna")
    atac = model.translate(mdata["rna"], source="rna", target="atac")
    with pytest.raises(ValueError, match="both rna: they share 18 features.*Give the atac"):
        integrate(mdata["rna"], rna)
    with pytest.raises(ValueError, match="both atac: they share 36 features.*Give the rna"):
        integrate(mdata["atac"], atac)
    typed = mdata["rna"].copy()
    typed.var["feature_types"] = "Gene Expression"
    with pytest.raises(ValueError, match="both rna"):
        integrate(typed, rna)
    with pytest.raises(ValueError, match="measured takes atac.*this is rna"):
        integrate(typed, rna, kind="atac")


def test_a_protein_may_be_called_like_its_gene():
    cite = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, n_proteins=6)
    cite["protein"].var_names = cite["rna"].var_names[:6]
    ridge = xm.baselines.Ridge(n_components=5).fit(cite)
    protein = ridge.translate(cite["rna"], source="rna", target="protein")
    rna = ridge.translate(cite["protein"], source="protein", target="rna")
    for joint in (integrate(cite["rna"], protein), integrate(cite["protein"], rna)):
        assert (joint["rna"].n_vars, joint["protein"].n_vars) == (20, 6)
    with pytest.raises(ValueError, match="both protein: they share 6"):
        integrate(cite["protein"], protein)
    with pytest.raises(ValueError, match="both rna: they share 20"):
        integrate(cite["rna"], rna)


def test_multivi_and_totalvi_take_it(study):
    model, mdata = study
    atac = model.translate(mdata["rna"], source="rna", target="atac")
    quick = {"max_epochs": 1, "enable_progress_bar": False}
    joint = integrate(mdata["rna"], atac, run="multivi", train_kwargs=quick)
    assert joint.obsm["X_multivi"].shape[0] == 60
    assert np.isfinite(joint.obsm["X_multivi"]).all()
    assert "X_multivi" not in mdata.obsm
    cite = xm.datasets.synthetic(n_cells=60, n_genes=20, n_peaks=30, n_proteins=6)
    ridge = xm.baselines.Ridge(n_components=5).fit(cite)
    protein = ridge.translate(cite["rna"], source="rna", target="protein")
    joint = integrate(cite["rna"], protein, run="totalvi", train_kwargs=quick)
    assert joint["protein"].layers["counts"].min() == 0
    assert np.isfinite(joint.obsm["X_totalvi"]).all()


def test_users_mistakes_are_named(study):
    model, mdata = study
    rna = model.translate(mdata["atac"], source="atac", target="rna")
    with pytest.raises(ValueError, match="they are 60 and 59, of which 59"):
        integrate(mdata["atac"], rna[1:].copy())
    with pytest.raises(ValueError, match="run='totalvi' does not fit"):
        integrate(mdata["atac"], rna, run="totalvi")
    with pytest.raises(ValueError, match="both rna"):
        integrate(mdata["rna"], rna, kind="rna")
    with pytest.raises(ValueError, match="no layer 'raw'"):
        integrate(mdata["atac"], rna, layer="raw")
    logged = mdata["atac"].copy()
    logged.X = logged.X.log1p()
    with pytest.raises(ValueError, match="not a whole number"):
        integrate(logged, rna)
    renamed = rna.copy()
    renamed.uns["scvi_xmodal"]["source"] = "control"
    with pytest.raises(ValueError, match="give kind="):
        integrate(mdata["atac"], renamed)


class TestOrder:
    """Modalities hold the cells in other orders, or not all of them."""

    @pytest.fixture(scope="class")
    def mixed(self, study):
        mdata = study[1]
        return MuData({"rna": mdata["rna"].copy(), "atac": mdata["atac"][::-1].copy()})

    @pytest.mark.parametrize("combine", ["mean", "concatenate", "precision"])
    def test_latents_are_of_the_same_cells(self, study, mixed, combine):
        model, mdata = study
        rows = mdata.obs_names.get_indexer(mixed.obs_names)
        found = joint_latent(model, mixed, combine=combine)
        expected = joint_latent(model, mdata, combine=combine)[rows]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("modality", ["rna", "atac"])
    def test_one_latent_stands_in_the_mudatas_order(self, study, mixed, modality, tmp_path):
        model, mdata = study
        rows = mdata.obs_names.get_indexer(mixed.obs_names)
        expected = model.get_latent_representation(mdata, modality=modality)[rows]
        mixed.write(tmp_path / "mixed.h5mu")
        for cells in (mixed, tmp_path / "mixed.h5mu"):
            found = model.get_latent_representation(cells, modality=modality)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)

    def test_cells_that_lack_a_modality_are_told(self, study):
        model, mdata = study
        partly = MuData({"rna": mdata["rna"][:40].copy(), "atac": mdata["atac"][20:].copy()})
        with pytest.raises(ValueError, match=r"20 of 60 cells were not measured in 'rna'"):
            joint_latent(model, partly)
        assert joint_latent(model, partly, modalities=["atac"]).shape == (40, 4)

    def test_they_are_told_under_other_keys(self, study):
        model, mdata = study
        partly = MuData({"gex": mdata["rna"][:40].copy(), "peaks": mdata["atac"][20:].copy()})
        with pytest.raises(ValueError, match=r"20 of 60 cells were not measured in 'rna'"):
            joint_latent(model, partly)


def test_latents_that_are_not_shared_are_not_joined(study):
    mdata = study[1].copy()
    xm.model.Polarbear.setup_mudata(mdata)
    model = xm.model.Polarbear(mdata)
    with pytest.raises(ValueError, match="Polarbear has a latent of its own"):
        joint_latent(model, mdata)
