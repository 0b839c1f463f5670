"""Polarbear as users hold it: single-assay cells, files, other models in the process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from inspect import signature

import numpy as np
import pyro
import pytest
import scvi
from mudata import MuData
from scipy import sparse

import scvi_xmodal as xm
from scvi_xmodal._layers import layer_names
from scvi_xmodal.data import Split
from scvi_xmodal.datasets._mudata import own_columns_only
from scvi_xmodal.metrics import auroc_per_feature, pearson_per_feature
from scvi_xmodal.model import Polarbear
from scvi_xmodal.train import ElboPlan

SMALL = {"n_latent": 4, "n_hidden": 16}
QUICK = {"max_epochs": 2, "translator_epochs": 2, "enable_progress_bar": False}
SPLIT = Split(range(40), range(40, 50), range(50, 60))


def _trained(mdata, *, split=SPLIT, batch_key=None, train=None, **options) -> Polarbear:
    scvi.settings.seed = 0
    Polarbear.setup_mudata(mdata, batch_key=batch_key)
    model = Polarbear(mdata, **{**SMALL, **options})
    model.train(split=split, **{**QUICK, **(train or {})})
    return model


def _translated(model, query, source="atac", target="rna", **options) -> np.ndarray:
    return model.translate(query, source=source, target=target, **options).X


@pytest.fixture
def joined(simulate):
    """40 paired cells of batch 0, then 20 of RNA alone in batch 1; no ATAC cell of batch 1."""
    mdata = simulate(n_batches=2)
    for part in mdata.mod.values():
        part.obs["lane"] = np.where(np.arange(60) < 40, "paired", "single")
    return xm.pp.join_single_assay(
        mdata[:40].copy(), rna=mdata["rna"][40:].copy(), obs_keys=["lane"]
    )


class TestContract:
    def test_strangers_may_lack_cells(self, mdata):
        more = MuData(
            {
                "rna": mdata["rna"].copy(),
                "atac": mdata["atac"].copy(),
                "hto": mdata["rna"][30:, :3].copy(),
            }
        )
        Polarbear.setup_mudata(more)
        assert Polarbear(more, **SMALL).registry_["setup_args"]["pairing"] == "measured"
        fewer = MuData({"rna": more["rna"].copy(), "atac": more["atac"][30:].copy()})
        Polarbear.setup_mudata(fewer, None, None)
        assert Polarbear(fewer, **SMALL).registry_["setup_args"]["pairing"] == "mosaic"

    def test_setup_names_what_it_takes(self):
        ours, butterflys = (signature(m.setup_mudata) for m in (Polarbear, xm.model.Butterfly))
        assert list(ours.parameters) == list(butterflys.parameters)

    @pytest.mark.parametrize("gene_likelihood", ["nb", "zinb"])
    def test_both_ways_from_one_modality(self, mdata, gene_likelihood):
        model = _trained(mdata, gene_likelihood=gene_likelihood)
        rna = model.translate(mdata["atac"][50:].copy(), source="atac", target="rna")
        assert rna.shape == (10, 18)
        assert (rna.layers["mean"] > 0).all()
        assert (rna.X <= np.log1p(rna.layers["mean"]) + 1e-5).all()
        atac = model.translate(
            mdata["rna"][50:].copy(), source="rna", target="atac", depth="predicted"
        )
        assert atac.shape == (10, 36)
        assert ((atac.X > 0) & (atac.X < 1)).all()
        assert atac.obs["predicted_depth"].between(1, 36).all()
        assert atac.uns["scvi_xmodal"]["model"] == "Polarbear"
        mean, variance = model.get_latent_representation(modality="atac", return_dist=True)
        assert mean.shape == variance.shape == (60, 4)

    def test_history_has_every_phase(self, mdata):
        history = _trained(mdata).history
        for phase in ("vae_rna", "vae_atac", "rna_to_atac", "atac_to_rna"):
            assert len(history[f"{phase}_validation_loss"]) == 2
            assert np.isfinite(history[f"{phase}_elbo_train"].to_numpy()).all()

    def test_three_modalities(self, simulate):
        mdata = simulate(n_proteins=5)
        model = _trained(mdata)
        assert _translated(model, mdata["atac"], "atac", "protein").shape == (60, 5)
        assert _translated(model, mdata["protein"], "protein", "atac").shape == (60, 36)

    def test_translators_leave_the_autoencoders_alone(self, mdata):
        model = _trained(mdata, train={"translator_epochs": 1})
        scvi.settings.seed = 0
        other = _trained(mdata, train={"translator_epochs": 5})
        for (name, one), two in zip(
            model.module.state_dict().items(), other.module.state_dict().values(), strict=True
        ):
            assert bool((one == two).all()) == ("translators" not in name), name

    def test_dense_and_sparse_counts_are_the_same(self, mdata):
        dense = mdata.copy()
        for part in dense.mod.values():
            part.X = part.X.toarray()
        one, two = _trained(mdata), _trained(dense)
        np.testing.assert_array_equal(
            _translated(one, mdata["atac"]), _translated(two, dense["atac"])
        )

    def test_one_by_one_as_together(self, mdata):
        model = _trained(mdata)
        whole = _translated(model, mdata["atac"])
        np.testing.assert_allclose(
            _translated(model, mdata["atac"], batch_size=7), whole, rtol=1e-5, atol=1e-6
        )


class TestSingleAssayCells:
    def test_each_phase_takes_the_cells_that_it_can_use(self, joined, monkeypatch):
        seen = {}
        step = ElboPlan.training_step

        def spy(plan, batch, number):
            seen.setdefault(plan.path, []).append(next(iter(batch.values())).n_rows)
            return step(plan, batch, number)

        monkeypatch.setattr(ElboPlan, "training_step", spy)
        split = Split(np.r_[:35, 40:58], [35, 36, 37, 58])
        model = _trained(joined, split=split, train={"max_epochs": 1, "translator_epochs": 1})
        assert {path: sum(sizes) for path, sizes in seen.items()} == {
            ("rna", "rna"): 53,
            ("atac", "atac"): 35,
            ("rna", "atac"): 35,
            ("atac", "rna"): 35,
        }
        assert model.train_indices.tolist() == split.train.tolist()
        assert model.validation_indices.tolist() == split.validation.tolist()
        assert model.test_indices.tolist() == [38, 39, 59]

    def test_a_batch_of_one_modality_only(self, joined):
        model = _trained(joined, split=Split(range(60)), batch_key="lane")
        single = joined["rna"][40:].copy()
        single.obs["lane"] = "single"
        own = _translated(model, single, "rna", "atac")
        assert np.isfinite(own).all()
        # no ATAC cell of that batch taught the decoder: it takes the batches' average instead
        single.obs["lane"] = "paired"
        assert not np.array_equal(own, _translated(model, single, "rna", "rna"))

    def test_validation_cells_of_one_modality_only(self, joined):
        model = _trained(joined, split=Split(range(40), range(40, 60)))
        assert "vae_rna_validation_loss" in model.history
        assert "vae_atac_validation_loss" not in model.history

    def test_unknown_batches_can_be_translated_into_a_known_one(self, joined):
        model = _trained(joined, split=Split(range(60)), batch_key="lane")
        query = joined["atac"][:5].copy()
        query.obs["lane"] = "never seen"
        with pytest.raises(ValueError, match="never seen"):
            _translated(model, query)
        assert _translated(model, query, transform_batch="paired").shape == (5, 18)
        with pytest.raises(ValueError, match=r"No training cell of batch 'single'.*\['paired'\]"):
            _translated(model, joined["rna"], "rna", "atac", transform_batch="single")
        del query.obs["lane"]
        assert model.get_latent_representation(query, modality="atac").shape == (5, 4)

    def test_familiarity_encodes_cells_as_translations_do(self, simulate):
        mdata = simulate(n_batches=2, batch_effect=1.0)
        model = _trained(mdata, batch_key="batch")
        rna = mdata["rna"].copy()
        own = model.familiarity(rna, source="rna")
        there = model.familiarity(rna, source="rna", transform_batch="batch_0")
        assert (own["familiarity_reconstruction"] != there["familiarity_reconstruction"]).any()
        parts = []
        for batch in ("batch_0", "of no one"):  # the latent is of the cell's own batch alone
            rna.obs["batch"] = batch
            options = {"source": "rna", "transform_batch": "batch_1"}
            parts.append(model.familiarity(rna, **options)["familiarity_latent"])
        np.testing.assert_array_equal(own["familiarity_latent"], there["familiarity_latent"])
        assert (parts[0] != parts[1]).any()

    def test_no_paired_cell(self, simulate):
        mdata = simulate()
        parts = {"rna": mdata["rna"][:30].copy(), "atac": mdata["atac"][30:].copy()}
        with own_columns_only():
            apart = MuData(parts)
        with pytest.raises(ValueError, match="No cell measured in two modalities"):
            Polarbear.setup_mudata(apart)
        with pytest.raises(ValueError, match="pairing='unpaired' is unknown"):
            Polarbear.setup_mudata(apart, pairing="unpaired")

    def test_no_paired_cell_among_the_training_cells(self, joined):
        Polarbear.setup_mudata(joined)
        model = Polarbear(joined, **SMALL)
        with pytest.raises(ValueError, match="too few"):  # of ATAC
            model.train(split=Split(range(39, 60)), **QUICK)

    def test_single_assay_cells_of_both_but_no_pair_to_train_on(self, simulate):
        mdata = simulate()
        apart = {key: mdata[key][10:].copy() for key in mdata.mod}
        joined = xm.pp.join_single_assay(mdata[:10].copy(), **apart)
        Polarbear.setup_mudata(joined)
        with pytest.raises(ValueError, match="0 training cells.*both 'rna' and 'atac'"):
            Polarbear(joined, **SMALL).train(split=Split(range(10, 110), range(10)), **QUICK)

    def test_several_sources_are_refused(self, mdata):
        model = _trained(mdata, train={"max_epochs": 1, "translator_epochs": 1})
        with pytest.raises(ValueError, match="name one modality"):
            _translated(model, mdata, ("rna", "atac"), "rna")


class TestSamples:
    def test_layers_on_the_measured_scale(self, mdata):
        model = _trained(mdata, gene_likelihood="zinb")
        plain = model.translate(mdata["atac"], source="atac", target="rna")
        scvi.settings.seed = 1
        drawn = model.translate(
            mdata["atac"], source="atac", target="rna", n_samples=60, quantiles=(0.05, 0.95)
        )
        names = {"mean", "predictive_mean", "predictive_std", "q05", "q95"}
        assert set(layer_names(drawn)) == names
        drawn_mean = drawn.layers["predictive_mean"]
        np.testing.assert_allclose(drawn.X, plain.X, rtol=1e-5)
        low, high = drawn.layers["q05"], drawn.layers["q95"]
        assert (low <= high).all()
        assert (low >= 0).all()
        assert drawn.uns["scvi_xmodal"]["options"]["n_samples"] == 60
        np.testing.assert_allclose(drawn_mean.mean(0) / drawn.layers["mean"].mean(0), 1, atol=0.2)
        scvi.settings.seed = 1
        again = model.translate(mdata["atac"], source="atac", target="rna", n_samples=60)
        np.testing.assert_array_equal(again.layers["predictive_mean"], drawn_mean)

    def test_peaks_are_open_or_not(self, mdata):
        model = _trained(mdata)
        names = mdata["atac"].var_names[[5, 2]].tolist()
        drawn = model.translate(
            mdata["rna"], source="rna", target="atac", n_samples=2, features=names, batch_size=9
        )
        assert drawn.var_names.tolist() == names
        assert set(np.unique(drawn.layers["predictive_mean"])) <= {0, 0.5, 1}

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"n_samples": 1}, "n_samples must be"),
            ({"n_samples": 2.5}, "n_samples must be"),
            ({"quantiles": (0.5, 1)}, "above 0 and below 1"),
        ],
    )
    def test_refusals(self, mdata, options, match):
        model = _trained(mdata, train={"max_epochs": 1, "translator_epochs": 1})
        with pytest.raises(ValueError, match=match):
            _translated(model, mdata["atac"], **options)


class TestOthersInTheProcess:
    def test_the_global_store_does_not_matter(self, mdata):
        alone = _translated(_trained(mdata), mdata["atac"])
        pyro.clear_param_store()
        pyro.param("encoders.rna.mean.weight", 7.0 * pyro.distributions.Normal(0, 1).sample((3,)))
        model = _trained(mdata)
        np.testing.assert_array_equal(_translated(model, mdata["atac"]), alone)
        assert list(pyro.get_param_store().keys()) == ["encoders.rna.mean.weight"]
        pyro.clear_param_store()
        np.testing.assert_array_equal(_translated(model, mdata["atac"]), alone)

    def test_two_models_do_not_mix(self, mdata, simulate):
        one = _trained(mdata)
        before = _translated(one, mdata["atac"])
        other = simulate(seed=3, n_genes=11)
        two = _trained(other, n_latent=3)
        np.testing.assert_array_equal(_translated(one, mdata["atac"]), before)
        assert _translated(two, other["atac"]).shape == (60, 11)
        one.train(split=SPLIT, **QUICK)
        assert np.isfinite(_translated(one, mdata["atac"])).all()


class TestFiles:
    def test_another_process_translates_the_same(self, joined, tmp_path):
        model = _trained(joined, split=Split(range(60)), batch_key="lane", gene_likelihood="zinb")
        query = joined["atac"][:4].copy()
        query.obs["lane"] = "paired"
        query.write_h5ad(tmp_path / "query.h5ad")
        pyro.param("left_over", 1.0 * pyro.distributions.Normal(0, 1).sample())
        model.save(tmp_path / "model")
        script = f"""
            import numpy as np, pyro, scvi_xmodal as xm
            model = xm.model.Polarbear.load({str(tmp_path / "model")!r}, adata=False)
            rna = model.translate({str(tmp_path / "query.h5ad")!r}, source="atac", target="rna")
            np.save({str(tmp_path / "rna.npy")!r}, rna.X)
            assert not list(pyro.get_param_store().keys())
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
        np.testing.assert_allclose(
            np.load(tmp_path / "rna.npy"), _translated(model, query), rtol=1e-5
        )
        assert list(pyro.get_param_store().keys()) == ["left_over"]
        pyro.clear_param_store()

    def test_loads_with_its_data_and_trains_on(self, joined, tmp_path):
        _trained(joined, split=Split(range(60)), batch_key="lane").save(tmp_path / "model")
        model = Polarbear.load(tmp_path / "model", adata=joined)
        model.train(split=Split(range(60)), **QUICK)
        assert _translated(model, joined, "rna", "atac").shape == (60, 36)

    def test_resumes(self, mdata, tmp_path):
        whole = _trained(mdata, train={"checkpoint_dir": tmp_path / "whole"})
        again = _trained(mdata, train={"checkpoint_dir": tmp_path / "whole", "resume": True})
        np.testing.assert_array_equal(
            _translated(whole, mdata["atac"]), _translated(again, mdata["atac"])
        )


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"gene_likelihood": "poisson"}, "poisson"),
            ({"n_latent": 0}, "n_latent must be .* at least 1"),
            ({"dropout_rate": 1.0}, "dropout_rate"),
        ],
    )
    def test_of_choices(self, mdata, options, match):
        Polarbear.setup_mudata(mdata)
        with pytest.raises(ValueError, match=match):
            Polarbear(mdata, **options)

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"max_epochs": 0}, "max_epochs"),
            ({"translator_epochs": 1.5}, "translator_epochs"),
            ({"plan_kwargs": {"discriminator_lr": 1}}, "discriminator_lr"),
            ({"plan_kwargs": {"lr_min": 0.1}}, "'lr_min'.*add 'reduce_lr_on_plateau': True"),
            ({"gradient_clip_val": 1.0}, "max_grad_norm"),
            ({"batch_size": 1}, "batch_size"),
            ({"split": Split(range(5))}, "too few"),
        ],
    )
    def test_of_training(self, mdata, options, match):
        Polarbear.setup_mudata(mdata)
        with pytest.raises(ValueError, match=match):
            Polarbear(mdata, **SMALL).train(**{**QUICK, **options})

    def test_of_columns_that_do_not_cover_all_cells(self, joined):
        joined.obs["lane"] = (
            joined.obs["lane"].astype(object).where(joined.obs["lane"] == "paired")
        )
        with pytest.raises(ValueError, match="missing for 20 cells"):
            Polarbear.setup_mudata(joined, batch_key="lane")


@pytest.mark.filterwarnings("ignore:.*have no counts at all")
@pytest.mark.filterwarnings("ignore:.*have no count")
def test_one_gene_one_chromosome_empty_cells(simulate):
    mdata = simulate(n_genes=1, n_chromosomes=1)
    for part in mdata.mod.values():
        counts = sparse.lil_matrix(part.X)
        counts[0] = 0
        part.X = counts.tocsr()
    model = _trained(mdata)
    assert np.isfinite(_translated(model, mdata["atac"])).all()
    assert np.isfinite(_translated(model, mdata["rna"], "rna", "atac")).all()


def test_single_assay_cells_help():
    """30 pairs translate better with 270 further cells that have one modality each."""
    mdata = xm.datasets.synthetic(
        n_cells=450, n_genes=60, n_peaks=150, n_chromosomes=3, atac_density=0.3, rna_depth=600
    )
    pairs, rest, test = mdata[:30].copy(), slice(30, 300), mdata[300:].copy()
    apart = {key: mdata[key][rest].copy() for key in mdata.mod}
    schedule = {"max_epochs": 50, "translator_epochs": 80, "early_stopping": False}
    scores = []
    for train in (pairs, xm.pp.join_single_assay(pairs, **apart)):
        everyone = Split(range(train.n_obs))
        model = _trained(train, split=everyone, train=schedule, n_latent=8, n_hidden=32)
        rna = model.translate(test["atac"], source="atac", target="rna")
        atac = model.translate(test["rna"], source="rna", target="atac")
        scores.append(
            (
                np.nanmean(pearson_per_feature(np.log1p(test["rna"].X.toarray()), rna.X)),
                np.nanmean(auroc_per_feature(test["atac"].X, atac.X)),
            )
        )
    (pairs_rna, pairs_atac), (rna, atac) = scores
    assert rna > pairs_rna + 0.03
    assert atac > pairs_atac + 0.01
