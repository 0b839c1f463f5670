"""The order of genes, peaks and chromosomes means nothing."""

from __future__ import annotations

import numpy as np
import pytest
import scvi
from mudata import MuData

from scvi_xmodal.data import Split
from scvi_xmodal.model import Butterfly

SPLIT = Split(range(40), range(40, 60))


def _reordered(mdata, key, order):
    parts = {name: adata.copy() for name, adata in mdata.mod.items()}
    parts[key] = parts[key][:, order].copy()
    return MuData(parts)


def _train(mdata, **options):
    scvi.settings.seed = 0
    Butterfly.setup_mudata(mdata)
    model = Butterfly(mdata, n_latent=6, **options)
    model.train(2, pretrain_epochs=1, split=SPLIT, enable_progress_bar=False)
    return model


def _interleaved(chromosomes):
    """Return an order in which chromosomes alternate and each keeps its own order."""
    sizes = np.unique(chromosomes, return_counts=True)[1]
    return np.lexsort((chromosomes, np.concatenate([np.arange(size) for size in sizes])))


def _losses(model):
    return {
        name: values.to_numpy().ravel() for name, values in model.history.items() if "loss" in name
    }


class TestQuery:
    @pytest.mark.parametrize(("source", "target"), [("rna", "atac"), ("atac", "rna")])
    def test_features_in_any_order(self, trained, rng, source, target):
        options = {"source": source, "target": target}
        wanted = trained.model.translate(**options)
        for _ in range(3):
            query = trained.original[source]
            query = query[:, rng.permutation(query.n_vars)]
            for given in (
                query,
                query.copy(),
                _reordered(trained.original, source, query.var_names),
            ):
                result = trained.model.translate(given, **options)
                np.testing.assert_allclose(result.X, wanted.X, rtol=1e-5, atol=1e-6)
                assert result.var_names.equals(wanted.var_names)

    def test_chromosomes_in_any_order(self, trained):
        options = {"source": "atac", "target": "rna"}
        wanted = trained.model.translate(**options)
        atac = trained.original["atac"]
        blocks = [np.flatnonzero(atac.var["chrom"] == name) for name in ("chr3", "chr1", "chr2")]
        result = trained.model.translate(atac[:, np.concatenate(blocks)], **options)
        np.testing.assert_allclose(result.X, wanted.X, rtol=1e-5, atol=1e-6)

    def test_the_order_of_the_target_in_the_query_means_nothing(self, trained, rng):
        query = _reordered(trained.original, "atac", rng.permutation(36))
        result = trained.model.translate(query, source="rna", target="atac")
        wanted = trained.model.translate(source="rna", target="atac")
        np.testing.assert_allclose(result.X, wanted.X, rtol=1e-5, atol=1e-6)
        assert result.var_names.equals(trained.original["atac"].var_names)


class TestTraining:
    def test_unsorted_chromosomes_train_to_the_same_losses(self, simulate):
        order = _interleaved(simulate()["atac"].var["chrom"].to_numpy())
        mixed = _reordered(simulate(), "atac", order)
        assert mixed["atac"].var["chrom"].iloc[:4].tolist() == ["chr1", "chr2", "chr3", "chr1"]
        sorted_model, mixed_model = _train(simulate()), _train(mixed)
        assert mixed_model.specs["atac"].blocks == sorted_model.specs["atac"].blocks
        losses = _losses(sorted_model)
        for name, values in _losses(mixed_model).items():
            np.testing.assert_allclose(values, losses[name], rtol=1e-6, err_msg=name)
        for source, target in (("rna", "atac"), ("atac", "rna")):
            options = {"source": source, "target": target}
            one, other = sorted_model.translate(**options), mixed_model.translate(**options)
            assert other.var_names.tolist() == mixed_model.adata[target].var_names.tolist()
            np.testing.assert_allclose(other[:, one.var_names].X, one.X, rtol=1e-5)

    def test_the_order_of_the_modalities_means_nothing(self, simulate):
        mdata = simulate()
        swapped = MuData({key: mdata[key].copy() for key in ("atac", "rna")})
        first, second = _train(simulate()), _train(swapped)
        assert list(second.specs) == ["rna", "atac"]
        for name, values in _losses(second).items():
            np.testing.assert_array_equal(values, _losses(first)[name])

    def test_shuffled_peaks_become_the_same_blocks(self, simulate, rng):
        shuffled = _reordered(simulate(), "atac", rng.permutation(36))
        model = _train(shuffled)
        spec = model.specs["atac"]
        assert spec.block_names == ("chr1", "chr2", "chr3")
        assert spec.blocks == (12, 12, 12)
        chromosomes = shuffled["atac"].var["chrom"].to_numpy()
        np.testing.assert_array_equal(
            chromosomes[spec.order], np.repeat(["chr1", "chr2", "chr3"], 12)
        )
        result = model.translate(source="rna", target="atac")
        assert result.var_names.equals(shuffled["atac"].var_names)

    def test_a_peaks_prediction_goes_with_its_name(self, simulate, rng):
        """Peaks that are open in most cells are predicted to be, wherever they stand."""
        shuffled = _reordered(simulate(), "atac", rng.permutation(36))
        result = _train(shuffled).translate(source="rna", target="atac")
        measured = np.asarray((shuffled["atac"].X > 0).mean(0)).ravel()
        assert np.corrcoef(result.X.mean(0), measured)[0, 1] > 0.95

    @pytest.mark.parametrize("names", ["chr{}:{}-{}", "{}:{}-{}", "chr{}_{}_{}", "chr{}-{}-{}"])
    def test_blocks_are_read_from_names(self, mdata, names):
        atac = mdata["atac"]
        columns = atac.var[["chrom", "start", "end"]].to_numpy()
        mdata.mod["atac"].var_names = [
            names.format(chrom.removeprefix("chr"), start, end) for chrom, start, end in columns
        ]
        atac.var = atac.var[[]]
        mdata.update()
        Butterfly.setup_mudata(mdata)
        assert Butterfly(mdata).specs["atac"].blocks == (12, 12, 12)

    def test_peaks_without_coordinates_are_one_block_with_a_warning(self, mdata, quick):
        mdata["atac"].var_names = [f"peak_{number}" for number in range(36)]
        mdata["atac"].var = mdata["atac"].var[[]]
        mdata.update()
        with pytest.warns(
            UserWarning, match=r"36 of 36 peaks have no coordinates.*annotate_peaks"
        ):
            Butterfly.setup_mudata(mdata)
        model = Butterfly(mdata)
        assert model.specs["atac"].blocks == (36,)
        model.train(**quick)
        assert model.translate(source="rna", target="atac").shape == (60, 36)

    def test_chromosomes_come_in_a_persons_order(self, mdata):
        mdata["atac"].var["chrom"] = np.repeat(["chr10", "GL000194.1", "chr2", "chrX"], 9)
        Butterfly.setup_mudata(mdata)
        names = Butterfly(mdata).specs["atac"].block_names
        assert names == ("chr2", "chr10", "chrX", "GL000194.1")
