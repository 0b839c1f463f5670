"""Determinism and numbers at their limits, for the default, the preset and Babel."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import scvi
import torch
from anndata import AnnData
from mudata import MuData
from scipy import sparse

from scvi_xmodal.model import Babel, Butterfly
from scvi_xmodal.nn import SparseRows

KINDS = {
    "default": (Butterfly, {"n_latent": 4, "n_embedding": 8}, {"pretrain_epochs": 1}),
    "scbutterfly": (Butterfly, {"preset": "scbutterfly"}, {"pretrain_epochs": 1}),
    "babel": (Babel, {}, {"batch_size": 20}),
}
N_CELLS = 60
# what these data are made of is warned of, and that is tested elsewhere
pytestmark = pytest.mark.filterwarnings("ignore:.*no counts at all:UserWarning")


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


def _mdata(rna, atac, chromosomes=None):
    n_peaks = atac.shape[1]
    chrom = ["chr1"] * n_peaks if chromosomes is None else chromosomes
    start = 1000 * np.arange(1, n_peaks + 1)
    peaks = pd.DataFrame({"chrom": chrom, "start": start, "end": start + 500})
    peaks.index = [f"{c}:{s}-{s + 500}" for c, s in zip(chrom, start, strict=True)]
    genes = pd.DataFrame(index=[f"gene{i}" for i in range(rna.shape[1])])
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(rna.shape[0])])
    parts = {"rna": (rna, genes), "atac": (atac, peaks)}
    return MuData(
        {
            key: AnnData(sparse.csr_matrix(x.astype(np.float32)), obs=obs.copy(), var=var)
            for key, (x, var) in parts.items()
        }
    )


def _usual(rng, n_genes=12, n_peaks=30, **options):
    rna, atac = rng.poisson(2.0, (N_CELLS, n_genes)), rng.random((N_CELLS, n_peaks)) < 0.3
    rna[:, 0] += 1  # no cell without counts
    return _mdata(rna, atac, **options)


def _train(kind, mdata, seed=0):
    model_class, options, schedule = KINDS[kind]
    scvi.settings.seed = seed
    model_class.setup_mudata(mdata)
    model = model_class(mdata, **options)
    model.train(2, enable_progress_bar=False, train_size=0.75, **schedule)
    return model


def _check_finite(model, query):
    """Translate all ways, with all that goes with it, and raise if a value is not finite."""
    for source in model.specs:
        latent = model.get_latent_representation(query, modality=source)
        familiarity = model.familiarity(query, source=source)
        assert np.isfinite(latent).all()
        assert np.isfinite(familiarity.to_numpy()).all()
        for target in model.specs:
            found = model.translate(query, source=source, target=target, quantiles=(0.05, 0.95))
            for values in (found.X, *(found.layers[name] for name in found.layers if name)):
                assert np.isfinite(values).all(), (source, target)


def test_the_same_seed_gives_the_same_model_and_translation(kind, rng):
    mdata = _usual(rng)
    first, second, other = (_train(kind, mdata.copy(), seed=seed) for seed in (3, 3, 4))
    for name, weight in first.module.state_dict().items():
        assert torch.equal(weight, second.module.state_dict()[name]), name
    options = {"source": "atac", "target": "rna", "quantiles": (0.05, 0.95)}
    found = [model.translate(mdata["atac"], **options) for model in (first, second, other)]
    np.testing.assert_array_equal(found[0].X, found[1].X)
    np.testing.assert_array_equal(found[0].layers["q95"], found[1].layers["q95"])
    pd.testing.assert_frame_equal(
        first.familiarity(source="rna"), second.familiarity(source="rna")
    )
    assert not np.array_equal(found[0].X, found[2].X)


def test_blocks_do_not_change_a_translation(kind, rng):
    model = _train(kind, _usual(rng))
    for source, target in (("rna", "atac"), ("atac", "rna"), ("rna", "rna")):
        whole = model.translate(source=source, target=target).X
        for batch_size in (1, 7, 59):
            parts = model.translate(source=source, target=target, batch_size=batch_size).X
            np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_single_precision_is_close_to_double(kind, rng):
    mdata = _usual(rng, n_genes=200, n_peaks=400)
    model = _train(kind, mdata)
    double = copy.deepcopy(model.module).double()
    for source, target in (("rna", "atac"), ("atac", "rna")):
        counts = SparseRows.from_scipy(mdata[source].X)
        single = model.module.translate(counts, source, target)
        counts = counts.with_values(counts.values.double())
        for name, exact in double.translate(counts, source, target).items():
            torch.testing.assert_close(single[name].double(), exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("library", [1, 10_000_000])
def test_libraries(kind, rng, library):
    mdata = _usual(rng)
    model = _train(kind, mdata)
    query = mdata.copy()
    rna = np.zeros(query["rna"].shape, dtype=np.float32)
    rna[:, 3] = library
    query["rna"].X = sparse.csr_matrix(rna)
    atac = np.zeros(query["atac"].shape, dtype=np.float32)
    atac[:, : 1 if library == 1 else None] = library
    query["atac"].X = sparse.csr_matrix(atac)
    _check_finite(model, query)
    _check_finite(_train(kind, query), query)


def test_a_library_of_each_size_in_training(kind, rng):
    mdata = _usual(rng)
    counts = mdata["rna"].X.toarray()
    counts[::2] *= 1_000_000
    mdata["rna"].X = sparse.csr_matrix(counts)
    _check_finite(_train(kind, mdata), mdata)


def test_depths_given_at_the_limits(rng):
    model = _train("default", _usual(rng))
    for depth in (1e-3, 1.0, 1e7):
        for source, target in (("rna", "atac"), ("atac", "rna")):
            found = model.translate(
                source=source, target=target, depth=np.full(N_CELLS, depth), quantiles=(0.1, 0.9)
            )
            assert np.isfinite(found.X).all()
            assert np.isfinite(found.layers["q90"]).all()


def test_peaks_open_in_no_cell_and_in_all(kind, rng):
    mdata = _usual(rng)
    atac = mdata["atac"].X.toarray()
    atac[:, :5], atac[:, 5:10] = 0, 1
    rna = mdata["rna"].X.toarray()
    rna[:, 7] = 0
    mdata["atac"].X, mdata["rna"].X = sparse.csr_matrix(atac), sparse.csr_matrix(rna)
    model = _train(kind, mdata)
    _check_finite(model, mdata)
    assert np.isnan(model.trust_scores("rna", "atac")["validation_auroc"].iloc[:10]).all()


@pytest.mark.filterwarnings("ignore:.*have no count")
def test_one_gene_and_one_peak(kind, rng):
    mdata = _usual(rng, n_genes=1, n_peaks=1)
    _check_finite(_train(kind, mdata), mdata)


def test_two_thousand_chromosomes(kind, rng):
    mdata = _usual(rng, n_peaks=2000, chromosomes=[f"contig{i}" for i in range(2000)])
    model = _train(kind, mdata)
    assert len(model.specs["atac"].blocks) == 2000
    _check_finite(model, mdata[:5].copy())
