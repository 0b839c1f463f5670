"""Whatever comes in, it works, with finite values of the right shape, or a ValueError says why."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress

import hypothesis.strategies as st
import numpy as np
import pytest
from _world import World, digest, put_matrix
from anndata import AnnData
from hypothesis import HealthCheck, given, settings
from mudata import MuData
from scipy import sparse

import scvi_xmodal as xm
from scvi_xmodal.data import Split

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
QUIET = {"enable_progress_bar": False, "accelerator": "cpu"}
N_CELLS = 24

CHROMOSOMES = ["chr1", "1", "chrX", "chrUn_KI270v1", "GL000194.1", "2L", "HLA-A*01:01", "chr-3"]
FORMATS = ["csr", "csc", "coo", "bsr", "dia", "csr_array", "dense", "fortran", "view"]
DTYPES = ["bool", "uint8", "int16", "int64", "float16", "float32", "float64"]


def examples(quick: int, thorough: int):
    """Return settings: few examples in the suite, many for ``make trust``, always the same."""
    return settings(
        max_examples=thorough if THOROUGH else quick,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def _matrix(values: np.ndarray, fmt: str, dtype: str) -> object:
    values = values.astype(dtype)
    if fmt in ("dense", "view"):
        return values
    if fmt == "fortran":
        return np.asfortranarray(values)
    if dtype == "float16":  # scipy has none
        values = values.astype("float32")
    if fmt == "csr_array":
        return sparse.csr_array(values)
    return sparse.csr_matrix(values).asformat(fmt)


@st.composite
def modalities(draw, kind: str = "rna", n_cells: int | None = None) -> AnnData:
    """Draw counts of odd formats, with empty rows and columns, and odd names."""
    n_cells = draw(st.integers(0, 6)) if n_cells is None else n_cells
    n_vars = draw(st.integers(0, 7))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.poisson(draw(st.sampled_from([0, 0.3, 3, 40])), (n_cells, n_vars))
    if n_cells and n_vars:
        values[rng.integers(n_cells)] *= draw(st.integers(0, 1))
        values[:, rng.integers(n_vars)] *= draw(st.integers(0, 1))
    fmt = draw(st.sampled_from(FORMATS))
    adata = AnnData(np.zeros((n_cells, n_vars), dtype=np.float32))
    put_matrix(adata, _matrix(values, fmt, draw(st.sampled_from(DTYPES))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.var_names = draw(_names(kind, n_vars))
        adata.obs_names = [f"cell_{number}" for number in range(n_cells)]
    return adata[:, ::-1] if fmt == "view" and n_vars else adata


@st.composite
def _names(draw, kind: str, n_vars: int) -> list[str]:
    if kind == "atac" and draw(st.integers(0, 9)):
        chromosome = st.sampled_from(CHROMOSOMES)
        starts = [draw(st.integers(0, 400)) for _ in range(n_vars)]
        ends = [start + draw(st.integers(-1, 60)) for start in starts]
        mark = draw(st.sampled_from([":", "-", "_"]))
        places = zip(starts, ends, strict=True)
        return [f"{draw(chromosome)}{mark}{start}-{end}" for start, end in places]
    names = [f"gene_{number}" for number in range(n_vars)]
    if n_vars > 1 and not draw(st.integers(0, 4)):
        names[0] = draw(st.sampled_from([names[1], "", "1", "ENSG0001.2", "µ \n"]))
    return names


def _finite(matrix: object) -> bool:
    values = matrix.data if sparse.issparse(matrix) else np.asarray(matrix)
    return bool(np.isfinite(np.asarray(values, dtype=np.float64)).all())


def _works_or_says_why(function, *data, **options):
    """Return what a function makes, or ``None`` if it refuses; data stay as they are."""
    before = [digest(part) for part in data]
    made = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with suppress(ValueError):
            made = function(*data, **options)
    assert [digest(part) for part in data] == before
    return made


PREPARING = {
    "select_features": lambda a: xm.pp.select_features(a, n_top_genes=3),
    "filter_cells_by_genes": lambda a: xm.pp.filter_cells_by_genes(a, min_genes=1),
    "filter_peaks": lambda a: xm.pp.filter_peaks(a, min_cells=1, max_fraction=1.0),
    "annotate_peaks": lambda a: xm.pp.annotate_peaks(a, on_error="keep"),
    "exclude_chromosomes": lambda a: xm.pp.exclude_chromosomes(a, ["chrX"]),
    "merge_overlapping_peaks": xm.pp.merge_overlapping_peaks,
    "align_features": lambda a: xm.pp.align_features(a, ["gene_1", "gene_9"], missing="zero"),
    "repool_peaks": lambda a: xm.pp.repool_peaks(a, ["chr1:0-100", "GL000194.1:0-500"]),
    "split": lambda a: xm.pp.split(a, n_folds=3),
}
MATRICES = {
    "clr": xm.pp.clr,
    "fit_tfidf": lambda x: xm.pp.tfidf(x, xm.pp.fit_tfidf(x)),
    "tfidf": xm.pp.tfidf,
    "inverse_tfidf": lambda x: xm.pp.inverse_tfidf(xm.pp.tfidf(x), xm.pp.fit_tfidf(x), 3),
}


@pytest.mark.parametrize("name", PREPARING)
@examples(12, 400)
@given(data=st.data())
def test_preparing(name, data):
    kind = "rna" if name in ("filter_cells_by_genes", "align_features") else "atac"
    adata = data.draw(modalities(data.draw(st.sampled_from([kind, kind, "rna"]))))
    made = _works_or_says_why(PREPARING[name], adata)
    if isinstance(made, AnnData):
        assert made.n_obs <= adata.n_obs
        assert made.X.shape == made.shape
        assert _finite(made.X)
    elif made is not None:
        assert made.train.size + made.validation.size + made.test.size == adata.n_obs


@pytest.mark.parametrize("name", MATRICES)
@examples(12, 400)
@given(adata=modalities())
def test_transforming(name, adata):
    made = _works_or_says_why(MATRICES[name], adata.X)
    if made is not None:
        assert made.shape == adata.shape
        assert _finite(made)


@examples(12, 300)
@given(rna=modalities(), atac=modalities("atac"), shared=st.booleans())
def test_gathering(rna, atac, shared):
    cells = "shared" if shared else "raise"
    made = _works_or_says_why(
        lambda *parts: xm.pp.to_mudata(
            dict(zip(("rna", "atac"), parts, strict=True)), cells=cells
        ),
        rna,
        atac,
    )
    assert made is None or made.n_obs == min(rna.n_obs, atac.n_obs)


@examples(8, 300)
@given(first=modalities("atac"), second=modalities("atac"))
def test_peaks_together(first, second):
    union = _works_or_says_why(
        lambda *parts: xm.pp.union_peaks(*(p.var for p in parts)), first, second
    )
    if union is not None:
        assert union.index.is_unique
        assert (union["start"] < union["end"]).all()
    _works_or_says_why(xm.pp.repool_peaks, first, second.var)


@examples(6, 120)
@given(data=st.data())
def test_one_step_of_training_and_translating(data):
    rna = data.draw(modalities("rna", N_CELLS))
    atac = data.draw(modalities("atac", N_CELLS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mdata = MuData({"rna": rna, "atac": atac})
        try:
            xm.model.Butterfly.setup_mudata(mdata)
        except ValueError:
            return
        model = xm.model.Butterfly(mdata, n_latent=2, n_embedding=4)
        model.train(1, pretrain_epochs=0, split=Split(range(16), range(16, N_CELLS)), **QUIET)
        query = mdata["rna"]
        before = digest(query)
        made = model.translate(query, source="rna", target="atac")
        back = model.translate(mdata["atac"], source="atac", target="rna")
        z = model.get_latent_representation(query, modality="rna")
    assert digest(query) == before
    assert made.shape == mdata["atac"].shape
    assert back.shape == mdata["rna"].shape
    assert _finite(made.X)
    assert _finite(back.X)
    assert _finite(back.layers["mean"])
    assert z.shape == (N_CELLS, 2)
    assert _finite(z)


@pytest.fixture(scope="module")
def model():
    return World().model


@examples(15, 300)
@given(data=st.data())
def test_queries(model, data):
    """A query has the model's genes, in some order and format, or some of them, or others."""
    names = [f"gene_{number}" for number in range(18)]
    order = data.draw(st.permutations(names))
    order = order[: data.draw(st.sampled_from([18, 18, 18, 17, 1, 0]))]
    change = data.draw(st.sampled_from([str, str, str.upper, lambda name: f"{name}.1"]))
    n_cells = data.draw(st.integers(0, 4))
    values = np.random.default_rng(0).poisson(
        data.draw(st.sampled_from([0, 3])), (n_cells, len(order))
    )
    query = AnnData(np.zeros(values.shape, dtype=np.float32))
    fmt, dtype = data.draw(st.sampled_from(FORMATS)), data.draw(st.sampled_from(DTYPES))
    put_matrix(query, _matrix(values, fmt, dtype))
    query.var_names = [change(name) for name in order]
    made = _works_or_says_why(model.translate, query, source="rna", target="atac")
    if change is str and len(order) == 18 and n_cells and (dtype != "float16"):
        assert made is not None
    if made is not None:
        assert made.shape == (n_cells, 36)
        assert _finite(made.X)
