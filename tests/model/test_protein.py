"""The protein head: another experiment's proteins, on a latent that stays."""

from __future__ import annotations

import numpy as np
import pytest
import scvi
import torch
from mudata import MuData

from scvi_xmodal import pp
from scvi_xmodal.data import Split
from scvi_xmodal.model import Babel

QUICK = {"plan_kwargs": {"max_epochs": 3}}


@pytest.fixture(scope="module")
def original(simulate):
    """Cells with all three modalities."""
    return simulate(n_proteins=5)


def _multiome(original):
    return MuData({key: original[key].copy() for key in ("rna", "atac")})


@pytest.fixture
def cite(original):
    """CITE-seq: RNA and proteins."""
    return MuData({key: original[key].copy() for key in ("rna", "protein")})


@pytest.fixture
def model(original):
    """A model without a head."""
    mdata = _multiome(original)
    scvi.settings.seed = 0
    Babel.setup_mudata(mdata)
    model = Babel(mdata)
    model.train(2, split=Split(range(40), range(40, 60)), enable_progress_bar=False)
    return model


def _state(model):
    return {k: v.clone() for k, v in model.module.state_dict().items() if "head" not in k}


class TestTraining:
    def test_latent_stays(self, model, cite, snapshot):
        before, frozen = _state(model), snapshot(cite)
        history = model.train_protein_head(cite, **QUICK)
        after = _state(model)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert snapshot(cite) == frozen
        assert history.shape == (3, 2)
        assert np.isfinite(history.to_numpy()).all()

    def test_targets_are_clr_with_a_pseudocount(self, model, cite, monkeypatch):
        seen = {}

        def record(head, z, y, split, **options):
            seen.update(z=z, y=y, **options)
            return fit_head(head, z, y, split, **options)

        from scvi_xmodal.train import fit_head

        monkeypatch.setattr("scvi_xmodal.model._protein.fit_head", record)
        model.train_protein_head(cite, **QUICK)
        np.testing.assert_allclose(
            seen["y"].numpy(), pp.clr(cite["protein"].X), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            seen["z"].numpy(), model.get_latent_representation(cite, modality="rna"), rtol=1e-5
        )
        assert seen["loss"] == "mse"

    def test_it_learns(self, model, cite):
        history = model.train_protein_head(cite, plan_kwargs={"max_epochs": 200, "lr": 1e-2})
        clr = pp.clr(cite["protein"].X)
        own = model.translate(cite, source="rna", target="protein").X
        assert ((own - clr) ** 2).mean() < ((clr - clr.mean(0)) ** 2).mean()
        assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]

    @pytest.mark.parametrize("activation", ["tanh", "prelu"])
    @pytest.mark.parametrize("loss", ["mse", "l1"])
    def test_options(self, model, cite, activation, loss):
        model.train_protein_head(cite, activation=activation, loss=loss, **QUICK)
        kinds = {"tanh": torch.nn.Tanh, "prelu": torch.nn.Module}
        assert isinstance(model.module.protein_head.activation, kinds[activation])
        assert model.translate(cite, source="rna", target="protein").shape == (60, 5)

    def test_genes_in_another_order_and_more_of_them(self, model, cite):
        split = Split(range(50), range(50, 60))
        torch.manual_seed(0)
        first = model.train_protein_head(cite, split=split, **QUICK)
        genes = cite["rna"][:, ::-1].copy()
        shuffled = MuData({"rna": genes, "protein": cite["protein"].copy()})
        torch.manual_seed(0)
        second = model.train_protein_head(shuffled, split=split, **QUICK)
        np.testing.assert_allclose(first, second, rtol=1e-4)

    def test_some_genes_missing(self, model, cite):
        genes = cite["rna"][:, 1:].copy()
        with pytest.warns(UserWarning, match="lack 1 of the model's 18 'rna' features"):
            model.train_protein_head(
                MuData({"rna": genes, "protein": cite["protein"].copy()}), **QUICK
            )

    def test_training_anew_drops_the_head(self, model, cite):
        model.train_protein_head(cite, **QUICK)
        with pytest.warns(UserWarning, match="protein head is dropped"):
            model.train(1, enable_progress_bar=False)
        with pytest.raises(ValueError, match="needs a protein head"):
            model.translate(cite, source="rna", target="protein")


class TestTranslate:
    @pytest.fixture
    def with_head(self, model, cite):
        model.train_protein_head(cite, **QUICK)
        return model

    def test_through_inferred_expression_or_straight(self, with_head, original):
        atac = original["atac"]
        through = with_head.translate(atac, source="atac", target="protein")
        straight = with_head.translate(atac, source="atac", target="protein", via=None)
        assert not np.allclose(through.X, straight.X)
        assert through.var_names.tolist() == original["protein"].var_names.tolist()
        assert through.uns["scvi_xmodal"]["target_kind"] == "protein"
        assert through.uns["scvi_xmodal"]["options"]["via"] == "rna"

    def test_rna_goes_straight(self, with_head, original):
        own, other = (
            with_head.translate(original["rna"], source="rna", target="protein", via=via).X
            for via in ("rna", None)
        )
        np.testing.assert_array_equal(own, other)

    def test_it_has_no_scores_of_validation_cells(self, with_head, original):
        for source in ("rna", "atac"):
            with pytest.raises(ValueError, match="the head that predicts 'protein'.*other cells"):
                with_head.trust_scores(source, "protein")
            found = with_head.translate(original[source], source=source, target="protein")
            assert not any("validation" in name for name in found.var)

    def test_chosen_proteins(self, with_head, original):
        names = original["protein"].var_names[[3, 1]].tolist()
        whole = with_head.translate(original["rna"], source="rna", target="protein")
        some = with_head.translate(original["rna"], source="rna", target="protein", features=names)
        np.testing.assert_array_equal(some.X, whole[:, names].X)

    @pytest.mark.parametrize("activation", ["tanh", "prelu"])
    def test_saved_and_loaded(self, model, cite, original, tmp_path, activation):
        model.train_protein_head(cite, activation=activation, **QUICK)
        model.save(tmp_path / "m")
        loaded = Babel.load(tmp_path / "m", adata=False)
        for via in ("rna", None):
            np.testing.assert_array_equal(
                loaded.translate(original["atac"], source="atac", target="protein", via=via).X,
                model.translate(original["atac"], source="atac", target="protein", via=via).X,
            )

    def test_unknown_way(self, with_head, original):
        with pytest.raises(ValueError, match="via='atac' is unknown"):
            with_head.translate(original["rna"], source="rna", target="protein", via="atac")


def _renamed(adata, names):
    adata = adata.copy()
    adata.var_names = names
    return adata


class TestBadInput:
    def test_untrained(self, original, cite):
        mdata = _multiome(original)
        Babel.setup_mudata(mdata)
        with pytest.raises(ValueError, match="not trained yet"):
            Babel(mdata).train_protein_head(cite)

    def test_duplicate_proteins(self, model, cite):
        protein = _renamed(cite["protein"], ["a", "b", "b", "c", "d"])
        with pytest.warns(UserWarning, match="unique"):  # mudata's own
            mdata = MuData({"rna": cite["rna"], "protein": protein})
        with pytest.raises(ValueError, match=r"proteins are not unique: 1 names.*\['b'\]"):
            model.train_protein_head(mdata)

    def test_duplicate_genes(self, model, cite):
        names = cite["rna"].var_names.tolist()
        rna = _renamed(cite["rna"], [names[1], *names[1:]])  # and lacks the first
        with pytest.warns(UserWarning, match="unique"):  # mudata's own
            mdata = MuData({"rna": rna, "protein": cite["protein"]})
        with pytest.raises(ValueError, match=f"'rna' features are not unique.*{names[1]}"):
            model.train_protein_head(mdata)

    def test_all_zero_proteins(self, model, cite):
        counts = cite["protein"].X.toarray()
        counts[:50, 2] = 0
        counts[50:, 2] = 1
        cite["protein"].X = counts
        with pytest.raises(ValueError, match="1 proteins are 0 in all training cells"):
            model.train_protein_head(cite, split=Split(range(50), range(50, 60)))

    def test_one_protein(self, model, cite):
        one = MuData({"rna": cite["rna"], "protein": cite["protein"][:, :1].copy()})
        with pytest.raises(ValueError, match="1 proteins are too few"):
            model.train_protein_head(one)

    def test_many_missing_genes(self, model, cite):
        genes = cite["rna"][:, 7:].copy()
        with pytest.raises(ValueError, match="lack 7 of the model's 18 'rna'.*at most 10%"):
            model.train_protein_head(MuData({"rna": genes, "protein": cite["protein"]}))

    def test_no_proteins(self, model, original):
        with pytest.raises(ValueError, match="have no protein modality"):
            model.train_protein_head(_multiome(original))

    def test_no_mudata(self, model, cite):
        with pytest.raises(ValueError, match="needs a MuData, got AnnData"):
            model.train_protein_head(cite["protein"])

    def test_other_cells(self, model, cite):
        with pytest.raises(ValueError, match="not paired"):
            model.train_protein_head(
                MuData({"rna": cite["rna"].copy(), "protein": cite["protein"][:50].copy()})
            )

    def test_no_counts(self, model, cite):
        cite["protein"].X = pp.clr(cite["protein"].X)
        with pytest.raises(ValueError, match="protein.*negative"):
            model.train_protein_head(cite)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"activation": "relu"}, "activation='relu' is unknown.*tanh"),
            ({"loss": "huber"}, "loss='huber' is unknown.*mse"),
            ({"plan_kwargs": {"rate": 1}}, "plan_kwargs='rate' is unknown.*lr"),
            ({"protein_layer": "raw"}, "does not exist"),
            ({"split": [1, 2]}, "split must be a Split"),
            ({"split": Split(range(5))}, "5 training cells are too few"),
            ({"split": Split(range(100))}, "go up to 99"),
        ],
    )
    def test_arguments(self, model, cite, options, message):
        with pytest.raises(ValueError, match=message):
            model.train_protein_head(cite, **options)
