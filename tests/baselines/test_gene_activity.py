from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData
from scipy import sparse

import scvi_xmodal as xm
from scvi_xmodal.baselines import ActivityRule, GeneActivity
from scvi_xmodal.baselines._activity import activity_weights


def _frame(rows, columns, names=None):
    return pd.DataFrame(rows, columns=columns, index=names)


def _peaks(*rows):
    return _frame(rows, ["chrom", "start", "end"])


def _genes(**rows):
    return _frame(list(rows.values()), ["chrom", "start", "end", "strand"], list(rows))


def _by_hand(peaks, genes, rule):
    """Loop over peaks and genes, as the rule is written."""
    starts, ends = [], []
    for gene in genes.itertuples():
        starts.append(max(gene.start - rule.upstream * (gene.strand == "+"), 0))
        ends.append(gene.end + rule.upstream * (gene.strand == "-"))
    inverse = [1 / (end - start) for start, end in zip(starts, ends, strict=True)]
    weights = np.zeros((len(peaks), len(genes)))
    for g, gene in enumerate(genes.itertuples()):
        others = genes[genes["chrom"] == gene.chrom]
        left = max([e for e in others["end"] if e <= gene.start], default=0)
        right = min([s for s in others["start"] if s >= gene.end], default=10**12)
        first = min(max(starts[g] - rule.window, left), starts[g] - 1000)
        last = max(min(ends[g] + rule.window, right), ends[g] + 1000)
        spread = max(inverse) - min(inverse)
        length = 1.0
        if spread:
            length += (rule.length_factor - 1) * (inverse[g] - min(inverse)) / spread
        for p, peak in enumerate(peaks.itertuples()):
            if peak.chrom == gene.chrom and peak.start < last and peak.end > max(first, 0):
                gap = max(peak.start - ends[g], starts[g] - peak.end, 0)
                weights[p, g] = (np.exp(-gap / rule.decay) + np.exp(-1)) * length
    return weights


@pytest.mark.parametrize("seed", range(4))
def test_weights_equal_a_loop_over_peaks_and_genes(seed):
    rng = np.random.default_rng(seed)
    start = rng.integers(0, 600_000, 60)
    peaks = pd.DataFrame(
        {"chrom": rng.choice(["chr1", "chr2"], 60), "start": start, "end": start + 501}
    )
    start = rng.integers(0, 600_000, 9)
    genes = pd.DataFrame(
        {
            "chrom": rng.choice(["chr1", "chr2", "chr3"], 9),
            "start": start,
            "end": start + rng.integers(200, 80_000, 9),
            "strand": rng.choice(["+", "-"], 9),
        }
    )
    rule = ActivityRule(window=int(rng.integers(500, 200_000)))
    ours = activity_weights(peaks, genes, rule).toarray()
    np.testing.assert_allclose(ours, _by_hand(peaks, genes, rule), rtol=1e-12)
    assert (ours > 0).any()


def test_a_peak_on_the_gene_weighs_one_and_the_floor():
    genes = _genes(forward=("chr1", 200_000, 210_000, "+"))
    peaks = _peaks(
        ("chr1", 195_000, 195_500),  # 5 kb upstream: part of the extended body
        ("chr1", 189_500, 190_000),  # 5 kb further
        ("chr1", 215_000, 215_500),  # 5 kb downstream
        ("chr1", 94_000, 94_900),  # more than 100 kb off
        ("chr2", 200_000, 200_500),
    )
    weights = activity_weights(peaks, genes, ActivityRule()).toarray().ravel()
    floor = np.exp(-1)
    np.testing.assert_allclose(weights, [1 + floor, 2 * floor, 2 * floor, 0, 0])


def test_a_gene_in_between_takes_the_peak_and_an_overlapping_one_does_not():
    genes = _genes(
        between=("chr1", 300_000, 310_000, "+"),
        far=("chr1", 350_000, 360_000, "+"),
        over=("chr1", 355_000, 400_000, "+"),
    )
    peaks = _peaks(("chr1", 290_000, 290_500), ("chr1", 405_000, 405_500))
    weights = activity_weights(peaks, genes, ActivityRule()).toarray() > 0
    assert weights.tolist() == [[True, False, False], [False, True, True]]


def test_the_shortest_gene_weighs_five_times_the_longest():
    genes = _genes(long=("chr1", 10_000, 90_000, "+"), short=("chr2", 10_000, 10_100, "+"))
    peaks = _peaks(("chr1", 50_000, 50_500), ("chr2", 10_000, 10_050))
    weights = activity_weights(peaks, genes, ActivityRule()).toarray()
    np.testing.assert_allclose(np.diag(weights), np.array([1, 5]) * (1 + np.exp(-1)))


@pytest.fixture
def experiment():
    """Two genes far apart, each with a peak; a third without a place."""
    rng = np.random.default_rng(0)
    genes = _genes(a=("chr1", 10_000, 20_000, "+"), b=("chr2", 10_000, 20_000, "-"))
    peaks = AnnData(sparse.csr_matrix(rng.poisson(2.0, (30, 2)).astype(np.float32)))
    peaks.var_names = ["chr1:12000-12500", "chr2:12000-12500"]
    rna = AnnData(sparse.csr_matrix(rng.poisson(3.0, (30, 3)).astype(np.float32)))
    rna.var_names = ["b", "nowhere", "a"]
    return MuData({"rna": rna, "atac": peaks}), genes


def test_scores_are_cut_scaled_and_logged(experiment):
    mdata, genes = experiment
    train = np.arange(20)
    with pytest.warns(UserWarning, match="1 of 3 genes are not in the gene table"):
        fitted = GeneActivity(genes, ceiling=3).fit(mdata, indices=train)
    out = fitted.translate(mdata["atac"], source="atac", target="rna")
    counts = np.minimum(mdata["atac"].X.toarray(), 3)[:, [1, 0]]
    median = np.median(mdata["rna"].X.toarray()[train].sum(axis=1))
    total = counts.sum(axis=1, keepdims=True)
    expected = np.log1p(np.divide(counts * median, total, where=total > 0, out=counts * 0))
    np.testing.assert_allclose(out.X[:, [0, 2]], expected, atol=1e-5)
    mean = xm.baselines.Mean().fit(mdata, indices=train)
    trained = mean.translate(mdata["atac"], source="atac", target="rna").X[:, 1]
    np.testing.assert_allclose(out.X[:, 1], trained, rtol=1e-6)
    share = np.expm1(out.X) / np.expm1(out.X).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(out.layers["mean"], share * median, rtol=1e-4)
    assert out.uns["scvi_xmodal"]["options"]["n_genes"] == 2
    again = pickle.loads(pickle.dumps(fitted))
    alone = again.translate(mdata["atac"][[4]], source="atac", target="rna")
    np.testing.assert_allclose(alone.X[0], out.X[4], rtol=1e-6)


def test_names_may_stand_in_a_column_and_in_var(experiment):
    mdata, genes = experiment
    mdata.mod["rna"] = mdata["rna"][:, ["a", "b"]].copy()
    for name in genes:
        mdata["rna"].var[name] = genes[name].reindex(mdata["rna"].var_names)
    tables = [genes, genes.reset_index(names="gene"), mdata["rna"].var]
    first, *others = (
        GeneActivity(table).fit(mdata).translate(mdata, source="atac", target="rna").X
        for table in tables
    )
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_it_beats_no_knowledge_on_real_cells(cortex):
    activity = GeneActivity(xm.datasets.gene_table("mm10"))
    with pytest.warns(UserWarning, match="22 of 1355 genes"):
        activity.fit(cortex, indices=range(200))
    rows = np.arange(200, 1200)
    out = activity.translate(cortex["atac"][rows], source="atac", target="rna")
    scores = xm.metrics.evaluate_translation(out, cortex["rna"][rows])
    assert scores["pearson_gene"].item() > 0.005


def test_users_mistakes_are_named(experiment):
    mdata, genes = experiment
    with pytest.raises(ValueError, match=r"lacks the columns \['strand'\]"):
        GeneActivity(genes.drop(columns="strand"))
    with pytest.raises(ValueError, match="is a list"):
        GeneActivity([1, 2])
    with pytest.raises(ValueError, match="1 genes appear more than once"):
        GeneActivity(pd.concat([genes, genes.iloc[:1]]))
    with pytest.raises(ValueError, match="start=5 and end=5"):
        GeneActivity(genes.assign(start=5, end=5))
    with pytest.raises(ValueError, match="strand='1'"):
        GeneActivity(genes.assign(strand="1"))
    with pytest.raises(ValueError, match=r"decay=-1 must be above 0"):
        GeneActivity(genes, rule=ActivityRule(decay=-1))
    renamed = genes.assign(chrom=["1", "2"])
    with pytest.raises(ValueError, match="No peak is near a gene"):
        GeneActivity(renamed).fit(mdata)
    with pytest.raises(ValueError, match="Only 1 of 3 genes are in the gene table"):
        GeneActivity(genes.iloc[:1]).fit(mdata)
    with pytest.warns(UserWarning, match="training mean"):
        fitted = GeneActivity(genes).fit(mdata)
    with pytest.raises(ValueError, match=r"target='atac'; fitted on .*, it knows atac to rna\."):
        fitted.translate(mdata, source="rna", target="atac")
    protein = MuData({"rna": mdata["rna"].copy(), "protein": mdata["rna"].copy()})
    with pytest.raises(ValueError, match="knows no direction"):
        GeneActivity(genes).fit(protein)
    nameless = mdata["atac"].copy()
    nameless.var_names = ["p1", "p2"]
    with pytest.raises(ValueError, match="no coordinates"):
        GeneActivity(genes).fit(MuData({"rna": mdata["rna"].copy(), "atac": nameless}))
